"""The Diebold–Mariano test against an independent package, and where its variance fails."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from search.trust.diebold_mariano import DieboldMariano, diebold_mariano

T = np.arange(1, 41)
MODEL = (0.3 * np.sin(1.7 * T) + 0.1) ** 2
BASELINE = (0.45 * np.cos(2.3 * T)) ** 2


# computed once with `dm_test` of the package dieboldmariano 1.1.0 from these errors, h = horizon,
# variance_estimator "acf" (and "bartlett" for horizon 3, where "acf" raises NegativeVarianceException)
@pytest.mark.parametrize(
    ("horizon", "statistic", "two_sided", "one_sided", "variance"),
    [
        (1, 3.5360417526237047, 0.0010652455637036916, 0.0005326227818518458, "rectangular"),
        (3, 6.405154499186945, 1.418713084922335e-07, 7.093565424611675e-08, "bartlett"),
        (5, 3.1341044318091296, 0.003268537138138266, 0.001634268569069133, "rectangular"),
    ],
)
def test_statistic_and_p_values_agree_with_an_independent_package(
    horizon: int, statistic: float, two_sided: float, one_sided: float, variance: str
) -> None:
    test = diebold_mariano(MODEL, BASELINE, horizon=horizon)
    assert test.statistic == pytest.approx(statistic, rel=1e-9)
    assert test.p_two_sided == pytest.approx(two_sided, rel=1e-6)
    assert test.p_better == pytest.approx(one_sided, rel=1e-6)
    assert test.variance == variance


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


def test_a_much_better_forecast_is_found() -> None:
    rng = np.random.default_rng(1)
    target, noise = rng.standard_normal((2, 200))
    assert diebold_mariano((0.5 * noise) ** 2, target**2).p_better < 1e-6


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
