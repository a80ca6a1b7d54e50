"""Reads times that are written as numbers: compact dates such as 20170419090000, or counts since 1970.

The whole column is read in one form. Compact dates are tried first: counts that look like dates in every row
are very rare, and would lie in the 1970s. A column that fits two forms is refused.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_PLAIN = r"^\d{1,18}$"
_COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S", 17: "%Y%m%d%H%M%S%f"}
"""Form of a compact date by its number of digits. Read as a count since 1970, each lies before 1977."""
_DOUBTFUL = {10: ("%Y%m%d%H", "%y%m%d%H%M"), 12: ("%y%m%d%H%M%S",)}
"""Compact dates by number of digits that a count since 1970 may be mistaken for."""
_DATE_YEARS = (1800, 2199)
_UNITS = ((10, "seconds"), (13, "milliseconds"), (16, "microseconds"), (19, "nanoseconds"))
"""Digits of a count in the years 2001 to 2286, and its unit; one digit less reaches back to 1973."""
_MOST = [most for most, _ in _UNITS]
OUT_OF_RANGE = "lies outside the years 1678 to 2261"
_FEWEST_DIGITS = 8
"""Digits that a time in scientific notation has at least: midnight in milliseconds has as many, 1.7041536E12.
"""
_SERIAL = re.compile(r"[2-7]\d{4}(\.\d*)?")
"""Day numbers of spreadsheets in the years 1954 to 2119."""
_CLEAR = 10.0
"""A reading is dropped if its widest gap between neighbours is this many times wider than the other's."""

_Counts = npt.NDArray[Any]
"""Whole numbers: int64, or Python's own integers or decimals, which do not overflow."""


@dataclass(frozen=True)
class UnreadableTime:
    """The first cell that cannot be read as a time (`row` is 0-based), and why."""

    row: int
    reason: str


def is_number(text: str) -> bool:
    """Whether a cell is a number: digits with an optional sign, point and exponent."""
    return bool(_NUMBER.fullmatch(text))


def serial_date(text: str) -> str:
    """What a cell is as a day number of a spreadsheet, as a clause; empty if it is none."""
    if not _SERIAL.fullmatch(text):
        return ""
    day = pd.Timestamp("1899-12-30") + pd.Timedelta(days=int(float(text)))
    return f" (a day number of a spreadsheet, {day.date()}?)"


def read_integer_times(texts: pa.Array) -> tuple[pd.DatetimeIndex, str] | UnreadableTime:
    """Times of the cells, as naive UTC in nanoseconds, and the form that they are written in.

    The first cell must be a number that has more than eight digits or is not whole.
    """
    if bool(pc.all(pc.match_substring_regex(texts, _PLAIN)).as_py()):
        counts: _Counts = pc.cast(texts, pa.int64()).to_numpy(zero_copy_only=False)
        digits = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
        is_alike = bool((digits == digits[0]).all()) and texts[0].as_py()[0] != "0"
    else:
        cells = texts.to_pylist()
        wrong = next((row for row, text in enumerate(cells) if not is_number(text)), None)
        if wrong is not None:
            return UnreadableTime(wrong, "is no whole number like the first one")
        counts = np.array([Decimal(text) for text in cells], dtype=object)
        rounded = next((row for row, text in enumerate(cells) if "e" in text.casefold()), None)
        most = max(len(count.normalize().as_tuple().digits) for count in counts)
        if rounded is not None and most < _FEWEST_DIGITS:
            return UnreadableTime(rounded, f"is rounded to {most} digits; write the times in full")
        digits = np.array([len(str(abs(int(count)))) for count in counts])
        # A fraction, a sign or a varying number of digits occurs in counts only.
        is_alike = bool((digits == digits[0]).all()) and all(count == int(count) >= 0 for count in counts)
    length = int(digits.max())
    if length > _MOST[-1]:
        return UnreadableTime(int(digits.argmax()), "has too many digits for an epoch time")
    plain = [str(int(count)) for count in counts] if is_alike and length in {*_COMPACT, *_DOUBTFUL} else []
    if plain and length in _COMPACT and (dates := _dates(plain, _COMPACT[length])) is not None:
        return dates, _COMPACT[length]
    read = _epochs(counts, digits)
    if isinstance(read, UnreadableTime) or not plain:
        return read
    for form in _DOUBTFUL.get(length, ()):
        if (dates := _dates(plain, form)) is not None:
            readings = f"{dates[0]} or, counted since 1970, {read[0][0]}"
            return UnreadableTime(
                0, f"may be {readings}; set data.csv.date_format, or write it as 2010-12-31 09:30"
            )
    return read


def _dates(cells: list[str], form: str) -> pd.DatetimeIndex | None:
    """The whole column read in one form; None if a cell is not a plausible date in it."""
    first = pd.to_datetime(pd.Index(cells[:1]), format=form, errors="coerce")
    if first.isna()[0]:
        return None
    times = pd.DatetimeIndex(pd.to_datetime(pd.Index(cells), format=form, errors="coerce"))
    early, late = _DATE_YEARS
    plausible = not times.isna().any() and bool(((times.year >= early) & (times.year <= late)).all())
    return times.as_unit("ns") if plausible else None


def _epochs(counts: _Counts, digits: npt.NDArray[np.int64]) -> tuple[pd.DatetimeIndex, str] | UnreadableTime:
    """Counts since 1970, all in the unit of the longest, or each in its own unit if the unit changes within
    the column.
    """
    own = np.searchsorted(_MOST, digits)
    whole = int(own.max())
    if digits.max() < _MOST[whole] - 1:
        row = int(np.argmax(digits != digits[0]))
        if row:
            return UnreadableTime(row, "has not as many digits as the first one; write all times in one form")
        serial = serial_date(str(counts[0]))
        reading = f"is no date{serial}, and would lie in the early 1970s in {_UNITS[whole][1]} since then"
        return UnreadableTime(0, f"{reading}; write it as 2010-12-31 09:30")
    one = _nanoseconds(counts, np.full(len(counts), whole))
    in_one = f"{_UNITS[whole][1]} since 1970"
    if (own == whole).all() or (digits < np.array(_MOST)[own] - 1).any():
        return _times(one, in_one)  # counts of the early 1970s, which have fewer digits
    each = _nanoseconds(counts, own)
    gap_of_one, gap_of_each = _widest_gap(one), _widest_gap(each)
    if gap_of_one * _CLEAR < gap_of_each:
        return _times(one, in_one)
    if gap_of_each * _CLEAR < gap_of_one:
        return _times(each, "each row counts since 1970 in the unit that its digits show")
    row = int(np.argmax(own != whole))
    readings = f"in {_UNITS[own[row]][1]} or, like others, in {_UNITS[whole][1]}"
    return UnreadableTime(row, f"may be counted {readings}; write all times in one unit")


def _nanoseconds(counts: _Counts, places: npt.NDArray[np.int64]) -> _Counts:
    """Nanoseconds since 1970: int64 if they all fit, else Python integers, which do not overflow."""
    factors = 10 ** (9 - 3 * places.astype(np.int64))
    if counts.dtype == np.int64 and (np.abs(counts.astype(np.float64)) * factors < 9.2e18).all():
        return counts * factors
    exact = counts.astype(object) * factors.astype(object)
    return np.array([int(moment) for moment in exact], dtype=object)


def _widest_gap(moments: _Counts) -> int:
    return int(np.abs(np.diff(moments)).max()) if len(moments) > 1 else 0


def _times(moments: _Counts, form: str) -> tuple[pd.DatetimeIndex, str] | UnreadableTime:
    far = np.flatnonzero(np.abs(moments) > np.iinfo(np.int64).max)
    if len(far):
        return UnreadableTime(int(far[0]), OUT_OF_RANGE)
    return pd.DatetimeIndex(moments.astype(np.int64).astype("datetime64[ns]")), form
