"""What is known of a target at each row: the one-row series, returns and the bar of the day."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trainer.config import DataConfig
from trainer.data.features import build_features
from trainer.data.source import Table
from trainer.data.target_history import bars_of_day, target_history

Settings = Callable[..., DataConfig]
Read = Callable[[DataConfig, list[list[str]]], Table]

RANGE = {"transform": "log_parkinson", "high": "High", "low": "Low"}
MEAN = {"transform": "rolling_mean", "kind": "volatility"}
HOURS = [f"2020-01-0{day} {hour}:30" for day in range(1, 8) for hour in range(10, 17)]
FEATURES = (
    {"name": "ret", "column": "Close", "transform": "log_return"},
    {"name": "vol", **RANGE},
    {"name": "vol3", "of": "vol", "transform": "rolling_mean", "window": 3},
)


def one_row(table: Table, what: str) -> "pd.Series[float]":
    """The expected one-row series, by pandas."""
    frame = table.frame
    returns = np.log(frame["Close"]).diff()
    squared = np.log(frame["High"] / frame["Low"]) ** 2 / (4 * np.log(2))
    series: dict[str, pd.Series[float]] = {
        "range": 0.5 * np.log(squared),
        "return": returns,
        "size": returns.abs(),
        "close": frame["Close"],
        "close before": frame["Close"].shift(4),
    }
    return series[what]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({**RANGE, "kind": "volatility", "horizon": 5}, "range"),
        (
            {"of": "vol", "transform": "rolling_mean", "window": 5, "kind": "volatility", "horizon": 5},
            "range",
        ),
        (
            {"of": "vol3", "transform": "rolling_mean", "window": 2, "kind": "volatility", "horizon": 2},
            "range",
        ),
        ({"column": "Close", "transform": "log_return", "kind": "return"}, "return"),
        (
            {"column": "Close", "transform": "log_return", "window": 21, "kind": "return", "horizon": 21},
            "return",
        ),
        ({"of": "ret", "transform": "rolling_mean", "window": 5, "kind": "return", "horizon": 5}, "return"),
        ({"of": "ret", "transform": "rolling_std", "window": 5, "kind": "volatility", "horizon": 5}, "size"),
        ({"column": "Close", "transform": "abs_log_return", "window": 5, "kind": "volatility"}, "size"),
        ({"column": "Close", "transform": "rolling_mean", "window": 4, "kind": "other"}, "close"),
        ({"column": "Close", "kind": "other", "horizon": 4, "already_shifted": True}, "close before"),
        ({"column": "Close", "kind": "other", "horizon": 4, "already_shifted": False}, "close"),
    ],
)
def test_the_history_of_a_target_is_its_series_of_single_rows(
    settings: Settings, read: Read, lines: list[list[str]], target: dict[str, Any], expected: str
) -> None:
    config = settings(features=FEATURES, target=target)
    table = read(config, lines)
    built = build_features(config, table)
    own = target_history(config, table, built).own
    wanted = one_row(table, expected).to_numpy()[built.rows]
    np.testing.assert_allclose(own, wanted, rtol=1e-9, atol=1e-12)
    assert np.isfinite(own).sum() >= len(own) - 4


def test_nothing_in_the_history_changes_when_later_rows_do(
    settings: Settings, read: Read, lines: list[list[str]]
) -> None:
    config = settings(features=FEATURES, target={**RANGE, "kind": "volatility", "horizon": 3})
    table = read(config, lines)
    whole = target_history(config, table, build_features(config, table))
    shorter = replace(table, frame=table.frame.iloc[:120], positions=table.positions[:120])
    part = target_history(config, shorter, build_features(config, shorter))
    np.testing.assert_array_equal(whole.own[: len(part.own)], part.own)
    assert whole.returns is not None
    assert part.returns is not None
    np.testing.assert_array_equal(whole.returns[: len(part.returns)], part.returns)


def test_a_table_without_a_log_return_has_no_returns(
    settings: Settings, read: Read, lines: list[list[str]]
) -> None:
    config = settings(features=FEATURES[1:2], target={**RANGE, "kind": "volatility"})
    table = read(config, lines)
    assert target_history(config, table, build_features(config, table)).returns is None


@pytest.mark.parametrize(
    ("times", "per_day", "slots"),
    [
        (pd.bdate_range("2020-01-01", periods=9), 1, {0}),
        (pd.date_range("2020-01-01", periods=9, freq="W"), 1, {0}),
        (pd.date_range("2020-01-01", periods=72, freq="h"), 24, set(range(24))),
        (
            pd.DatetimeIndex([f"2020-01-0{d} {h}:30" for d in range(1, 8) for h in range(10, 17)]),
            7,
            set(range(7)),
        ),
    ],
)
def test_the_bar_of_the_day_is_counted_from_the_clock(
    times: pd.DatetimeIndex, per_day: int, slots: set[int]
) -> None:
    found, bars = bars_of_day(times)
    assert bars == per_day
    assert set(found.tolist()) == slots


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Sydney"])
def test_a_session_keeps_its_bars_when_the_clocks_change(zone: str) -> None:
    days = pd.bdate_range("2020-01-01", periods=260)
    local = pd.DatetimeIndex([day + pd.Timedelta(hours=hour) for day in days for hour in range(10, 17)])
    aware = local.tz_localize(zone)
    offsets = (local - aware.tz_convert(None)).total_seconds().to_numpy().astype(np.int64)
    slots, bars = bars_of_day(aware.tz_convert(None), offsets)
    assert bars == 7
    np.testing.assert_array_equal(slots, np.tile(np.arange(7), 260))


def test_irregular_times_are_counted_by_the_hour() -> None:
    random = np.random.default_rng(0)
    times = pd.date_range("2020-01-01", periods=1200, freq="h") + pd.to_timedelta(
        random.integers(0, 3600, 1200), unit="s"
    )
    slots, bars = bars_of_day(times)
    assert bars == 24
    np.testing.assert_array_equal(slots, times.hour)


@pytest.mark.parametrize(
    "target",
    [
        {"of": "ret", "transform": "rolling_std", "window": 5, "kind": "volatility", "horizon": 5},
        {"column": "Close", "transform": "abs_log_return", "kind": "volatility"},
    ],
)
def test_the_returns_are_those_of_the_target_and_not_of_another_asset(
    settings: Settings, read: Read, lines: list[list[str]], target: dict[str, Any]
) -> None:
    other = {"name": "other", "column": "High", "transform": "log_return"}
    config = settings(features=(other, *FEATURES), target=target)
    table = read(config, lines)
    built = build_features(config, table)
    wanted = one_row(table, "return").to_numpy()[built.rows]
    found = target_history(config, table, built).returns
    assert found is not None
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def test_what_is_known_of_a_target_that_has_begun_is_kept(
    settings: Settings, read: Read, lines: list[list[str]]
) -> None:
    target = {"of": "vol", "transform": "rolling_mean", "window": 8, "kind": "volatility", "horizon": 3}
    config = settings(features=FEATURES, target=target)
    table = read(config, lines)
    built = build_features(config, table)
    expected = one_row(table, "range").rolling(5).mean().to_numpy()[built.rows]
    begun = target_history(config, table, built).begun
    assert begun is not None
    np.testing.assert_allclose(begun, expected, rtol=1e-9)


@pytest.mark.parametrize("window", [2, 3])
def test_a_target_that_begins_after_its_row_has_nothing_known(
    settings: Settings, read: Read, lines: list[list[str]], window: int
) -> None:
    target = {"of": "vol", "transform": "rolling_mean", "window": window, "kind": "volatility", "horizon": 3}
    config = settings(features=FEATURES, target=target)
    table = read(config, lines)
    assert target_history(config, table, build_features(config, table)).begun is None
