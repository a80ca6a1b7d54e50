"""Splits: purge and embargo row by row, whole days, and independence from the window."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from trainer.config import DataConfig, end_of_date
from trainer.data.features import build_features
from trainer.data.source import Table, read_table
from trainer.data.split import cut_folds, require_enough_rows
from trainer.data.windows import prepare_last_fold
from trainer.errors import SplitError

Settings = Callable[..., DataConfig]
quick = hypothesis_settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def _target(horizon: int) -> dict[str, Any]:
    return {
        "transform": "log_parkinson",
        "high": "High",
        "low": "Low",
        "kind": "volatility",
        "horizon": horizon,
    }


@quick
@given(horizon=st.integers(1, 30), embargo=st.integers(0, 40), seq_len=st.integers(1, 60))
def test_each_row_is_where_its_own_and_its_target_time_say(
    settings: Settings, sp500: Table, horizon: int, embargo: int, seq_len: int
) -> None:
    dates = {"train_until": "2010-12-31", "validation_until": "2014-12-31"}
    config = settings(target=_target(horizon), seq_len=seq_len, split={**dates, "embargo": embargo})
    built = build_features(config, sp500)
    (split,) = cut_folds(config, sp500.times, built)
    expected: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    late = {"train": 0, "validation": 0, "test": 0}
    days = sp500.times.strftime("%Y-%m-%d").tolist()
    for row in range(len(days)):
        if row + horizon >= len(days) or row < 1:
            continue  # no target, or no return yet
        own, reach = days[row], days[row + horizon]
        ends = {"train": "2010-12-31", "validation": "2014-12-31", "test": "9999"}
        name = next(name for name, end in ends.items() if own <= end)
        late[name] += 1
        waited = name == "train" or late[name] > embargo
        if reach <= ends[name] and waited and (name != "train" or row - seq_len + 1 >= 1):
            expected[name].append(row)
    assert split.train.tolist() == expected["train"]
    assert split.validation.tolist() == expected["validation"]
    assert split.test.tolist() == expected["test"]


@quick
@given(
    train=st.floats(0.2, 0.7),
    validation=st.floats(0.1, 0.25),
    horizon=st.integers(1, 9),
    embargo=st.integers(0, 9),
)
def test_fractions_share_the_usable_rows_and_purge_alike(
    settings: Settings, sp500: Table, train: float, validation: float, horizon: int, embargo: int
) -> None:
    shares = {"fractions": {"train": train, "validation": validation}, "embargo": embargo}
    config = settings(target=_target(horizon), seq_len=1, split=shares)
    (split,) = cut_folds(config, sp500.times, build_features(config, sp500))
    usable = 5031 - 1 - horizon
    assert split.validation[0] - split.train[-1] == 1 + horizon + embargo
    assert split.test[0] - split.validation[-1] == 1 + horizon + embargo
    assert abs(len(split.train) + horizon - train * usable) <= 1
    assert abs(len(split.validation) + horizon + embargo - validation * usable) <= 2
    assert split.test[-1] == 5031 - 1 - horizon


def test_fractions_are_not_cut_by_binary_rounding(settings: Settings, sp500: Table) -> None:
    config = settings(seq_len=1, split={"fractions": {"train": 0.6, "validation": 0.2}})
    built = replace(build_features(config, sp500), usable=(slice(0, 100),))
    (split,) = cut_folds(config, sp500.times, built)
    assert (split.validation[0], split.test[0]) == (60, 80)


def test_validation_and_test_rows_do_not_depend_on_the_window(sp500_config: DataConfig, sp500: Table) -> None:
    short, long = (sp500_config.model_copy(update={"seq_len": n}) for n in (1, 250))
    first, second = (
        cut_folds(config, sp500.times, build_features(config, sp500))[0] for config in (short, long)
    )
    np.testing.assert_array_equal(first.validation, second.validation)
    np.testing.assert_array_equal(first.test, second.test)
    np.testing.assert_array_equal(first.train[249:], second.train)


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("2010-12-31", "2010-12-31 23:59:59.999999"),
        ("20101231", "2010-12-31 23:59:59.999999"),
        ("9999-12-31", "9999-12-31 23:59:59.999999"),
        ("2010-12-31T09:30", "2010-12-31 09:30:00"),
        ("2010-12-31T09:30:00+01:00", "2010-12-31 08:30:00"),
    ],
)
def test_a_date_means_its_whole_day_and_a_time_itself(date: str, moment: str) -> None:
    assert str(end_of_date(date)) == moment


def test_a_day_includes_its_last_hour(settings: Settings, tmp_path: Path) -> None:
    hours = pd.date_range("2010-01-01", periods=24 * 20, freq="h")
    price = 100 + np.sin(np.arange(len(hours)))
    pd.DataFrame({"Date": hours, "High": price + 1, "Low": price - 1, "Close": price}).to_csv(
        tmp_path / "prices.csv", index=False
    )
    config = settings(split={"train_until": "2010-01-10", "validation_until": "2010-01-15T12:00"})
    table = read_table(config, folder=tmp_path)
    (split,) = cut_folds(config, table.times, build_features(config, table))
    assert str(table.times[split.train[-1]]) == "2010-01-10 22:00:00"
    assert str(table.times[split.validation[0]]) == "2010-01-11 00:00:00"
    assert str(table.times[split.validation[-1]]) == "2010-01-15 11:00:00"


def test_too_few_rows_name_every_short_split_its_count_and_the_way_out(
    settings: Settings, read: Callable[..., Table], lines: list[list[str]]
) -> None:
    config = settings()
    table = read(config, lines[:50])
    built = build_features(config, table)
    with pytest.raises(SplitError) as raised:
        require_enough_rows(config, cut_folds(config, table.times, built), built.first)
    assert str(raised.value) == (
        "prices.csv gives too few rows after a warm-up of 1 (seq_len 5): "
        "train has 23 rows and needs 50: raise fractions.train, use a shorter seq_len or a longer series; "
        "validation has 8 rows and needs 20: raise fractions.validation, lower the embargo or use a "
        "longer series; "
        "test has 10 rows and needs 20: lower the fractions or the embargo, or use a longer series"
    )


def test_dates_outside_the_table_leave_no_rows(settings: Settings, sp500: Table) -> None:
    config = settings(split={"train_until": "1980-01-01", "validation_until": "9999-12-31"})
    built = build_features(config, sp500)
    with pytest.raises(
        SplitError, match=r"train has 0 rows and needs 50: move train_until later.*test has 0 rows"
    ):
        require_enough_rows(config, cut_folds(config, sp500.times, built), built.first)


@pytest.mark.parametrize(
    ("offset", "until", "last"),
    [
        ("+09:00", "2023-08-31", "2023-08-31 00:00:00+09:00"),
        ("-05:00", "2023-08-31", "2023-08-31 00:00:00-05:00"),
        ("", "2023-08-31", "2023-08-31 00:00:00"),
        ("+09:00", "2023-08-30T15:00:00+00:00", "2023-08-31 00:00:00+09:00"),
        ("+09:00", "2023-08-30T14:59:59+00:00", "2023-08-30 00:00:00+09:00"),
    ],
)
def test_a_date_ends_with_its_day_on_the_clock_of_the_source(
    settings: Callable[..., DataConfig], tmp_path: Path, offset: str, until: str, last: str
) -> None:
    days = pd.bdate_range("2023-01-02", periods=400)
    close = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, 400)))
    cells = [f"{day} 00:00:00{offset}" for day in days.strftime("%Y-%m-%d")]
    pd.DataFrame({"Date": cells, "Close": close}).to_csv(tmp_path / "prices.csv", index=False)
    config = settings(
        features=({"name": "ret", "column": "Close", "transform": "log_return"},),
        target={"column": "Close", "transform": "log_return", "kind": "return"},
        split={"train_until": until, "validation_until": f"2023-12-30{until[10:]}"},
    )
    data = prepare_last_fold(config, read_table(config, folder=tmp_path))
    assert data.when(int(data.train[-1]) + 1) == last  # the last target that training sees
    assert data.when(int(data.validation[-1]) + 1) == f"2023-12-29 00:00:00{offset}"
