"""The autocorrelation of forecast errors, with the bounds of errors that have none. Pure functions."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Autocorrelation:
    """`values` (lags,) at the lags 1, 2, …; without autocorrelation 95 % of them lie within ± `bounds`
    (lags,).
    """

    values: NDArray[np.float64]
    bounds: NDArray[np.float64]


def autocorrelation(
    errors: NDArray[np.floating], runs: NDArray[np.integer], horizon: int, lags: int
) -> Autocorrelation | None:
    """Autocorrelation of `errors` (n,) in time order, from pairs of rows within a run (n,) alone.

    Errors over `horizon` > 1 rows overlap, which correlates them up to lag horizon − 1 however good the
    forecast is. The bounds are Bartlett's (1946), ±1.96 √((1 + 2 Σ ρⱼ²) / n), with the sum over the lags
    below both the lag and the horizon; n is the number of pairs. None if the errors never vary.
    """
    gaps = np.asarray(errors, np.float64) - np.mean(errors)
    variance = float(np.square(gaps).mean())
    if variance <= 0:
        return None
    values, pairs = np.zeros(lags), np.ones(lags)
    for lag in range(1, lags + 1):
        within = runs[lag:] == runs[:-lag]
        if within.any():
            pairs[lag - 1] = within.sum()
            values[lag - 1] = (gaps[lag:] * gaps[:-lag])[within].mean() / variance
    overlapping = np.where(np.arange(1, lags + 1) < horizon, np.square(values), 0.0)
    before = np.concatenate([[0.0], overlapping.cumsum()[:-1]])
    return Autocorrelation(values, NormalDist().inv_cdf(0.975) * np.sqrt((1 + 2 * before) / pairs))
