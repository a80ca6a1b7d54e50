"""Reads the cells of a time column: ISO 8601, common written dates, or integers counted since 1970."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

_DATES = ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%b-%Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S")
_OFFSET = re.compile(r":\d\d[\d.]*\s*(Z|UTC|[+-]\d\d(:?\d\d)?)$")
_EPOCH_DIGITS = (("s", 10), ("ms", 13), ("us", 16), ("ns", 19))
"""Most digits of an epoch time in each unit before the year 2286; a plain date such as 20101231 has eight."""
_FAR = "lies outside the years 1678 to 2261"


@dataclass(frozen=True)
class UnreadableTime:
    """The first cell that is no time (`row` is 0-based), and why."""

    row: int
    reason: str


def read_times(cells: Sequence[str]) -> pd.DatetimeIndex | UnreadableTime:
    """Times of all cells, as naive UTC in nanoseconds; at least one cell.

    Offsets may differ from row to row (New York's change twice a year): each still names one instant. A mix
    of times with and without an offset does not, and is unreadable, as is a date whose day and month cannot
    be told apart in any row.
    """
    texts = [cell.strip() for cell in cells]
    empty = next((row for row, text in enumerate(texts) if not text), None)
    if empty is not None:
        return UnreadableTime(empty, "is empty")
    if texts[0].isdecimal() and len(texts[0]) > 8:
        return _epochs(texts)
    aware = [bool(_OFFSET.search(text)) for text in texts]
    if any(aware) and not all(aware):
        return UnreadableTime(
            aware.index(not aware[0]), "has no offset from UTC like the others, or alone has one"
        )
    return _written(texts)


def _epochs(texts: list[str]) -> pd.DatetimeIndex | UnreadableTime:
    wrong = next((row for row, text in enumerate(texts) if not text.isdecimal()), None)
    if wrong is not None:
        return UnreadableTime(wrong, "is no whole number like the first one")
    longest = max(len(text) for text in texts)
    unit = next((unit for unit, digits in _EPOCH_DIGITS if longest <= digits), None)
    if unit is None:
        return UnreadableTime(
            [len(text) for text in texts].index(longest), "has too many digits for an epoch time"
        )
    counts = [int(text) for text in texts]
    if max(counts) > np.iinfo(np.int64).max:
        return UnreadableTime(counts.index(max(counts)), _FAR)
    return _nanoseconds(pd.DatetimeIndex(np.array(counts, dtype=np.int64).astype(f"datetime64[{unit}]")))


def _written(texts: list[str]) -> pd.DatetimeIndex | UnreadableTime:
    """Reads the texts in the one form that the first of them has."""
    readings = {"ISO8601": _parse(texts, "ISO8601")}
    if readings["ISO8601"].isna()[0]:
        forms = [date + clock for date in _DATES for clock in _CLOCKS]
        fitting = [form for form in forms if not _parse(texts[:1], form).isna()[0]]
        readings = {form: _parse(texts, form) for form in fitting}
    if not readings:
        return UnreadableTime(0, "is no date that can be read; write it as 2010-12-31")
    whole = [times for times in readings.values() if not times.isna().any()]
    if len(whole) > 1 and not whole[0].equals(whole[1]):
        row = int(np.argmax(whole[0] != whole[1]))
        return UnreadableTime(row, "may be day/month or month/day; write it as 2010-12-31")
    times = max(readings.values(), key=lambda reading: np.count_nonzero(reading.notna()))
    if times.isna().any():
        row = int(np.argmax(times.isna()))
        return UnreadableTime(
            row, f"is not written like the first time, {texts[0]!r}; write all as 2010-12-31"
        )
    return _nanoseconds(times)


def _parse(texts: list[str], form: str) -> pd.DatetimeIndex:
    times = pd.to_datetime(pd.Index(texts), format=form, errors="coerce", utc=True)
    return pd.DatetimeIndex(times).tz_localize(None)


def _nanoseconds(times: pd.DatetimeIndex) -> pd.DatetimeIndex | UnreadableTime:
    years = times.year
    far = (years < 1678) | (years > 2261)
    if far.any():
        return UnreadableTime(int(np.argmax(far)), _FAR)
    return times.as_unit("ns")
