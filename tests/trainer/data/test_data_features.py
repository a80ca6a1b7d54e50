"""Transforms: their formulas, their warm-up, and that none of them looks ahead."""

from collections.abc import Callable
from math import log, sqrt
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from trainer.config import OF_TEXTS, DataConfig, TransformName
from trainer.data.arrays import Floats
from trainer.data.bar_volatility import log_parkinson
from trainer.data.cross_section import CROSS
from trainer.data.features import build_features
from trainer.data.source import Table
from trainer.data.transforms import TRANSFORMS, abs_log_return, lag, log_return, rolling_mean, rolling_std

Settings = Callable[..., DataConfig]
PRICES = np.array([100.0, 110.0, 99.0, 101.0, 120.0, 90.0])
WINDOWED = ("log_return", "abs_log_return", "rolling_mean", "rolling_std", "lag")


def test_every_transform_of_the_settings_exists() -> None:
    assert set(TRANSFORMS) | set(CROSS) | OF_TEXTS == set(get_args(TransformName))


def test_returns_are_logarithms_of_price_ratios() -> None:
    np.testing.assert_allclose(
        log_return(PRICES, 2)[2:], [log(b / a) for a, b in zip(PRICES, PRICES[2:], strict=False)]
    )
    assert log_return(PRICES)[1] == pytest.approx(log(1.1))
    np.testing.assert_array_equal(abs_log_return(PRICES), np.abs(log_return(PRICES)))


def test_parkinson_follows_its_formula_on_real_ranges(sp500: Table) -> None:
    high, low = sp500.frame["High"].to_numpy(), sp500.frame["Low"].to_numpy()
    expected = [0.5 * log(log(h / l) ** 2 / (4 * log(2))) for h, l in zip(high, low, strict=True)]  # noqa: E741
    np.testing.assert_allclose(log_parkinson(high, low), expected, rtol=1e-13)
    assert log_parkinson(np.array([110.0]), np.array([100.0]))[0] == pytest.approx(
        log(log(1.1) / sqrt(4 * log(2)))
    )


def test_rolling_windows_agree_with_pandas(sp500: Table) -> None:
    close = sp500.frame["Close"]
    np.testing.assert_allclose(rolling_mean(close.to_numpy(), 22), close.rolling(22).mean(), rtol=1e-12)
    np.testing.assert_allclose(rolling_std(close.to_numpy(), 22), close.rolling(22).std(), rtol=1e-8)
    np.testing.assert_array_equal(lag(close.to_numpy(), 3), close.shift(3))


@pytest.mark.parametrize(
    ("high", "low"), [(100.0, 100.0), (99.0, 100.0), (1.0, 0.0), (-1.0, -2.0), (np.nan, 1.0), (np.inf, 1.0)]
)
def test_a_range_without_a_logarithm_is_not_finite_and_silent(high: float, low: float) -> None:
    assert not np.isfinite(log_parkinson(np.array([high]), np.array([low])))[0]


@pytest.mark.parametrize("pair", [(-5.0, -4.0), (0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])
def test_a_price_that_is_not_positive_has_no_return(pair: tuple[float, float]) -> None:
    assert not np.isfinite(log_return(np.array(pair)))[1]


def test_a_bad_cell_leaves_a_rolling_mean_with_its_window() -> None:
    values = np.ones(10)
    values[3] = np.inf
    assert np.isfinite(rolling_mean(values, 3)).tolist() == [False, False, True, *[False] * 3, *[True] * 4]


@pytest.mark.parametrize("name", WINDOWED)
@pytest.mark.parametrize("window", [2, 6, 7, 10**9])
def test_rows_without_history_are_empty(name: TransformName, window: int) -> None:
    made = TRANSFORMS[name](PRICES, window=window)
    warm_up = min(window - 1 if name.startswith("rolling") else window, 6)
    assert np.isnan(made[:warm_up]).all()
    assert np.isfinite(made[warm_up:]).all()


unhurried = hypothesis_settings(deadline=None)
series = arrays(np.float64, st.integers(2, 40), elements=st.floats(allow_nan=True, allow_infinity=True))


@unhurried
@given(values=series, window=st.integers(2, 8), data=st.data())
@pytest.mark.parametrize("name", WINDOWED)
def test_no_windowed_transform_looks_ahead(
    name: TransformName, values: Floats, window: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(values)))
    whole, part = TRANSFORMS[name](values, window=window), TRANSFORMS[name](values[:cut], window=window)
    np.testing.assert_array_equal(whole[:cut], part)


@unhurried
@given(values=series, cut=st.integers(1, 40))
def test_no_transform_of_one_row_looks_ahead(values: Floats, cut: int) -> None:
    low = values[::-1].copy()
    np.testing.assert_array_equal(log_parkinson(values, low)[:cut], log_parkinson(values[:cut], low[:cut]))
    np.testing.assert_array_equal(TRANSFORMS["raw"](values)[:cut], values[:cut])


def test_a_transformed_target_is_shifted_by_its_horizon(settings: Settings, sp500: Table) -> None:
    target = {"column": "Close", "transform": "log_return", "kind": "return", "horizon": 3}
    built = build_features(settings(target=target), sp500)
    close = sp500.frame["Close"].to_numpy()
    assert built.target.iloc[10] == pytest.approx(log(close[13] / close[12]))
    assert (built.usable[0].start, built.usable[0].stop) == (1, len(close) - 3)


@pytest.mark.parametrize(("missing", "stop"), [(0, 5031), (2, 5029), (9, 5028)])
def test_a_raw_target_stands_on_its_row_and_may_end_open(
    settings: Settings, sp500: Table, missing: int, stop: int
) -> None:
    if missing:
        sp500.frame.loc[sp500.times[-missing:], "Close"] = np.nan
    raw = {"column": "Close", "kind": "other", "horizon": 3}
    features = ({"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"},)
    built = build_features(settings(target=raw, features=features), sp500)
    pd.testing.assert_series_equal(built.target, sp500.frame["Close"], check_names=False)
    assert (built.usable[0].start, built.usable[0].stop) == (0, stop)


def test_a_raw_target_of_a_feature_is_known_at_its_row_and_so_is_shifted(
    settings: Settings, sp500: Table
) -> None:
    built = build_features(settings(target={"of": "vol", "kind": "volatility"}), sp500)
    assert built.target.iloc[7] == built.features["vol"].iloc[8]


def test_warm_up_adds_up_along_a_chain_of_features(settings: Settings, sp500: Table) -> None:
    chain: tuple[dict[str, Any], ...] = (
        {"name": "ret", "column": "Close", "transform": "log_return", "window": 2},
        {"name": "std", "of": "ret", "transform": "rolling_std", "window": 5},
        {"name": "old", "of": "std", "transform": "lag", "window": 3},
    )
    sp500.frame.loc[sp500.times[:4], "Close"] = np.nan
    built = build_features(settings(features=chain), sp500)
    assert built.first == 4 + 2 + 4 + 3
    assert np.isnan(built.features["old"].iloc[built.first - 1])
    assert bool(np.isfinite(built.features.iloc[built.first :].to_numpy()).all())


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (
            {"transform": "garman_klass", "high": "H", "low": "L"},
            "takes open, high, low and close, and nothing",
        ),
        (
            {"transform": "log_parkinson", "high": "H", "low": "L", "close": "C"},
            "takes high and low, and nothing",
        ),
        ({"transform": "log_parkinson", "high": "H", "low": "L", "floor": 0}, "greater than 0"),
        ({"transform": "raw", "column": "C", "floor": 0.1}, "floor belongs to log_parkinson, garman_klass"),
        ({"transform": "log", "column": "C", "open": "O"}, "open belongs to log_parkinson, garman_klass"),
        ({"transform": "log1p", "column": "C", "window": 2}, "log1p takes no window"),
        ({"transform": "zscore", "column": "C", "window": 1}, "zscore needs a window of at least 2 rows"),
        ({"transform": "ewm_mean", "column": "C"}, "ewm_mean needs window, a number of rows"),
        ({"transform": "month", "column": "C"}, "month is computed from the times; it takes no"),
        (
            {"transform": "raw", "column": "C", "part": "sin"},
            "part belongs to day_of_week, month, time_of_day",
        ),
    ],
)
def test_a_transform_takes_its_own_keys_alone(
    settings: Settings, feature: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(features=({"name": "made", **feature},))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"transform": "month"}, "month is known ahead; forecast something that is not"),
        ({"of": "tod_sin"}, "the target is of 'tod_sin', which is known ahead"),
        ({"of": "lagged"}, "the target is of 'lagged', which is known ahead"),
    ],
)
def test_what_is_known_ahead_is_no_target(settings: Settings, target: dict[str, Any], message: str) -> None:
    features = (
        {"name": "tod", "transform": "time_of_day"},
        {"name": "lagged", "of": "tod_sin", "transform": "lag", "window": 1},
    )
    with pytest.raises(ValidationError, match=message):
        settings(features=features, target={**target, "kind": "other"})


def test_two_pairs_of_one_name_are_refused(settings: Settings) -> None:
    features = ({"name": "t", "transform": "month"}, {"name": "t_sin", "column": "Close"})
    with pytest.raises(ValidationError, match="two features are called 't_sin'"):
        settings(features=features)
