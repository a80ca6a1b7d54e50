"""`data.since` and `data.until`: the rows that are read, and that no target reaches beyond them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trainer.config import DataConfig
from trainer.data.source import read_table
from trainer.data.windows import Dataset, prepare_folds, prepare_refit
from trainer.errors import SourceError

DAYS = pd.bdate_range("2001-01-01", periods=400)


def config(horizon: int = 1, **changes: Any) -> DataConfig:
    given: dict[str, Any] = {
        "source": "prices.csv",
        "time": "Date",
        "features": [{"name": "ret", "column": "Close", "transform": "log_return"}],
        "target": {"column": "Close", "transform": "log_return", "kind": "return", "horizon": horizon},
        "seq_len": 3,
        "split": {"train_until": "2001-09-28", "validation_until": "2002-03-29"},
    }
    return DataConfig.model_validate({**given, **changes})


def write(folder: Path, garbage_after: str | None = None) -> None:
    random = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, len(DAYS))))
    frame = pd.DataFrame(
        {"Date": DAYS.strftime("%Y-%m-%d"), "Close": close, "y": random.normal(0, 1, len(DAYS))}
    )
    if garbage_after is not None:
        frame.loc[frame.Date > garbage_after, ["Close", "y"]] *= 7
    frame.to_csv(folder / "prices.csv", index=False)


def prepared(folder: Path, data: DataConfig) -> Dataset:
    return prepare_folds(data, read_table(data, folder=folder))[-1]


def test_rows_outside_of_since_and_until_are_not_read(tmp_path: Path) -> None:
    write(tmp_path)
    table = read_table(config(since="2001-02-01", until="2002-03-29"), folder=tmp_path)
    assert [table.when(0)[:10], table.when(len(table.frame) - 1)[:10]] == ["2001-02-01", "2002-03-29"]
    assert table.positions[0] == DAYS.searchsorted(pd.Timestamp("2001-02-01")) + 2  # lines of the file


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_nothing_behind_until_changes_what_is_prepared(tmp_path: Path, horizon: int) -> None:
    data = config(horizon, until="2002-03-29")
    write(tmp_path)
    before = prepared(tmp_path, data)
    write(tmp_path, garbage_after="2002-03-29")
    after = prepared(tmp_path, data)
    np.testing.assert_array_equal(before.features, after.features)
    np.testing.assert_array_equal(before.target, after.target)
    assert len(after.test) == 0
    last = int(DAYS.searchsorted(pd.Timestamp("2002-03-29")))
    assert (
        after.times[after.validation[-1]] == DAYS[last - horizon]
    )  # its target is the last row that is read


@pytest.mark.parametrize("horizon", [1, 5])
def test_a_column_that_is_already_shifted_loses_the_rows_whose_targets_lie_behind_until(
    tmp_path: Path, horizon: int
) -> None:
    target = {"column": "y", "kind": "other", "horizon": horizon, "already_shifted": True}
    write(tmp_path)
    data = prepared(tmp_path, config(target=target, until="2002-03-29"))
    last = int(DAYS.searchsorted(pd.Timestamp("2002-03-29")))
    assert data.times.max() == DAYS[last - horizon]


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_a_refit_on_a_longer_table_trains_on_no_target_from_the_first_test_row_on(
    tmp_path: Path, horizon: int
) -> None:
    write(tmp_path)
    data = config(horizon, until="2002-03-29")
    whole = read_table(data.model_copy(update={"until": None}), folder=tmp_path)
    refit = prepare_refit(data, whole.heads([350 + horizon])[0])
    assert refit.times[refit.test[0]] == np.datetime64("2002-04-01")
    assert refit.times[refit.test[-1]] == DAYS[349]
    assert refit.train[-1] + horizon == refit.test[0] - 1


def test_a_table_without_rows_in_the_span_is_refused_with_the_span_that_it_has(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(
        SourceError, match=r"prices.csv has no row with data.until 1990-01-01; its rows go from 2001"
    ):
        read_table(config(until="1990-01-01"), folder=tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"until": "soon"}, "'soon' is not a date; write it as 2010-12-31"),
        ({"since": "2002-01-01", "until": "2001-01-01"}, "since 2002-01-01 is not before until 2001-01-01"),
        (
            {"since": "2001-01-01T09:30+00:00", "until": "2002-01-01"},
            "both with an offset from UTC, or neither",
        ),
    ],
)
def test_dates_that_make_no_span_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        config(**changes)
