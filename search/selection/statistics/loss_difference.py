"""Where in time a forecast gains on a reference: the cumulative loss difference. Pure functions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.standard_error import standard_error_of_mean
from search.selection.statistics.stationary_bootstrap import min_interval_rows

LEVEL = 0.95
"""The confidence of the band."""


@dataclass(frozen=True)
class LossDifference:
    """What a forecast has saved against a reference after each of n rows in time order.

    `saved` (n,) is in shares of the loss of the reference on all n rows, so that its last value is the skill.
    `reach` (n,) is how far from 0 luck alone takes it after that many rows with probability `LEVEL`, at any
    one of them, if both forecasts are equally good.
    """

    saved: NDArray[np.float64]
    reach: NDArray[np.float64]


def cumulative_loss_difference(
    losses: NDArray[np.floating], reference_losses: NDArray[np.floating], horizon: int
) -> LossDifference | None:
    """The sum of reference_losses − losses, (n,) both, up to each row; targets span `horizon` rows.

    Goyal & Welch (2008, "A comprehensive look at the empirical performance of equity premium prediction")
    draw it without a band. At the last row the band is that of the Diebold–Mariano test and of the interval
    of overlapping rows: Student's quantile times the standard error of the sum, robust to autocorrelation
    (`standard_error_of_mean`). Before it, the error is that one times the square root of the share of the
    squared deviations that has come by then, as differences are larger in some years than in others.

    None for fewer rows than an interval needs, and if the reference has no loss.
    """
    from scipy.stats import t as student

    model, reference = np.asarray(losses, np.float64), np.asarray(reference_losses, np.float64)
    n, total = len(model), float(reference.sum())
    if n < min_interval_rows(horizon) or total <= 0:
        return None
    gains = reference - model
    mean = standard_error_of_mean(gains, horizon)
    of_sum = float(student.ppf((1 + LEVEL) / 2, mean.degrees_of_freedom)) * mean.error * n
    squares = np.square(gains - gains.mean()).cumsum()
    shares = squares / squares[-1] if squares[-1] > 0 else np.zeros(n)
    return LossDifference(gains.cumsum() / total, np.sqrt(shares) * of_sum / total)
