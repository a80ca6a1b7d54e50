"""Coverage of intervals: Kupiec's and Christoffersen's tests against their formulas, and their size."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from search.selection.statistics.coverage import Coverage, coverage

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


def test_rows_of_several_series_are_counted_and_not_tested() -> None:
    found = coverage(flags("...x" * 10), 0.8, is_one_series=False)
    assert (found.covered, found.rows, found.rows_tested) == (0.75, 40, 0)
    assert (found.kupiec, found.independence, found.christoffersen) == (None, None, None)


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
