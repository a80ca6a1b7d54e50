"""One row worked out: what is known at it, when its target is, and which cells make it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trainer.audit.audit import audit
from trainer.audit.worked_row import WorkedRow, explain_already_shifted
from trainer.config import DataConfig, GuardConfig
from trainer.data.features import build_features
from trainer.data.source import Table, read_table
from trainer.data.windows import prepare_last_fold

Settings = Callable[..., DataConfig]
ROWS = 300


@pytest.fixture
def table_of(tmp_path: Path) -> Callable[[DataConfig, str], Table]:
    """A table of numbered rows: y is the number of the row, Close has a known return."""

    def make(config: DataConfig, offset: str = "") -> Table:
        days = pd.bdate_range("2001-01-01", periods=ROWS).strftime("%Y-%m-%d")
        y = np.arange(ROWS, dtype=float)
        close = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, ROWS)))
        times = [f"{day} 00:00:00{offset}" if offset else day for day in days]
        pd.DataFrame({"Date": times, "y": y, "Close": close}).to_csv(tmp_path / "prices.csv", index=False)
        return read_table(config, folder=tmp_path)

    return make


def _worked(config: DataConfig, table: Table) -> WorkedRow:
    found = audit(config, GuardConfig(max_skill=0.5), table).worked_row
    assert found is not None
    return found


@pytest.mark.parametrize("horizon", [1, 5])
def test_a_column_that_is_shifted_already_keeps_its_row_and_one_that_is_not_is_shifted(
    settings: Settings, table_of: Callable[..., Table], horizon: int
) -> None:
    for shifted, ahead in ((True, 0), (None, 0), (False, horizon)):
        target = {"column": "y", "kind": "other", "horizon": horizon, "already_shifted": shifted}
        config = settings(features=("Close",), target=target)
        table = table_of(config)
        row = int(prepare_last_fold(config, table).train[-1])
        found = _worked(config, table)
        assert found.target == row + ahead
        assert found.features_until == str(table.times[row].date())
        assert found.target_at == str(table.times[row + horizon].date())
        assert f"y of the row {table.times[row + ahead].date()}" in found.made_of


def test_a_return_names_the_two_prices_that_it_is_made_of(
    settings: Settings, table_of: Callable[..., Table]
) -> None:
    target = {"column": "Close", "transform": "log_return", "window": 5, "horizon": 5, "kind": "return"}
    config = settings(features=("y",), target=target)
    table = table_of(config)
    found = _worked(config, table)
    row = [str(day.date()) for day in table.times].index(found.features_until)
    close = table.frame["Close"].to_numpy()
    assert found.target == pytest.approx(np.log(close[row + 5] / close[row]))
    assert f"Close {close[row]:g} at {found.features_until}" in found.made_of
    assert f"Close {close[row + 5]:g} at {found.target_at}" in found.made_of


def test_the_worked_row_is_on_the_clock_of_the_source(
    settings: Settings, table_of: Callable[..., Table]
) -> None:
    target = {"column": "Close", "transform": "log_return", "kind": "return"}
    split = {"train_until": "2001-08-31", "validation_until": "2001-10-31"}
    config = settings(features=("y",), target=target, split=split)
    found = _worked(config, table_of(config, "+09:00"))
    assert found.features_until == "2001-08-30 00:00:00+09:00"
    assert found.target_at == "2001-08-31 00:00:00+09:00"


def test_both_readings_are_told_on_a_row_of_the_file(
    settings: Settings, table_of: Callable[..., Table]
) -> None:
    config = settings(features=("Close",), target={"column": "y", "kind": "other", "horizon": 2})
    table = table_of(config)
    told = explain_already_shifted(config, table, build_features(config, table))
    before, own, after = (str(table.times[row].date()) for row in (148, 150, 152))
    assert told == (
        f"the row of {own} holds 150; already_shifted: true reads it as the value of {after}, which is "
        f"forecast from what is known at {own}, and false as the value of {own}, which is forecast from what "
        f"is known at {before}"
    )


def test_a_table_with_the_newest_row_first_has_no_row_whose_target_lies_in_its_past(
    tmp_path: Path, settings: Settings
) -> None:
    days = pd.bdate_range("2001-01-01", periods=ROWS)[::-1]
    pd.DataFrame({"Date": days.strftime("%Y-%m-%d"), "y": np.arange(ROWS, dtype=float)}).to_csv(
        tmp_path / "prices.csv", index=False
    )
    config = settings(features=["y"], target={"column": "y", "kind": "other", "already_shifted": False})
    found = audit(config, GuardConfig(max_skill=0.5), read_table(config, folder=tmp_path))
    assert found.worked_row is None
    assert any(finding.severity == "error" for finding in found.findings)
