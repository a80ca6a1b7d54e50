"""Coverage of intervals: Kupiec's and Christoffersen's tests against their formulas, and their size."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from search.selection.statistics.coverage import Coverage, coverage
from search.selection.statistics.standard_error import standard_error_of_mean

Flags = NDArray[np.bool_]


def flags(text: str) -> Flags:
    """`.` for a row within the bounds, `x` for a miss."""
    return np.array([each == "." for each in text])


def statistics(found: Coverage) -> tuple[float, float, float]:
    assert found.kupiec is not None
    assert found.independence is not None
    assert found.christoffersen is not None
    return found.kupiec.statistic, found.independence.statistic, found.christoffersen.statistic


def test_the_statistics_agree_with_their_formulas_one_product_at_a_time() -> None:
    found = coverage(flags("....xx....x.........xxx......."), 0.8)
    n, x = 30, 6
    kupiec = -2 * math.log(0.8 ** (n - x) * 0.2**x / ((1 - x / n) ** (n - x) * (x / n) ** x))
    # pairs of rows: no miss before 23, of them 3 then missed; a miss before 6, of them 3 then missed
    free = (20 / 23) ** 20 * (3 / 23) ** 3 * (3 / 6) ** 6
    one = (23 / 29) ** 23 * (6 / 29) ** 6
    independence = -2 * math.log(one / free)
    assert statistics(found) == pytest.approx((kupiec, independence, kupiec + independence), abs=1e-12)
    assert found.covered == 0.8
    assert kupiec == pytest.approx(0, abs=1e-12)
    assert found.independence is not None
    assert found.independence.p_value == pytest.approx(stats.chi2.sf(independence, 1))
    assert found.christoffersen is not None
    assert found.christoffersen.p_value == pytest.approx(stats.chi2.sf(independence, 2))


def test_kupiecs_table_is_met() -> None:
    """A promise of 95 % is rejected at 5 % from 8 misses of 255 … on: Kupiec (1995), table of 6 < x < 21."""
    for misses, rejected in ((6, True), (7, False), (20, False), (21, True)):
        found = coverage(np.arange(255) >= misses, 0.95)
        assert found.kupiec is not None
        assert (found.kupiec.p_value < 0.05) is rejected


@pytest.mark.parametrize("text", ["....................", "xxxxxxxxxxxxxxxxxxxx", "x.", "..x"])
def test_rows_without_a_miss_or_with_nothing_else_have_finite_statistics(text: str) -> None:
    found = statistics(coverage(flags(text), 0.8))
    assert np.isfinite(found).all()
    assert min(found) >= 0


def test_misses_that_come_in_runs_are_told_from_misses_that_are_too_many() -> None:
    runs, many = flags("." * 160 + "x" * 40), flags("..x" * 66)
    found = coverage(runs, 0.8)
    assert found.kupiec is not None
    assert found.independence is not None
    assert (found.kupiec.p_value > 0.9, found.independence.p_value < 1e-6) == (True, True)
    again = coverage(many, 0.8)
    assert again.kupiec is not None
    assert again.kupiec.p_value < 0.01


def test_of_true_intervals_one_in_twenty_is_rejected() -> None:
    random, rejected = np.random.default_rng(0), np.zeros(3)
    for _ in range(400):
        found = coverage(random.random(500) < 0.8, 0.8)
        assert found.kupiec is not None
        assert found.independence is not None
        assert found.christoffersen is not None
        rejected += [t.p_value < 0.05 for t in (found.kupiec, found.independence, found.christoffersen)]
    assert ((rejected / 400 > 0.02) & (rejected / 400 < 0.09)).all()


def test_overlapping_targets_are_tested_on_rows_that_do_not_overlap() -> None:
    """A moving average over five rows misses in runs; every fifth row does not."""
    random, rejected = np.random.default_rng(1), np.zeros(2)
    for _ in range(200):
        sums = np.convolve(random.standard_normal(504), np.ones(5) / math.sqrt(5), "valid")
        inside = np.abs(sums) < stats.norm.ppf(0.9)
        for number, horizon in enumerate((1, 5)):
            found = coverage(inside, 0.8, horizon=horizon)
            assert found.christoffersen is not None
            rejected[number] += found.christoffersen.p_value < 0.05
        assert (found.rows, found.rows_tested) == (500, 100)
        assert found.covered == inside.mean()
    assert rejected[0] / 200 > 0.5
    assert rejected[1] / 200 < 0.1


def test_a_panel_is_tested_by_the_mean_share_over_times() -> None:
    shares = np.array([0.7, 0.9, 0.8, 0.6, 0.9, 0.7, 0.8, 0.8])
    found = coverage(flags("...x" * 10), 0.8, shares=shares)
    assert (found.covered, found.rows, found.rows_tested) == (0.75, 40, 0)
    assert (found.kupiec, found.independence, found.christoffersen) == (None, None, None)
    assert found.by_time is not None
    error = standard_error_of_mean(shares, 1)
    assert found.by_time.statistic == pytest.approx((shares.mean() - 0.8) / error.error)
    assert (found.by_time.times, found.by_time.degrees_of_freedom) == (8, error.degrees_of_freedom)
    assert coverage(flags("..."), 0.8, shares=np.ones(8)).by_time is None


def test_series_that_move_together_do_not_reject_true_intervals_as_independent_rows_would() -> None:
    """Twenty series with a common part that explains half of their variance."""
    random, rejected = np.random.default_rng(2), np.zeros(2)
    for _ in range(200):
        common, own = random.standard_normal((250, 1)), random.standard_normal((250, 20))
        inside = np.abs(common + own) / math.sqrt(2) < stats.norm.ppf(0.9)
        found = coverage(inside.ravel(), 0.8, shares=inside.mean(axis=1)).by_time
        as_one = coverage(inside.ravel(), 0.8).kupiec
        assert found is not None
        assert as_one is not None
        rejected += [found.p_value < 0.05, as_one.p_value < 0.05]
    assert rejected[0] / 200 < 0.1
    assert rejected[1] / 200 > 0.2


@pytest.mark.parametrize(
    ("inside", "level", "horizon"),
    [
        (np.ones((3, 2), bool), 0.8, 1),
        (np.ones(1, bool), 0.8, 1),
        (np.ones(9, bool), 80, 1),
        (np.ones(9, bool), 0.8, 0),
    ],
)
def test_what_cannot_be_tested_is_an_error(inside: Flags, level: float, horizon: int) -> None:
    with pytest.raises(ValueError, match="inside has shape"):
        coverage(inside, level, horizon=horizon)
