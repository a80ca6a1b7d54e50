"""Decides whether two evaluations scored the same rows, by the values of the series at common times.

Names, formats, other columns, added rows, units, rounding and a constant shift of all times do not matter.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np

from search.record.scored_series import Floats, ScoredSeries, to_utc

MIN_CORRELATION = 0.98
"""Two series are the same if the rank correlation of their changes is above this with `_ERRORS` standard
errors to spare. `python -m benchmarks.same_rows` prints what different assets and altered copies reach.
"""
_ERRORS = 3.0
_MIN_CHANGES = 5
"""Fewer common changes than this decide nothing: the standard error of Fisher's z is 1/√(n − 3)."""

_MAX_ROWS = 5_000
"""At most this many rows are compared, those in the middle: more would not change the answer."""
_PIECES = 8
"""If no constant offset fits all rows, each of this many pieces is tried."""

_DAY = 86_400_000_000_000
_MAX_SHIFT = 3 * _DAY
"""Longest constant shift of all times that is tried, in nanoseconds: a label moved over a weekend."""


@dataclass(frozen=True)
class SharedRows:
    """The rows that two evaluations have in common: the share (0 to 1) of the first one's, and their span."""

    share: float
    first: datetime
    last: datetime


def shared_rows(mine: ScoredSeries, theirs: ScoredSeries) -> SharedRows | None:
    """Which of my rows are among theirs; None if the series differ or have no common times.

    The times are compared unchanged, and then shifted by one constant of at most three days or one and a
    half rows: the other table may use another time zone, or another day as the label of a row.
    """
    mine_near, theirs_near = _near(mine, theirs)
    if min(len(mine_near.times), len(theirs_near.times)) <= _MIN_CHANGES:
        return None
    if _same_at_common_times(mine_near, theirs_near):
        return _part(mine, theirs, 0)
    if _part(mine, theirs, 0) is None:
        return None  # only their ends meet: a periodic series must not look like a shifted one
    offset = _offset(mine_near, theirs_near)
    return None if offset is None else _part(mine, theirs, offset)


def shared_part(mine: ScoredSeries, same: ScoredSeries) -> SharedRows | None:
    """Which of my rows lie within the span of the same series elsewhere, at unchanged times."""
    return _part(mine, same, 0)


def same_at_common_times(mine: ScoredSeries, theirs: ScoredSeries) -> bool:
    """Whether two series are the same at the times that both have."""
    near = _near(mine, theirs)
    return min(len(near[0].times), len(near[1].times)) > _MIN_CHANGES and _same_at_common_times(*near)


def _part(mine: ScoredSeries, theirs: ScoredSeries, offset: int) -> SharedRows | None:
    """My rows within the span of their shifted times; None if there are none."""
    inside = (mine.times >= theirs.times[0] + offset) & (mine.times <= theirs.times[-1] + offset)
    if not inside.any():
        return None
    span = mine.times[inside]
    return SharedRows(float(inside.mean()), to_utc(span[0]), to_utc(span[-1]))


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's rank correlation of two arrays (n,), robust to a wrong cell; 0 for a constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (a, b)]
    scale = math.sqrt(float((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return 0.0 if scale == 0 else float(ranks[0] @ ranks[1]) / scale


def are_same(a: Floats, b: Floats) -> bool:
    """Whether changes (n,) of two series are those of one series, perhaps rescaled or with the other sign.

    The lower bound of their rank correlation by Fisher's z must exceed MIN_CORRELATION, so that fewer
    rows must agree better.
    """
    if len(a) < _MIN_CHANGES:
        return False
    found = min(abs(rank_correlation(a, b)), 1 - 1e-12)
    return math.atanh(found) - _ERRORS / math.sqrt(len(a) - 3) > math.atanh(MIN_CORRELATION)


def _near(mine: ScoredSeries, theirs: ScoredSeries) -> tuple[ScoredSeries, ScoredSeries]:
    """The parts of both that are near the other one's times, at most _MAX_ROWS rows of mine."""
    if len(mine.times) == 0 or len(theirs.times) == 0:
        return mine, theirs
    shift = _max_shift(mine)
    first = max(mine.times[0], theirs.times[0]) - shift
    last = min(mine.times[-1], theirs.times[-1]) + shift
    near = _between(mine, first, last)
    spare = len(near.times) - _MAX_ROWS
    if spare > 0:
        near = _rows(near, slice(spare // 2, spare // 2 + _MAX_ROWS))
        first, last = near.times[0] - shift, near.times[-1] + shift
    return near, _between(theirs, first, last)


def _max_shift(series: ScoredSeries) -> int:
    """The longest shift to try, in nanoseconds."""
    step = float(np.median(np.diff(series.times))) if len(series.times) > 1 else 0.0
    return max(_MAX_SHIFT, round(1.5 * step))


def _between(series: ScoredSeries, first: int, last: int) -> ScoredSeries:
    inside = np.searchsorted(series.times, [first, last + 1])
    return _rows(series, slice(*inside))


def _rows(series: ScoredSeries, rows: slice) -> ScoredSeries:
    return ScoredSeries(series.times[rows], series.values[rows], series.adds_up)


def _same_at_common_times(a: ScoredSeries, b: ScoredSeries, offset: int = 0) -> bool:
    """Compare the changes between successive common times: missing rows in one series do no harm.

    Equal values are the same series, even if they never change. Stored values are float32.
    """
    _, mine, theirs = np.intersect1d(a.times, b.times + offset, assume_unique=True, return_indices=True)
    if len(mine) > _MIN_CHANGES and np.array_equal(np.float32(a.values[mine]), np.float32(b.values[theirs])):
        return True
    both = a.adds_up and b.adds_up
    return are_same(*(np.diff(_level(series, both)[at]) for series, at in ((a, mine), (b, theirs))))


def _level(series: ScoredSeries, sums: bool) -> Floats:
    level: Floats = np.cumsum(series.values) if sums else series.values
    return level


def _offset(a: ScoredSeries, b: ScoredSeries) -> int | None:
    """The constant to add to the times of `b` to get those of `a`, or of one piece of `a` (the clock changes
    twice a year); None if there is none.
    """
    bounds = np.linspace(0, len(a.times), _PIECES + 1).astype(int)
    pieces = [_rows(a, slice(*ends)) for ends in pairwise(bounds)]
    tried = (_offset_of(piece, b) for piece in (a, *pieces) if len(piece.times) > _MIN_CHANGES)
    return next((offset for offset in tried if offset is not None), None)


def _offset_of(a: ScoredSeries, b: ScoredSeries) -> int | None:
    """The median difference of times after aligning the rows at the largest cross-correlation.

    None unless the changes of these pairs agree, or those at times that differ by it (if a table lacks a
    row).
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
    """By how many rows to move `b` down to fit `a` best, among lags up to the longest shift."""
    from scipy.signal import correlate, correlation_lags
    from scipy.stats import rankdata

    ranks = [rankdata(np.diff(series.values)) for series in (a, b)]
    strength = np.abs(correlate(*(each - each.mean() for each in ranks), method="fft"))
    lags = correlation_lags(len(ranks[0]), len(ranks[1]))
    overlap = np.minimum(len(a.times), len(b.times) + lags) - np.maximum(lags, 0)
    middle = np.clip(np.maximum(lags, 0) + overlap // 2, 0, len(a.times) - 1)
    opposite = np.clip(middle - lags, 0, len(b.times) - 1)
    near = (np.abs(a.times[middle] - b.times[opposite]) <= _max_shift(a)) & (overlap > _MIN_CHANGES)
    return int(lags[near][np.argmax(strength[near])]) if near.any() else None
