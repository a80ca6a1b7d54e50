"""Is the model's mean loss below the baseline's by more than chance? The Diebold–Mariano test."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from search.trust.resampling import finite_rows

FEWEST_ROWS = 10


@dataclass(frozen=True)
class DieboldMariano:
    """A comparison of two forecasts on the same n rows.

    `statistic` is positive where the model is better (lower loss); it follows Student's t with n − 1 degrees
    of freedom under equal accuracy. `p_two_sided` speaks against equal accuracy, `p_better` against a model
    that is no better. `variance` tells how the variance of the mean was estimated: "rectangular", "bartlett"
    where the former was not positive, or "none" where the two losses differ by a constant: then `statistic`
    is 0 and both p are 1 for identical losses, else it is ±inf, `p_two_sided` is 0, and `p_better` is 0 or
    1.
    """

    statistic: float
    p_two_sided: float
    p_better: float
    variance: Literal["rectangular", "bartlett", "none"]


def diebold_mariano(
    losses: NDArray[np.floating], baseline_losses: NDArray[np.floating], *, horizon: int = 1
) -> DieboldMariano:
    """Test of equal accuracy from `losses` (n,) of the model and `baseline_losses` (n,), n ≥ 10.

    Diebold & Mariano (1995, "Comparing predictive accuracy", statistic S₁): mean differential over the root
    of its variance, with horizon − 1 autocovariances in a rectangular window, as errors of optimal forecasts
    h rows ahead are dependent up to h − 1 rows; times the small-sample factor √((n + 1 − 2h + h(h − 1)/n)/n)
    and with Student's t of n − 1 degrees of freedom: Harvey, Leybourne & Newbold (1997, "Testing the
    equality of prediction mean squared errors", statistic S₁*). Where the rectangular window's sum is not
    positive, Bartlett's weights 1 − k/h (Newey & West 1987) are used, whose sum is never negative, and the
    result says so.

    Raises ValueError for series of another or too small length, numbers that are not finite, or a horizon
    outside 1 … n/2, above which the small-sample factor loses its meaning.
    """
    from scipy.stats import t as student

    model = finite_rows("losses", losses, FEWEST_ROWS)
    baseline = finite_rows("baseline_losses", baseline_losses, FEWEST_ROWS)
    if model.shape != baseline.shape or model.ndim != 1:
        raise ValueError(
            f"losses have shape {model.shape} and baseline_losses {baseline.shape}; give both as (n,)"
        )
    n, differential = len(model), baseline - model
    if not 1 <= horizon <= n / 2:
        raise ValueError(f"horizon is {horizon} with {n} rows; give 1 to {n // 2}, half of them")
    gain = float(differential.mean())
    if _constant(differential, model, baseline):
        return _without_variance(gain if abs(gain) > _rounding(model, baseline) else 0.0)
    variance, window = _long_run_variance(differential - gain, horizon)
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    statistic = gain / math.sqrt(variance / n) * math.sqrt(correction)
    better = float(student.sf(statistic, df=n - 1))
    return DieboldMariano(statistic, float(2 * student.sf(abs(statistic), df=n - 1)), better, window)


def _long_run_variance(
    centred: NDArray[np.float64], horizon: int
) -> tuple[float, Literal["rectangular", "bartlett"]]:
    """γ₀ + 2 Σ wₖ γₖ over k < horizon of a `centred` series (n,), and the window wₖ that kept it positive."""
    n = len(centred)
    covariances = np.array([centred[lag:] @ centred[: n - lag] / n for lag in range(horizon)])
    rectangular = float(covariances[0] + 2 * covariances[1:].sum())
    if rectangular > 0:
        return rectangular, "rectangular"
    weights = 1 - np.arange(1, horizon) / horizon
    return float(covariances[0] + 2 * weights @ covariances[1:]), "bartlett"


def _rounding(model: NDArray[np.float64], baseline: NDArray[np.float64]) -> float:
    """What differences of these losses owe to the rounding of float64."""
    return 8 * float(np.finfo(np.float64).eps * max(np.abs(model).max(), np.abs(baseline).max()))


def _constant(
    differential: NDArray[np.float64], model: NDArray[np.float64], baseline: NDArray[np.float64]
) -> bool:
    return float(np.ptp(differential)) <= _rounding(model, baseline)


def _without_variance(gain: float) -> DieboldMariano:
    """The result where the differential is the same in every row: nothing is left to chance."""
    if gain == 0:
        return DieboldMariano(0.0, 1.0, 1.0, "none")
    return DieboldMariano(math.copysign(math.inf, gain), 0.0, 0.0 if gain > 0 else 1.0, "none")
