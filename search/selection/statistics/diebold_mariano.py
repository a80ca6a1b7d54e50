"""Is the model's mean loss below the baseline's by more than chance? The Diebold–Mariano test."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.standard_error import standard_error_of_mean
from search.selection.statistics.stationary_bootstrap import require_finite_rows

MIN_DIEBOLD_MARIANO_ROWS = 10


@dataclass(frozen=True)
class DieboldMariano:
    """A comparison of two forecasts on the same n rows.

    `statistic` is positive if the model is better (lower loss). `p_two_sided` is the p value of equal
    accuracy, `p_better` that of a model that is not better. `variance` tells how the variance of the mean was
    estimated: "cosines", or "none" if the two losses differ by a constant. In that case `statistic` is 0 and
    both p values are 1 for identical losses; otherwise it is ±inf, `p_two_sided` is 0, and `p_better` is 0 or
    1.
    """

    statistic: float
    p_two_sided: float
    p_better: float
    variance: Literal["cosines", "none"]


def diebold_mariano(
    losses: NDArray[np.floating], baseline_losses: NDArray[np.floating], *, horizon: int = 1
) -> DieboldMariano:
    """Test of equal accuracy from `losses` (n,) of the model and `baseline_losses` (n,), n ≥ 10.

    Diebold & Mariano (1995, "Comparing predictive accuracy"): the mean differential over its standard error,
    from `standard_error_of_mean`, with Student's t of its degrees of freedom (Coroneo & Iacone 2020).
    The original statistic has horizon − 1 autocovariances; even as Harvey, Leybourne & Newbold (1997) correct
    it, it rejects a true null too often if rows are few and overlap, or if errors persist longer than the
    horizon.

    Raises ValueError for series of another or too small length, numbers that are not finite, or a horizon
    outside 1 … n/2.
    """
    from scipy.stats import t as student

    model = require_finite_rows("losses", losses, MIN_DIEBOLD_MARIANO_ROWS)
    baseline = require_finite_rows("baseline_losses", baseline_losses, MIN_DIEBOLD_MARIANO_ROWS)
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
    mean = standard_error_of_mean(differential, horizon)
    statistic = gain / mean.error
    better = float(student.sf(statistic, df=mean.degrees_of_freedom))
    two_sided = float(2 * student.sf(abs(statistic), df=mean.degrees_of_freedom))
    return DieboldMariano(statistic, two_sided, better, "cosines")


def _rounding(model: NDArray[np.float64], baseline: NDArray[np.float64]) -> float:
    """The largest difference of these losses that float64 rounding can cause."""
    return 8 * float(np.finfo(np.float64).eps * max(np.abs(model).max(), np.abs(baseline).max()))


def _constant(
    differential: NDArray[np.float64], model: NDArray[np.float64], baseline: NDArray[np.float64]
) -> bool:
    return float(np.ptp(differential)) <= _rounding(model, baseline)


def _without_variance(gain: float) -> DieboldMariano:
    """The result if the differential is the same in every row, so that nothing is left to chance."""
    if gain == 0:
        return DieboldMariano(0.0, 1.0, 1.0, "none")
    return DieboldMariano(math.copysign(math.inf, gain), 0.0, 0.0 if gain > 0 else 1.0, "none")
