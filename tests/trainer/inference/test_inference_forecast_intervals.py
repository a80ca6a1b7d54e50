"""Bounds of forecasts: quantiles of validation errors, of each series where they suffice."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.trainer.panel_fixtures import config_of
from trainer.config import DataConfig
from trainer.data.scaler import SeriesMoments
from trainer.data.windows import Dataset
from trainer.inference.forecast_intervals import (
    CALIBRATION_LEVELS,
    MIN_SERIES_ROWS,
    ForecastIntervals,
    ValidationForecasts,
    measure_intervals,
)
from trainer.losses import MSE

Floats = np.ndarray[Any, np.dtype[np.float64]]


def data_of(**target: Any) -> DataConfig:
    return config_of().model_copy(
        update={"target": type(config_of().target).model_validate({"column": "close", **target})}
    )


RETURN = data_of(transform="log_return", kind="return")
"""Its features read the column of the target, so that new rows have it."""
OTHER_COLUMN = data_of(column="vix", transform="log_return", kind="return")
VOLATILITY = data_of(transform="abs_log_return", kind="volatility")


def forecasts_of(
    forecasts: Floats, targets: Floats, series: Any = None, names: tuple[str, ...] = ()
) -> ValidationForecasts:
    numbers = np.zeros(len(targets), np.int64) if series is None else np.asarray(series)
    times = np.zeros(len(numbers), "datetime64[D]")
    for number in np.unique(numbers):
        times[numbers == number] += np.arange((numbers == number).sum())
    return ValidationForecasts(
        np.asarray(forecasts, float), np.asarray(targets, float), numbers, times, names
    )


def test_a_margin_is_the_error_of_rank_n_plus_1_times_the_level() -> None:
    errors = np.random.default_rng(0).permutation(np.arange(1.0, 20.0))
    signs = np.where(errors % 2 == 0, 1, -1)
    found = measure_intervals(RETURN, forecasts_of(np.zeros(19), errors * signs), "trial")
    assert (found.pooled.rows, found.pooled.at_80, found.pooled.at_95) == (19, 16.0, 19.0)
    bounds = found.bounds(np.array([0.0, 100.0]))
    assert {name: values.tolist() for name, values in bounds.items()} == {
        "lower_80": [-16.0, 84.0],
        "upper_80": [16.0, 116.0],
        "lower_95": [-19.0, 81.0],
        "upper_95": [19.0, 119.0],
    }


def test_fewer_errors_than_a_quantile_needs_are_refused() -> None:
    with pytest.raises(ValueError, match="18 residuals have no quantile at 95 %; give 19 or more"):
        measure_intervals(RETURN, forecasts_of(np.zeros(18), np.ones(18)), "trial")


@pytest.mark.parametrize("rows", [19, 40, 101])
def test_a_new_row_like_the_old_ones_lies_within_the_bounds_at_least_as_often_as_promised(rows: int) -> None:
    random, inside = np.random.default_rng(rows), np.zeros(2)
    for _ in range(1500):
        *old, new = random.standard_t(3, rows + 1)
        known = forecasts_of(np.zeros(rows), np.array(old))
        bounds = measure_intervals(RETURN, known, "trial").bounds(np.zeros(1))
        inside += [bounds[f"lower_{level}"][0] <= new <= bounds[f"upper_{level}"][0] for level in (80, 95)]
    ranks = [-(-(rows + 1) * level // 100) / (rows + 1) for level in (80, 95)]
    assert ranks[0] >= 0.8
    assert ranks[1] >= 0.95
    np.testing.assert_allclose(inside / 1500, ranks, atol=0.035)


def test_errors_of_a_volatility_are_relative_to_its_forecast_and_its_bounds_are_never_negative() -> None:
    forecasts = np.linspace(0.5, 5, 100)
    targets = forecasts * np.random.default_rng(1).uniform(0, 3, 100)
    found = measure_intervals(VOLATILITY, forecasts_of(forecasts, targets), "trial")
    assert found.smallest_scale == 0.5
    bounds = found.bounds(np.array([1.0, 4.0, 0.1, -9.0]))
    assert bounds["upper_80"][1] == pytest.approx(4 * bounds["upper_80"][0])
    assert bounds["upper_80"][2] == pytest.approx(0.1 + 0.5 * found.pooled.at_80)
    assert min(values.min() for values in bounds.values()) == 0
    assert (bounds["lower_80"] <= bounds["upper_80"]).all()


def test_errors_of_returns_of_log_volatilities_and_beside_forecasts_below_zero_are_absolute() -> None:
    targets = np.random.default_rng(2).uniform(0, 3, 50)
    log = data_of(column=None, transform="log_parkinson", high="high", low="low", kind="volatility")
    for config, forecasts in (
        (RETURN, np.ones(50)),
        (log, np.ones(50)),
        (VOLATILITY, np.linspace(-1, 2, 50)),
    ):
        found = measure_intervals(config, forecasts_of(forecasts, targets), "trial")
        assert found.smallest_scale is None
        expected = np.sort(np.abs(targets - forecasts))[40]
        assert found.pooled.at_80 == pytest.approx(expected)


def test_a_series_with_enough_rows_has_bounds_of_its_own_and_others_the_pooled_ones() -> None:
    rows, random = MIN_SERIES_ROWS * RETURN.target.horizon, np.random.default_rng(3)
    sizes = [rows, rows, rows - 1]
    spread, series = np.repeat([1.0, 9.0, 3.0], sizes), np.repeat([0, 1, 2], sizes)
    errors = random.standard_normal(sum(sizes)) * spread
    names = ("calm", "wild", "short")
    found = measure_intervals(RETURN, forecasts_of(np.zeros(len(errors)), errors, series, names), "trial")
    assert found.by_series.keys() == {"calm", "wild"}
    upper = found.bounds(np.zeros(4), ("calm", "wild", "short", "new"))["upper_80"]
    assert upper[0] < upper[2] == upper[3] < upper[1]
    assert upper[2] == found.pooled.at_80


def test_each_fold_is_taken_back_to_the_unit_of_the_target_by_its_own_moments(whole_market: Dataset) -> None:
    scaler = whole_market.scaler
    other = replace(
        whole_market,
        target=whole_market.target * 2 + 1,
        scaler=replace(
            scaler, target_std=scaler.target_std / 2, target_mean=scaler.target_mean - scaler.target_std / 2
        ),
    )
    zeros = np.zeros(len(whole_market.validation), np.float32)
    found = ValidationForecasts.of_folds((whole_market, other), (zeros, zeros + 1), MSE)
    first, second = np.split(found.targets, 2)
    np.testing.assert_allclose(first, second, atol=1e-5)
    np.testing.assert_allclose(found.forecasts, scaler.target_mean, atol=1e-6)
    assert set(found.series.tolist()) == {0}


def test_each_series_is_taken_back_by_its_own_moments(whole_market: Dataset) -> None:
    rows = whole_market.validation
    middle = int(rows[len(rows) // 2])
    one = whole_market.scaler
    moments = SeriesMoments(
        feature_mean=np.tile(one.feature_mean, (2, 1)),
        feature_std=np.tile(one.feature_std, (2, 1)),
        target_mean=np.array([10.0, 20.0]),
        target_std=np.array([1.0, 2.0]),
    )
    panel = replace(
        whole_market,
        series_starts=np.array([0, middle]),
        series_names=("a", "b"),
        scaler=replace(one, series=moments),
    )
    found = ValidationForecasts.of_folds((panel,), (np.ones(len(rows), np.float32),), MSE)
    assert found.names == ("a", "b")
    np.testing.assert_array_equal(found.forecasts, np.where(rows < middle, 11.0, 22.0))
    np.testing.assert_array_equal(found.series, rows >= middle)


def test_bounds_follow_the_size_of_the_last_errors() -> None:
    """Calm and stormy years by turns: bounds of one width hold 80 % of all rows, and neither of them."""
    storm = np.arange(6000) // 500 % 2 == 1
    errors = np.random.default_rng(4).standard_normal(6000) * np.where(storm, 3.0, 1.0)
    old, new = forecasts_of(np.zeros(3000), errors[:3000]), forecasts_of(np.zeros(3000), errors[3000:])
    found = measure_intervals(RETURN, old, "trial")
    assert found.recent is not None
    sizes = new.sizes(None, 1)
    covered = {}
    for following in (False, True):
        bounds = found.bounds(new.forecasts, (), sizes if following else None)
        inside = np.abs(new.targets) <= bounds["upper_80"]
        covered[following] = inside[storm[3000:]].mean(), inside[~storm[3000:]].mean()
    assert covered[False][0] < 0.65
    assert covered[False][1] > 0.97
    assert covered[True] == pytest.approx((0.8, 0.8), abs=0.05)
    assert found.follows(sizes).sum() == 3000 - 50


def test_rows_without_known_errors_have_bounds_of_the_usual_width() -> None:
    errors = np.random.default_rng(5).standard_normal(900)
    found = measure_intervals(RETURN, forecasts_of(np.zeros(900), errors), "trial")
    assert found.recent is not None
    upper = found.bounds(np.zeros(2), (), np.array([np.nan, 2.0]))["upper_80"]
    assert upper.tolist() == [found.pooled.at_80, pytest.approx(2 * found.recent.pooled.at_80)]


@pytest.mark.parametrize(
    ("config", "rows"), [(RETURN, 299), (OTHER_COLUMN, 900)], ids=["few rows", "new rows lack the column"]
)
def test_bounds_do_not_follow_what_is_not_known(config: DataConfig, rows: int) -> None:
    errors = np.random.default_rng(6).standard_normal(rows)
    assert measure_intervals(config, forecasts_of(np.zeros(rows), errors), "trial").recent is None
    assert measure_intervals(RETURN, forecasts_of(np.zeros(300), np.ones(300)), "trial").recent is not None


def test_a_row_that_several_folds_hold_out_counts_once() -> None:
    errors = np.random.default_rng(7).standard_normal(400)
    one = forecasts_of(np.zeros(400), errors)
    twice = ValidationForecasts(
        forecasts=np.concatenate([one.forecasts, one.forecasts + 0.0]),
        targets=np.concatenate([2 * one.targets, np.zeros(400)]),
        series=np.zeros(800, np.int64),
        times=np.concatenate([one.times, one.times]),
    )
    expected = one.sizes(None, 1)  # the mean of 2 · error and 0
    np.testing.assert_allclose(twice.sizes(None, 1), np.concatenate([expected, expected]))


def test_bounds_of_calibration_levels_lie_within_each_other() -> None:
    errors = np.random.default_rng(8).standard_normal(500)
    found = measure_intervals(RETURN, forecasts_of(np.zeros(500), errors), "trial")
    bounds = found.bounds(np.zeros(1), (), np.ones(1), CALIBRATION_LEVELS)
    uppers = [float(bounds[f"upper_{level}"][0]) for level in CALIBRATION_LEVELS]
    assert uppers == sorted(uppers)
    assert found.model_validate_json(found.model_dump_json()) == found


def test_intervals_of_before_are_read_as_they_were() -> None:
    text = '{"source": "trial", "smallest_scale": null, "pooled": {"rows": 99, "at_80": 1.5, "at_95": 2.5}}'
    found = ForecastIntervals.model_validate_json(text)
    assert found.recent is None
    assert found.bounds(np.zeros(1), (), np.ones(1))["upper_80"].tolist() == [1.5]
