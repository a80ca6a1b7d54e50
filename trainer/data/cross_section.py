"""Transforms across the series of a panel: each compares a value with those of all series at one moment.

A cell is computed from values of its own moment alone, so that it is known when they are. Series without a
finite value at a moment do not count. Where fewer than `min_series` count, the cell is missing: NaN.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from trainer.config import TransformName
from trainer.data.arrays import Floats, Rows

Mask = npt.NDArray[np.bool_]


def cross_demean(values: Floats, moments: Rows, min_series: int) -> Floats:
    """X − mean over the series at the moment."""
    known, count = _counted(values, moments, min_series)
    return np.where(known, values - _sums(values, moments, known)[moments] / count, np.nan)


def cross_zscore(values: Floats, moments: Rows, min_series: int) -> Floats:
    """(x − mean) / std over the series at the moment, std with 1/n; 0 if all values are equal."""
    centred = cross_demean(values, moments, min_series)
    known, count = _counted(values, moments, min_series)
    spread = np.sqrt(_sums(centred**2, moments, known)[moments] / count)
    flat = spread <= 8 * np.finfo(np.float64).eps * np.abs(values)
    with np.errstate(all="ignore"):
        return np.where(known & flat, 0.0, centred / spread)


def cross_rank(values: Floats, moments: Rows, min_series: int) -> Floats:
    """(rank − 1) / (n − 1) − 1/2 among the n series at the moment: −1/2 for the lowest, 1/2 for the highest.

    Equal values share the mean of their ranks.
    """
    known, count = _counted(values, moments, max(min_series, 2))
    rows = np.flatnonzero(np.isfinite(values))
    order = rows[np.lexsort((values[rows], moments[rows]))]
    firsts, number = _runs(moments[order])
    places = np.arange(len(order)) - firsts[number]  # from 0 within each moment
    ties, tie = _runs(moments[order], values[order])
    shared = np.bincount(tie, weights=places) / np.bincount(tie) if len(ties) else places
    ranks = np.full(len(values), np.nan)
    ranks[order] = shared[tie]
    with np.errstate(all="ignore"):
        return np.where(known, ranks / (count - 1) - 0.5, np.nan)


CROSS: Mapping[TransformName, Callable[[Floats, Rows, int], Floats]] = {
    "cross_rank": cross_rank,
    "cross_zscore": cross_zscore,
    "cross_demean": cross_demean,
}


def _runs(*keys: npt.NDArray[np.generic]) -> tuple[Rows, Rows]:
    """The first row of each run of equal keys, (R,), and the number of each row's run, (n,)."""
    changes = np.any([np.diff(key) != 0 for key in keys], axis=0)
    is_first = np.concatenate([np.ones(min(len(keys[0]), 1), bool), changes])
    return np.flatnonzero(is_first), np.cumsum(is_first) - 1


def _counted(values: Floats, moments: Rows, least: int) -> tuple[Mask, Floats]:
    """Which values are known among at least `least` at their moment, and the count at each row's moment."""
    finite = np.isfinite(values)
    count = np.bincount(moments, weights=finite)[moments]
    return finite & (count >= least), np.maximum(count, 1.0)


def _sums(values: Floats, moments: Rows, known: Mask) -> Floats:
    """The sum of the known values of each moment."""
    return np.bincount(moments, weights=np.where(known, values, 0.0)).astype(np.float64)
