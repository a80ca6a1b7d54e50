"""Reads times that are written as numbers: compact dates such as 20170419090000, or counts since 1970.

The whole column is read in one form. Compact dates are tried first: counts that look like dates in every row
are very rare, and would lie in the 1970s. A column that fits two forms is refused.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S", 17: "%Y%m%d%H%M%S%f"}
"""Form of a compact date by its number of digits. Read as a count since 1970, each lies before 1977."""
_DOUBTFUL = {10: ("%Y%m%d%H", "%y%m%d%H%M"), 12: ("%y%m%d%H%M%S",)}
"""Compact dates by number of digits that a count since 1970 may be mistaken for."""
_DATE_YEARS = (1800, 2199)
_UNITS = ((10, "seconds"), (13, "milliseconds"), (16, "microseconds"), (19, "nanoseconds"))
"""Digits of a count in the years 2001 to 2286, and its unit; one digit less reaches back to 1973."""
_MOST = [most for most, _ in _UNITS]
OUT_OF_RANGE = "lies outside the years 1678 to 2261"
_CLEAR = 10.0
"""A reading is dropped if its widest gap between neighbours is this many times wider than the other's."""


@dataclass(frozen=True)
class UnreadableTime:
    """The first cell that cannot be read as a time (`row` is 0-based), and why."""

    row: int
    reason: str


def is_number(text: str) -> bool:
    """Whether a cell is a number: digits with an optional sign, point and exponent."""
    return bool(_NUMBER.fullmatch(text))


def read_integer_times(texts: Sequence[str]) -> pd.DatetimeIndex | UnreadableTime:
    """Times of the cells, as naive UTC in nanoseconds.

    The first cell must be a number that has more than eight digits or is not whole.
    """
    wrong = next((row for row, text in enumerate(texts) if not is_number(text)), None)
    if wrong is not None:
        return UnreadableTime(wrong, "is no whole number like the first one")
    counts = [Decimal(text) for text in texts]
    digits = np.array([len(str(abs(int(count)))) for count in counts])
    length = int(digits.max())
    if length > _MOST[-1]:
        return UnreadableTime(int(digits.argmax()), "has too many digits for an epoch time")
    # A fraction, a sign or a varying number of digits occurs in counts only.
    is_alike = length == digits.min() and all(count == int(count) >= 0 for count in counts)
    cells = [str(int(count)) for count in counts] if is_alike else []
    if cells and length in _COMPACT and (dates := _dates(cells, _COMPACT[length])) is not None:
        return dates
    read = _epochs(counts, digits)
    if isinstance(read, UnreadableTime) or not cells:
        return read
    for form in _DOUBTFUL.get(length, ()):
        if (dates := _dates(cells, form)) is not None:
            readings = f"{dates[0]} or, counted since 1970, {read[0]}"
            return UnreadableTime(0, f"may be {readings}; write it as 2010-12-31 09:30")
    return read


def _dates(cells: list[str], form: str) -> pd.DatetimeIndex | None:
    """The whole column read in one form; None if a cell is not a plausible date in it."""
    times = pd.DatetimeIndex(pd.to_datetime(pd.Index(cells), format=form, errors="coerce"))
    first, last = _DATE_YEARS
    plausible = not times.isna().any() and bool(((times.year >= first) & (times.year <= last)).all())
    return times.as_unit("ns") if plausible else None


def _epochs(counts: list[Decimal], digits: npt.NDArray[np.int64]) -> pd.DatetimeIndex | UnreadableTime:
    """Counts since 1970, all in the unit of the longest, or each in its own unit if the unit changes within
    the column.
    """
    own = np.searchsorted(_MOST, digits)
    whole = int(own.max())
    if digits.max() < _MOST[whole] - 1:
        row = int(np.argmax(digits != digits[0]))
        if row:
            return UnreadableTime(row, "has not as many digits as the first one; write all times in one form")
        reading = f"is no date, and would lie in the early 1970s in {_UNITS[whole][1]} since then"
        return UnreadableTime(0, f"{reading}; write it as 2010-12-31 09:30")
    one = _nanoseconds(counts, np.full(len(counts), whole))
    if (own == whole).all() or (digits < np.array(_MOST)[own] - 1).any():
        return _times(one)  # counts of the early 1970s, which have fewer digits
    each = _nanoseconds(counts, own)
    gap_of_one, gap_of_each = _widest_gap(one), _widest_gap(each)
    if gap_of_one * _CLEAR < gap_of_each:
        return _times(one)
    if gap_of_each * _CLEAR < gap_of_one:
        return _times(each)
    row = int(np.argmax(own != whole))
    readings = f"in {_UNITS[own[row]][1]} or, like others, in {_UNITS[whole][1]}"
    return UnreadableTime(row, f"may be counted {readings}; write all times in one unit")


def _nanoseconds(counts: list[Decimal], places: npt.NDArray[np.int64]) -> list[int]:
    """Nanoseconds since 1970, as Python integers, which do not overflow."""
    return [int(count * 10 ** (9 - 3 * int(place))) for count, place in zip(counts, places, strict=True)]


def _widest_gap(moments: list[int]) -> int:
    return max((abs(late - early) for early, late in pairwise(moments)), default=0)


def _times(moments: list[int]) -> pd.DatetimeIndex | UnreadableTime:
    far = next((row for row, moment in enumerate(moments) if abs(moment) > np.iinfo(np.int64).max), None)
    if far is not None:
        return UnreadableTime(far, OUT_OF_RANGE)
    return pd.DatetimeIndex(np.array(moments, dtype=np.int64).astype("datetime64[ns]"))
