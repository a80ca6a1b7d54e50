"""The numbers behind the figures of forecasts, against computations by hand."""

import numpy as np
import pytest
from scipy.stats import t as student

from search.selection.statistics.autocorrelation import autocorrelation
from search.selection.statistics.cross_section import cross_section, long_short_by_date
from search.selection.statistics.diebold_mariano import diebold_mariano
from search.selection.statistics.grouped_skill import skill_by_group
from search.selection.statistics.interval import skill_interval
from search.selection.statistics.loss_difference import cumulative_loss_difference
from search.selection.statistics.past_volatility import WINDOW, past_volatility, regimes
from search.selection.statistics.sign_strategy import sign_strategy
from search.selection.statistics.standard_error import cosine_terms, standard_error_of_mean


def losses(rows: int = 400, gain: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    reference = random.normal(0, 1, rows) ** 2
    return reference * (1 - gain) + random.normal(0, 0.1, rows), reference


def test_the_standard_error_is_that_of_the_cosines_written_out() -> None:
    rows = np.random.default_rng(0).normal(size=237).cumsum()
    terms = cosine_terms(237, 5)
    angles = np.pi / 237 * np.outer(np.arange(1, terms + 1), np.arange(237) + 0.5)
    projections = np.sqrt(2 / 237) * np.cos(angles) @ (rows - rows.mean())
    found = standard_error_of_mean(rows, 5)
    assert found.error == pytest.approx(np.sqrt(np.mean(projections**2) / 237))
    assert found.degrees_of_freedom == terms


def test_the_cumulative_loss_difference_ends_at_the_skill_and_its_band_at_the_test() -> None:
    model, reference = losses(gain=0.05)
    found = cumulative_loss_difference(model, reference, 1)
    assert found is not None
    np.testing.assert_allclose(found.saved, np.cumsum(reference - model) / reference.sum())
    assert found.saved[-1] == pytest.approx(1 - model.mean() / reference.mean())
    degrees = standard_error_of_mean(reference - model, 1).degrees_of_freedom
    statistic = diebold_mariano(model, reference).statistic
    ratio = found.saved[-1] / found.reach[-1]
    assert ratio == pytest.approx(statistic / student.ppf(0.975, degrees))


def test_the_band_grows_where_the_differences_are_large() -> None:
    model, reference = losses()
    model[200:220] += 30 * np.random.default_rng(1).normal(size=20)
    found = cumulative_loss_difference(model, reference, 1)
    assert found is not None
    assert found.reach[199] < 0.1 * found.reach[219]
    assert (np.diff(found.reach) >= 0).all()


@pytest.mark.parametrize(("rows", "horizon"), [(19, 1), (30, 8)])
def test_too_few_rows_have_no_band(rows: int, horizon: int) -> None:
    assert cumulative_loss_difference(*losses(rows), horizon) is None


def test_a_reference_without_loss_has_no_difference() -> None:
    assert cumulative_loss_difference(np.ones(50), np.zeros(50), 1) is None


def test_skill_of_a_group_is_that_of_its_rows_with_the_interval_of_overlapping_rows() -> None:
    model, reference = losses(gain=0.1)
    groups = np.repeat([0, 1, 2, -1], [100, 280, 15, 5])
    first, second = skill_by_group(model, reference, groups, ["2001", "2002", "2003"], 5)
    assert (first.name, first.rows, second.name, second.rows) == ("2001", 100, "2002", 280)
    assert first.skill == pytest.approx(1 - model[:100].sum() / reference[:100].sum())
    assert second.interval == skill_interval(model[100:380], reference[100:380], horizon=5)


def test_a_group_of_few_independent_rows_has_a_skill_and_no_interval() -> None:
    (only,) = skill_by_group(*losses(30), np.zeros(30, int), ["2001"], 10)
    assert only.interval is None
    assert np.isfinite(only.skill)


def test_the_volatility_of_a_row_is_that_of_the_targets_that_were_known_then() -> None:
    target = np.random.default_rng(0).normal(size=120)
    runs = np.repeat([0, 1], 60)
    found = past_volatility(target, runs, 3, "return")
    at = 60 + 40  # its last known target is three rows before it
    known = target[at - 3 - WINDOW + 1 : at - 3 + 1]
    assert found[at] == pytest.approx(np.sqrt(np.mean(known**2)))
    assert past_volatility(target, runs, 3, "volatility")[at] == pytest.approx(known.mean())
    assert past_volatility(target, runs, 3, "other")[at] == pytest.approx(known.std())
    first = WINDOW - 1 + 3
    for begin in (0, 60):  # each run starts anew
        assert np.isnan(found[begin : begin + first]).all()
        assert np.isfinite(found[begin + first : begin + 60]).all()


def test_no_later_target_changes_the_volatility_of_a_row() -> None:
    target = np.random.default_rng(0).normal(size=100)
    later = target.copy()
    later[68:] = 99.0
    runs = np.zeros(100, int)
    before, after = (past_volatility(each, runs, 3, "return") for each in (target, later))
    np.testing.assert_array_equal(before[:71], after[:71])  # the target of row 68 is known at row 71
    assert before[71] != after[71]


def test_a_run_shorter_than_the_window_has_no_volatility() -> None:
    assert np.isnan(past_volatility(np.ones(WINDOW), np.zeros(WINDOW, int), 1, "return")).all()


def test_regimes_are_thirds_of_the_rows_whose_volatility_is_known() -> None:
    found = regimes(np.array([np.nan, 5.0, 1.0, 3.0, 2.0, 6.0, 4.0]))
    assert found.tolist() == [-1, 2, 0, 1, 0, 2, 1]
    assert regimes(np.full(3, np.nan)).tolist() == [-1, -1, -1]


def test_autocorrelation_is_that_of_pairs_within_a_run() -> None:
    errors = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    found = autocorrelation(errors, np.zeros(6, int), 1, 2)
    assert found is not None
    assert found.values.tolist() == [-1.0, 1.0]
    np.testing.assert_allclose(found.bounds, 1.959964 / np.sqrt([5, 4]), rtol=1e-6)
    apart = autocorrelation(errors, np.array([0, 0, 1, 1, 2, 2]), 1, 2)
    assert apart is not None
    assert apart.values.tolist() == [-1.0, 0.0]  # no pair two rows apart is within a run


def test_the_bounds_of_overlapping_targets_are_bartletts() -> None:
    shocks = np.random.default_rng(0).normal(size=5002)
    errors = shocks[2:] + shocks[1:-1] + shocks[:-2]  # over three rows
    found = autocorrelation(errors, np.zeros(5000, int), 3, 6)
    assert found is not None
    np.testing.assert_allclose(found.values[:2], [2 / 3, 1 / 3], atol=0.05)
    rho = found.values
    expected = 1.959964 * np.sqrt((1 + 2 * (rho[0] ** 2 + rho[1] ** 2)) / (5000 - np.arange(3, 7)))
    np.testing.assert_allclose(found.bounds[2:], expected, rtol=1e-6)
    assert found.bounds[0] == pytest.approx(1.959964 / np.sqrt(4999), rel=1e-6)


def test_errors_that_never_vary_have_no_autocorrelation() -> None:
    assert autocorrelation(np.ones(50), np.zeros(50, int), 1, 5) is None


def test_the_sign_strategy_pays_for_each_change_of_sides() -> None:
    forecasts = np.array([0.2, 0.1, -0.3, -0.1, 0.0, 0.4])
    returns = np.array([0.01, -0.02, 0.03, -0.01, 0.05, 0.02])
    found = sign_strategy(forecasts, returns, np.zeros(6, int), 1, cost_basis_points=100)
    np.testing.assert_allclose(found.gross, [0.01, -0.02, -0.03, 0.01, 0.0, 0.02])
    np.testing.assert_allclose(found.gross - found.net, 0.01 * np.array([1, 0, 2, 0, 1, 1]))
    np.testing.assert_allclose(found.hold, returns)
    assert found.turnover == pytest.approx((0 + 2 + 0 + 1 + 1) / 2 / 5)
    assert found.break_even is None  # −1 % before costs


def test_nothing_is_left_at_the_cost_that_breaks_even() -> None:
    random = np.random.default_rng(0)
    returns = random.normal(0, 0.01, 300)
    forecasts = returns + random.normal(0, 0.01, 300)
    runs = np.repeat([0, 1], 150)
    cost = sign_strategy(forecasts, returns, runs, 5).break_even
    assert cost is not None
    assert sign_strategy(forecasts, returns, runs, 5, cost).net.sum() == pytest.approx(0.0)


def test_overlapping_returns_are_held_in_parts_that_each_count_once() -> None:
    """Two parts of half the stake, decided on even and on odd rows: the sums are theirs, apart."""
    random = np.random.default_rng(0)
    daily = random.normal(0, 0.01, 101)
    returns = daily[:-1] + daily[1:]
    forecasts = random.normal(size=100)
    found = sign_strategy(forecasts, returns, np.zeros(100, int), 2, 10)
    apart = [sign_strategy(forecasts[i::2], returns[i::2], np.zeros(50, int), 1, 10) for i in (0, 1)]
    for name in ("gross", "net", "hold"):
        assert getattr(found, name).sum() == pytest.approx(
            sum(getattr(each, name).sum() for each in apart) / 2
        )


def test_a_run_begins_without_a_position() -> None:
    ones = np.ones(6)
    found = sign_strategy(ones, 0 * ones, np.array([0, 0, 0, 1, 1, 1]), 1, 100)
    np.testing.assert_allclose(-found.net, [0.01, 0, 0, 0.01, 0, 0])


def test_the_long_short_returns_by_date_are_those_of_the_cross_section() -> None:
    random = np.random.default_rng(0)
    times = np.repeat(np.datetime64("2020-01-01") + np.arange(60), 8)
    series, forecasts = np.tile(np.arange(8), 60), random.normal(size=480)
    targets = 0.1 * forecasts + random.normal(size=480)
    found = long_short_by_date(times, series, forecasts, targets, horizon=2)
    summed = cross_section(times, series, forecasts, targets, horizon=2)
    assert found is not None
    assert summed is not None
    assert (found.gross.mean(), found.net.mean()) == (
        summed.long_short.gross.mean,
        summed.long_short.net.mean,
    )
    assert found.traded[2:].mean() / 4 == pytest.approx(summed.long_short.turnover)
    np.testing.assert_allclose(found.mean, targets.reshape(60, 8).mean(axis=1))
    first = targets[:8][np.argsort(forecasts[:8])]
    assert found.gross[0] == pytest.approx(first[-2:].mean() - first[:2].mean())
    assert long_short_by_date(times[:4], series[:4], forecasts[:4], targets[:4]) is None
