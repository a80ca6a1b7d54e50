"""Whether scored rows are those of another scoring: decided by their values at common times.

Names, formats, other columns, added rows, units, rounding and a constant shift of all times do not matter.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np

from search.record.scored_series import Floats, ScoredSeries, nanoseconds_to_utc

MIN_CORRELATION = 0.98
"""Two series are the same where the rank correlation of their changes is above this with `_ERRORS` standard
errors to spare. `python -m benchmarks.same_rows` prints what different assets and altered copies reach.
"""
_ERRORS = 3.0
_FEWEST = 5
"""Common changes below which nothing can be told: the standard error of Fisher's z is 1/√(n − 3)."""

_MOST = 5_000
"""Rows that are compared at most, those in the middle: more would tell nothing new."""
_PIECES = 8
"""Where no constant offset fits all rows, it is sought for each of so many pieces."""

_DAY = 86_400_000_000_000
_MOST_OFFSET = 3 * _DAY
"""Longest constant shift of all times that is tried, in nanoseconds: a label moved over a weekend."""


@dataclass(frozen=True)
class SharedRows:
    """What scored rows have in common with others: the share of them, 0 to 1, and the times it spans."""

    share: float
    first: datetime
    last: datetime


def shared_rows(mine: ScoredSeries, theirs: ScoredSeries) -> SharedRows | None:
    """Which of my rows are among theirs; None where the series are not the same or no times are common.

    Tried are the times as they are, and all times shifted by one constant of at most three days or one and a
    half rows: another time zone, or a label of the day moved.
    """
    mine_near, theirs_near = _near(mine, theirs)
    if min(len(mine_near.times), len(theirs_near.times)) <= _FEWEST:
        return None
    if _same_at_common_times(mine_near, theirs_near):
        return _part(mine, theirs, 0)
    if (
        _part(mine, theirs, 0) is None
    ):  # only their ends meet: a period of the series must not pass for a shift
        return None
    offset = _offset(mine_near, theirs_near)
    return None if offset is None else _part(mine, theirs, offset)


def _part(mine: ScoredSeries, theirs: ScoredSeries, offset: int) -> SharedRows | None:
    """My rows within the span of their shifted times; None where there are none."""
    inside = (mine.times >= theirs.times[0] + offset) & (mine.times <= theirs.times[-1] + offset)
    if not inside.any():
        return None
    span = mine.times[inside]
    return SharedRows(float(inside.mean()), nanoseconds_to_utc(span[0]), nanoseconds_to_utc(span[-1]))


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's rank correlation of two arrays (n,), which one wrong cell hardly moves; 0 for a constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (a, b)]
    scale = math.sqrt(float((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return 0.0 if scale == 0 else float(ranks[0] @ ranks[1]) / scale


def are_same(a: Floats, b: Floats) -> bool:
    """Whether changes (n,) of two series are those of one series, perhaps rescaled or with the other sign.

    The lower bound of their rank correlation by Fisher's z must exceed SAME, so that fewer rows must agree
    better.
    """
    if len(a) < _FEWEST:
        return False
    found = min(abs(rank_correlation(a, b)), 1 - 1e-12)
    return math.atanh(found) - _ERRORS / math.sqrt(len(a) - 3) > math.atanh(MIN_CORRELATION)


def _near(mine: ScoredSeries, theirs: ScoredSeries) -> tuple[ScoredSeries, ScoredSeries]:
    """The parts of both that lie within reach of the other one's times, at most _MOST rows of mine."""
    if len(mine.times) == 0 or len(theirs.times) == 0:
        return mine, theirs
    reach = _reach(mine)
    first = max(mine.times[0], theirs.times[0]) - reach
    last = min(mine.times[-1], theirs.times[-1]) + reach
    near = _between(mine, first, last)
    spare = len(near.times) - _MOST
    if spare > 0:
        near = _rows(near, slice(spare // 2, spare // 2 + _MOST))
        first, last = near.times[0] - reach, near.times[-1] + reach
    return near, _between(theirs, first, last)


def _reach(series: ScoredSeries) -> int:
    """Longest shift that is tried, in nanoseconds."""
    step = float(np.median(np.diff(series.times))) if len(series.times) > 1 else 0.0
    return max(_MOST_OFFSET, round(1.5 * step))


def _between(series: ScoredSeries, first: int, last: int) -> ScoredSeries:
    inside = np.searchsorted(series.times, [first, last + 1])
    return _rows(series, slice(*inside))


def _rows(series: ScoredSeries, rows: slice) -> ScoredSeries:
    return ScoredSeries(series.times[rows], series.values[rows], series.adds_up)


def _same_at_common_times(a: ScoredSeries, b: ScoredSeries, offset: int = 0) -> bool:
    """Compare the changes between successive times that both have: rows that one of them lacks do no harm.

    Equal values are the same series, also where they never change. They are kept as float32.
    """
    _, mine, theirs = np.intersect1d(a.times, b.times + offset, assume_unique=True, return_indices=True)
    if len(mine) > _FEWEST and np.array_equal(np.float32(a.values[mine]), np.float32(b.values[theirs])):
        return True
    both = a.adds_up and b.adds_up
    return are_same(*(np.diff(_level(series, both)[at]) for series, at in ((a, mine), (b, theirs))))


def _level(series: ScoredSeries, sums: bool) -> Floats:
    level: Floats = np.cumsum(series.values) if sums else series.values
    return level


def _offset(a: ScoredSeries, b: ScoredSeries) -> int | None:
    """The constant by which the times of `b` must be shifted to become those of `a`, or of one piece of it
    (the clock changes twice a year); None where there is none.
    """
    bounds = np.linspace(0, len(a.times), _PIECES + 1).astype(int)
    pieces = [_rows(a, slice(*ends)) for ends in pairwise(bounds)]
    tried = (_offset_of(piece, b) for piece in (a, *pieces) if len(piece.times) > _FEWEST)
    return next((offset for offset in tried if offset is not None), None)


def _offset_of(a: ScoredSeries, b: ScoredSeries) -> int | None:
    """The median distance of times where the rows are laid side by side at the largest cross-correlation.

    It counts if the changes of these pairs are the same, or those at times that differ by it (one of the
    tables lacks a row); else None.
    """
    lag = _best_lag(a, b)
    if lag is None:
        return None
    length = min(len(a.times) - max(lag, 0), len(b.times) - max(-lag, 0))
    one, other = _rows(a, slice(max(lag, 0), None)), _rows(b, slice(max(-lag, 0), None))
    one, other = _rows(one, slice(length)), _rows(other, slice(length))
    offset = int(np.median(one.times - other.times))
    pairs = are_same(np.diff(one.values), np.diff(other.values))
    return offset if pairs or _same_at_common_times(a, b, offset) else None


def _best_lag(a: ScoredSeries, b: ScoredSeries) -> int | None:
    """By how many rows `b` is to be moved down to fit `a` best, of the lags that stay within reach."""
    from scipy.signal import correlate, correlation_lags
    from scipy.stats import rankdata

    ranks = [rankdata(np.diff(series.values)) for series in (a, b)]
    strength = np.abs(correlate(*(each - each.mean() for each in ranks), method="fft"))
    lags = correlation_lags(len(ranks[0]), len(ranks[1]))
    overlap = np.minimum(len(a.times), len(b.times) + lags) - np.maximum(lags, 0)
    middle = np.clip(np.maximum(lags, 0) + overlap // 2, 0, len(a.times) - 1)
    opposite = np.clip(middle - lags, 0, len(b.times) - 1)
    near = (np.abs(a.times[middle] - b.times[opposite]) <= _reach(a)) & (overlap > _FEWEST)
    return int(lags[near][np.argmax(strength[near])]) if near.any() else None
