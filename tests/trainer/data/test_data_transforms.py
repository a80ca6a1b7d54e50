"""Each transform follows its formula, forgets a bad cell, and is the same without the rows after it."""

from collections.abc import Callable
from math import log, pi, sin, sqrt
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from trainer.audit.check_series import look_ahead_findings
from trainer.config import CALENDAR, OF_TEXTS, DataConfig, TransformName
from trainer.data.arrays import Floats
from trainer.data.bar_volatility import garman_klass, log_parkinson, rogers_satchell
from trainer.data.clock_transforms import day_of_week, month, realized_variance, time_of_day
from trainer.data.cross_section import CROSS
from trainer.data.features import build_features
from trainer.data.source import Table
from trainer.data.transforms import (
    TRANSFORMS,
    difference,
    ewm_mean,
    ewm_reach,
    ewm_std,
    log1p,
    lookback,
    pct_change,
    zscore,
)
from trainer.data.transforms import log as log_transform

Settings = Callable[..., DataConfig]

BAR = {"open": "Open", "high": "High", "low": "Low", "close": "Close"}
FEATURES: dict[TransformName, dict[str, Any]] = {
    **{name: {"column": "Close"} for name in ("raw", "log", "log1p", "realized_variance")},
    **{
        name: {"column": "Close", "window": 5}
        for name in ("lag", "difference", "pct_change", "log_return", "abs_log_return", "zscore")
    },
    **{
        name: {"column": "Close", "window": 5}
        for name in ("rolling_mean", "rolling_std", "ewm_mean", "ewm_std")
    },
    "log_parkinson": {"high": "High", "low": "Low", "floor": 0.001},
    "garman_klass": BAR,
    "rogers_satchell": BAR | {"floor": 0.001},
    **{name: {} for name in ("time_of_day", "day_of_week", "month")},
}
"""A feature of every transform: one that is missing here fails the tests below."""
EVERY = tuple(TRANSFORMS)  # those across series have tests of their own


@pytest.fixture(scope="module")
def hourly() -> Table:
    """40 days of 7 hourly bars, on a clock two hours ahead of UTC."""
    days = pd.date_range("2024-01-01", periods=40)
    times = pd.DatetimeIndex([day + pd.Timedelta(hours=9 + hour) for day in days for hour in range(7)])
    random = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(0.01 * random.standard_normal(len(times))))
    first = close * np.exp(0.003 * random.standard_normal(len(times)))
    high = np.maximum(first, close) * np.exp(0.004 * random.random(len(times)))
    low = np.minimum(first, close) * np.exp(-0.004 * random.random(len(times)))
    frame = pd.DataFrame({"Open": first, "High": high, "Low": low, "Close": close}, index=times)
    return table_of(frame)


def table_of(frame: pd.DataFrame) -> Table:
    """A table whose clock is two hours ahead of UTC."""
    rows = len(frame)
    return Table(frame, "hours.csv", "", rows, np.arange(2, rows + 2), "line", np.full(rows, 7200))


def clock_of(*times: str) -> Floats:
    seconds: Floats = pd.DatetimeIndex(times).as_unit("s").asi8.astype(np.float64)
    return seconds


def test_every_transform_has_a_feature_that_the_tests_try() -> None:
    assert set(FEATURES) == set(TRANSFORMS) == set(get_args(TransformName)) - set(CROSS) - OF_TEXTS


@pytest.mark.parametrize("name", EVERY)
def test_a_transform_is_the_same_without_the_rows_after_it(
    settings: Settings, hourly: Table, name: TransformName
) -> None:
    config = settings(features=({"name": "made", "transform": name, **FEATURES[name]},))
    built = build_features(config, hourly)
    assert look_ahead_findings(config, hourly, built) == []
    assert np.isfinite(built.features.to_numpy()[built.first :]).all()


@pytest.mark.parametrize("name", [name for name in EVERY if name not in CALENDAR])
def test_a_bad_cell_spoils_no_row_beyond_the_lookback(
    settings: Settings, hourly: Table, name: TransformName
) -> None:
    config = settings(features=({"name": "made", "transform": name, **FEATURES[name]},))
    whole = build_features(config, hourly)
    for bad in (np.nan, np.inf, 0.0, -1.0):
        spoilt = table_of(hourly.frame.copy())
        spoilt.frame.iloc[100] = bad
        built = build_features(config, spoilt)
        made = built.features.to_numpy()
        reach = lookback(config.features[0], built.day_rows)[-1]
        np.testing.assert_array_equal(made[:100], whole.features.to_numpy()[:100])
        assert np.isfinite(made[101 + reach :]).all()


@pytest.mark.parametrize("name", [name for name in EVERY if name not in CALENDAR])
def test_only_the_rows_of_the_lookback_decide_a_value(
    settings: Settings, hourly: Table, name: TransformName
) -> None:
    config = settings(features=({"name": "made", "transform": name, **FEATURES[name]},))
    built = build_features(config, hourly)
    reach = lookback(config.features[0], built.day_rows)[-1]
    at = 200
    cut = table_of(hourly.frame.iloc[at - reach :])
    again = build_features(config, cut).features.to_numpy()[reach, 0]
    tolerance = 0.02 if name.startswith("ewm") else 1e-12  # rows further back weigh 0.1 % together
    assert again == pytest.approx(built.features.to_numpy()[at, 0], rel=tolerance)


def test_changes_and_logarithms_agree_with_pandas(sp500: Table) -> None:
    close = sp500.frame["Close"]
    values = close.to_numpy()
    np.testing.assert_array_equal(difference(values, 3), close.diff(3))
    np.testing.assert_allclose(pct_change(values, 3), close.pct_change(3), rtol=1e-12)
    np.testing.assert_array_equal(log_transform(values), np.log(values))
    np.testing.assert_array_equal(log1p(values), np.log1p(values))
    rolling = close.rolling(22)
    np.testing.assert_allclose(zscore(values, 22), (close - rolling.mean()) / rolling.std(), rtol=1e-6)


def test_a_percentage_of_a_price_that_is_not_positive_is_no_number() -> None:
    assert np.isnan(pct_change(np.array([-5.0, 1.0, 0.0, 2.0]))).tolist() == [True, True, False, True]


@pytest.mark.parametrize("value", [0.1, 3.0, -7.7, 0.0])
def test_a_window_of_equal_rows_has_no_zscore(value: float) -> None:
    assert np.isnan(zscore(np.full(9, value), 3)).all()


def test_exponential_weights_follow_their_formula_and_pandas(sp500: Table) -> None:
    values = sp500.frame["Close"].to_numpy()[:300]
    weights = (1 - 2 / 11) ** np.arange(300)
    past = values[::-1]
    mean = (weights * past).sum() / weights.sum()
    bias = 1 - (weights**2).sum() / weights.sum() ** 2
    variance = (weights * (past - mean) ** 2).sum() / weights.sum() / bias
    assert ewm_mean(values, 10)[-1] == pytest.approx(mean, rel=1e-12)
    assert ewm_std(values, 10)[-1] == pytest.approx(sqrt(variance), rel=1e-9)
    expected = pd.Series(values).ewm(span=10).mean().to_numpy()
    np.testing.assert_array_equal(ewm_mean(values, 10)[ewm_reach(10) :], expected[ewm_reach(10) :])


def test_an_exponential_mean_leaves_a_missing_cell_out_and_goes_on() -> None:
    values = np.arange(100.0)
    values[60], values[61] = np.nan, np.inf
    made = ewm_mean(values, 5)
    assert np.flatnonzero(~np.isfinite(made)).tolist() == [*range(ewm_reach(5)), 60, 61]
    weights = (1 - 2 / 6) ** np.arange(63)
    known = np.isfinite(values[:63][::-1])
    expected = (weights * values[:63][::-1])[known].sum() / weights[known].sum()
    assert made[62] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("window", [1, 2, 22, 260])
def test_the_rows_beyond_the_reach_weigh_a_thousandth(window: int) -> None:
    kept = 1 - 2 / (window + 1)
    assert kept ** (ewm_reach(window) + 1) <= 0.001
    assert ewm_reach(window) == 0 or kept ** ewm_reach(window) > 0.001


def test_a_bar_follows_the_formulas_of_garman_klass_and_rogers_satchell() -> None:
    o, h, l, c = np.array([101.0]), np.array([104.0]), np.array([99.0]), np.array([103.0])  # noqa: E741
    variance = 0.5 * log(104 / 99) ** 2 - (2 * log(2) - 1) * log(103 / 101) ** 2
    assert garman_klass(o, h, l, c)[0] == pytest.approx(0.5 * log(variance))
    variance = log(104 / 103) * log(104 / 101) + log(99 / 103) * log(99 / 101)
    assert rogers_satchell(o, h, l, c)[0] == pytest.approx(0.5 * log(variance))


@pytest.mark.parametrize("bar", [(100.0, 100.0, 100.0, 100.0), (99.0, 101.0, 99.0, 101.0)])
def test_a_bar_of_volatility_zero_gives_the_floor(bar: tuple[float, ...]) -> None:
    first, high, low, last = (np.array([price]) for price in bar)
    assert rogers_satchell(first, high, low, last)[0] == -np.inf
    assert rogers_satchell(first, high, low, last, floor=0.002)[0] == pytest.approx(log(0.002))


def test_a_floor_raises_quiet_bars_and_leaves_the_others() -> None:
    high, low = np.array([100.0, 100.01, 110.0]), np.full(3, 100.0)
    free, raised = log_parkinson(high, low), log_parkinson(high, low, floor=0.001)
    assert raised[:2].tolist() == pytest.approx([log(0.001)] * 2)
    assert raised[2] == free[2]


@pytest.mark.parametrize(
    "bar",
    [
        (100.0, 99.0, 101.0, 100.0),
        (105.0, 104.0, 99.0, 101.0),
        (100.0, 104.0, 99.0, 98.0),
        (1.0, 2.0, -1.0, 1.0),
    ],
)
def test_no_floor_hides_a_bar_that_cannot_be(bar: tuple[float, ...]) -> None:
    first, high, low, last = (np.array([price]) for price in bar)
    assert np.isnan(garman_klass(first, high, low, last, floor=0.01))[0]
    assert np.isnan(rogers_satchell(first, high, low, last, floor=0.01))[0]
    assert np.isnan(log_parkinson(high, low, floor=0.01))[0] or (low <= high).all()


def test_realized_variance_sums_the_squared_returns_of_the_day_so_far(hourly: Table) -> None:
    close = hourly.frame["Close"].to_numpy()
    made = realized_variance(close, clock_of(*map(str, hourly.times)))
    assert np.isnan(made[:7]).all(), "the first day lacks its first return"
    returns = np.diff(np.log(close))
    assert made[7] == pytest.approx(returns[6] ** 2)
    assert made[13] == pytest.approx((returns[6:13] ** 2).sum())


def test_a_day_begins_at_midnight_of_the_source(settings: Settings) -> None:
    times = pd.date_range("2024-01-01 21:00", periods=60, freq="1h")  # 23:00 on a clock two hours ahead
    close = np.exp(np.random.default_rng(1).standard_normal(60) / 100)
    table = table_of(pd.DataFrame({"Close": close}, index=times))
    config = settings(
        features=({"name": "rv", "column": "Close", "transform": "realized_variance"},),
        target={"column": "Close", "transform": "log_return", "kind": "return"},
    )
    built = build_features(config, table)
    made = built.features["rv"].to_numpy()
    assert made[1] == pytest.approx(log(close[1] / close[0]) ** 2)
    assert made[25] == pytest.approx(log(close[25] / close[24]) ** 2)
    assert built.day_rows == 24
    assert built.reach == 24


def test_the_pairs_turn_once_a_day_a_week_and_a_year() -> None:
    clock = clock_of("2024-01-01 06:00", "2024-04-03 18:00", "1969-12-29 00:00")
    np.testing.assert_allclose(time_of_day(clock, "sin"), [1, -1, 0], atol=1e-12)
    np.testing.assert_allclose(day_of_week(clock, "sin"), [0, sin(2 * pi * 2 / 7), 0], atol=1e-12)
    np.testing.assert_allclose(month(clock, "sin"), [0, 1, sin(2 * pi * 11 / 12)], atol=1e-12)
    np.testing.assert_allclose(month(clock, "cos")[:2], [1, 0], atol=1e-12)


def test_the_time_of_day_is_that_of_the_source(settings: Settings, hourly: Table) -> None:
    config = settings(features=({"name": "tod", "transform": "time_of_day"},))
    built = build_features(config, hourly)
    assert list(built.features) == ["tod_sin", "tod_cos"]
    assert built.features["tod_sin"].iloc[0] == pytest.approx(sin(2 * pi * 11 / 24))
    assert config.leading == ("tod_sin", "tod_cos")
