"""The Diebold–Mariano test against a literal version of its formula, and where its variance fails."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from search.selection.statistics.diebold_mariano import DieboldMariano, diebold_mariano

T = np.arange(1, 41)
MODEL = (0.3 * np.sin(1.7 * T) + 0.1) ** 2
BASELINE = (0.45 * np.cos(2.3 * T)) ** 2


# equation by equation from Lazarus, Lewis, Stock & Watson (2018), one sum at a time
@pytest.mark.parametrize(("horizon", "terms"), [(1, 4), (5, 4), (8, 2)])
def test_statistic_and_p_values_agree_with_a_slow_literal_version(horizon: int, terms: int) -> None:
    gains = BASELINE - MODEL
    n = len(gains)
    projections = [
        math.sqrt(2 / n) * sum(gains[t] * math.cos(math.pi * j * (t + 0.5) / n) for t in range(n))
        for j in range(1, terms + 1)
    ]
    variance = sum(each**2 for each in projections) / terms
    statistic = math.sqrt(n) * gains.mean() / math.sqrt(variance)
    test = diebold_mariano(MODEL, BASELINE, horizon=horizon)
    assert test.statistic == pytest.approx(statistic, rel=1e-9)
    assert test.p_two_sided == pytest.approx(2 * stats.t.sf(abs(statistic), terms), rel=1e-6)
    assert test.p_better == pytest.approx(stats.t.sf(statistic, terms), rel=1e-6)
    assert test.variance == "cosines"


def test_swapping_the_forecasts_turns_the_sign_and_the_one_sided_p() -> None:
    there, back = diebold_mariano(MODEL, BASELINE), diebold_mariano(BASELINE, MODEL)
    assert back.statistic == -there.statistic
    assert back.p_two_sided == there.p_two_sided
    assert back.p_better == pytest.approx(1 - there.p_better)


def test_identical_losses_are_no_difference_at_all() -> None:
    assert diebold_mariano(MODEL, MODEL, horizon=4) == DieboldMariano(0.0, 1.0, 1.0, "none")


@pytest.mark.parametrize(("gain", "better"), [(0.5, 0.0), (-0.5, 1.0)])
def test_a_constant_difference_leaves_nothing_to_chance(gain: float, better: float) -> None:
    assert diebold_mariano(MODEL + 1 - gain, MODEL + 1) == DieboldMariano(
        math.copysign(math.inf, gain), 0.0, better, "none"
    )


def test_equal_forecasts_are_told_apart_no_oftener_than_the_level() -> None:
    rng = np.random.default_rng(0)
    rejected = 0
    for _ in range(1000):
        target, one, other = rng.standard_normal((3, 50))
        rejected += diebold_mariano((target - one) ** 2, (target - other) ** 2).p_two_sided < 0.05
    # 50 are expected; four binomial errors of 6.9 each either way
    assert 22 <= rejected <= 78


def test_equal_forecasts_of_few_overlapping_targets_are_told_apart_no_oftener_than_the_level() -> None:
    """80 rows, each a sum over 20 rows: four of them are independent."""
    rng = np.random.default_rng(2)
    rejected = 0
    for _ in range(1000):
        target = np.convolve(rng.standard_normal(99), np.ones(20), "valid") / math.sqrt(20)
        rejected += diebold_mariano((target - 0.1) ** 2, (target + 0.1) ** 2, horizon=20).p_better < 0.05
    # 50 are expected; four binomial errors of 6.9 each
    assert rejected <= 78


def test_a_much_better_forecast_is_found() -> None:
    rng = np.random.default_rng(1)
    target, noise = rng.standard_normal((2, 200))
    assert diebold_mariano((0.5 * noise) ** 2, target**2).p_better < 1e-3


@pytest.mark.parametrize(
    ("model", "horizon", "message"),
    [
        (np.ones(9), 1, r"losses has 9 rows, which is too few; give at least 10"),
        (np.ones(39), 1, r"losses have shape \(39,\) and baseline_losses \(40,\)"),
        (np.full(40, np.inf), 1, r"losses is inf in row 0"),
        (np.ones(40), 21, r"horizon is 21 with 40 rows; give 1 to 20, half of them"),
        (np.ones(40), 0, r"horizon is 0 with 40 rows"),
    ],
)
def test_what_cannot_be_tested_is_refused(model: NDArray[np.float64], horizon: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        diebold_mariano(model, BASELINE, horizon=horizon)
