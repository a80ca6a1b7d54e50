"""IC, quantiles and long-short returns of panels, against hand-made and simulated cases."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from search.selection.statistics.cross_section import cross_section, mean_by_date

DATES, SERIES = 400, 20


def rows(dates: int = DATES, series: int = SERIES) -> tuple[np.ndarray, np.ndarray]:
    """Times and series of a balanced panel, series after series."""
    days = np.datetime64("2010-01-01", "ns") + np.arange(dates) * np.timedelta64(1, "D")
    return np.tile(days, series), np.repeat(np.arange(series), dates)


def drawn(signal: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts, and targets that share `signal` of them beside a common move of all series."""
    random = np.random.default_rng(seed)
    forecasts = random.standard_normal(DATES * SERIES)
    common = np.tile(random.standard_normal(DATES), SERIES)
    return forecasts, signal * forecasts + common + random.standard_normal(DATES * SERIES)


def test_the_ic_is_the_mean_correlation_by_date() -> None:
    (times, series), (forecasts, targets) = rows(), drawn(0.1)
    found = cross_section(times, series, forecasts, targets)
    assert found is not None
    by_date = [(forecasts[times == day], targets[times == day]) for day in np.unique(times)]
    assert found.ic.mean == pytest.approx(np.mean([pearsonr(*each)[0] for each in by_date]))
    assert found.rank_ic.mean == pytest.approx(np.mean([spearmanr(*each)[0] for each in by_date]))
    correlations = np.array([pearsonr(*each)[0] for each in by_date])
    assert found.icir == pytest.approx(correlations.mean() / correlations.std(ddof=1))
    assert found.ic.dates == DATES
    assert (found.ic.t or 0) > 4


@pytest.mark.slow
def test_a_forecast_without_information_has_an_ic_within_its_error() -> None:
    t = [cross_section(*rows(), *drawn(0.0, seed)).ic.t for seed in range(40)]  # type: ignore[union-attr]
    assert 0.6 < np.std(np.array(t, float)) < 1.4


def test_the_order_of_rows_and_an_unequal_start_change_nothing() -> None:
    (times, series), (forecasts, targets) = rows(), drawn(0.1)
    there = ~((series == 3) & (times < np.datetime64("2010-06-01")))
    order = np.random.default_rng(1).permutation(np.flatnonzero(there))
    parts = (times, series, forecasts, targets)
    found, shuffled = (cross_section(*(each[of] for each in parts)) for of in (there, order))
    assert found == shuffled


def test_dates_with_few_series_are_left_out() -> None:
    times, series = rows(30, 4)
    assert cross_section(times, series, np.arange(120.0), np.arange(120.0) ** 2) is None


def test_a_perfect_forecast_earns_the_spread_of_the_outer_quantiles_less_its_costs() -> None:
    times, series = rows(50, 10)
    values = series / 100.0  # the same order on every date
    found = cross_section(times, series, values, values)
    assert found is not None
    assert found.quantile_means == pytest.approx((0.005, 0.025, 0.045, 0.065, 0.085))
    assert found.long_short.quantile == 0.2
    assert found.long_short.gross.mean == pytest.approx(0.08)
    assert found.long_short.turnover == 0
    # Bought once: 2 at 10 basis points, over 50 dates.
    assert found.long_short.net.mean == pytest.approx(0.08 - 2 * 0.001 / 50)


def test_positions_that_turn_round_on_each_date_are_replaced_wholly_and_pay_for_it() -> None:
    times, series = rows(50, 10)
    day = (times - times.min()) / np.timedelta64(1, "D")
    values = np.where(day % 2 == 0, 1, -1) * (series - 4.5) / 100
    found = cross_section(times, series, values, values, cost_basis_points=5)
    assert found is not None
    assert found.long_short.turnover == pytest.approx(1.0)
    assert found.long_short.gross.mean == pytest.approx(0.08)
    assert found.long_short.net.mean == pytest.approx(0.08 - (49 * 4 + 2) / 50 * 0.0005)


def test_overlapping_targets_replace_the_positions_of_a_horizon_before() -> None:
    times, series = rows(50, 10)
    day = (times - times.min()) / np.timedelta64(1, "D")
    values = np.where(day % 2 == 0, 1, -1) * (series - 4.5) / 100
    found = cross_section(times, series, values, values, horizon=2)
    assert found is not None
    assert found.long_short.turnover == 0  # two days before, the order was the same


def test_the_error_of_overlapping_values_is_wider_than_that_of_independent_ones() -> None:
    steps = np.random.default_rng(0).standard_normal(2_004)
    overlapping = np.convolve(steps, np.ones(5) / 5, "valid")  # true error of the mean: 1 / √2000
    found = mean_by_date(overlapping, horizon=5)
    assert found.error == pytest.approx(1 / np.sqrt(2_000), rel=0.25)
    assert found.error > 1.8 * overlapping.std() / np.sqrt(2_000)


def test_a_constant_or_a_few_dates_have_no_error() -> None:
    assert mean_by_date(np.ones(100), 1).t is None
    assert mean_by_date(np.arange(9.0), 1).t is None
