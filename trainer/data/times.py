"""Reads the cells of a time column: ISO 8601, common date formats, compact dates, or counts since 1970."""

import re
from collections.abc import Sequence
from datetime import timedelta, timezone

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.data.integer_times import OUT_OF_RANGE, UnreadableTime, is_number, read_integer_times

__all__ = ["UnreadableTime", "format_time", "offsets_of", "read_times"]

_DATES = ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%b-%Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S")
_OFFSET = re.compile(r":\d\d[\d.]*\s*(Z|UTC|[+-]\d\d(:?\d\d)?)$")


def read_times(cells: Sequence[str]) -> pd.DatetimeIndex | UnreadableTime:
    """Times of all cells, as naive UTC in nanoseconds; at least one cell.

    Offsets may differ from row to row, as New York's do twice a year. A column is unreadable if it mixes
    times with and without an offset, or if no row shows which number is the day and which the month.
    """
    texts = [cell.strip() for cell in cells]
    empty = next((row for row, text in enumerate(texts) if not text), None)
    if empty is not None:
        return UnreadableTime(empty, "is empty")
    if is_number(texts[0]) and not (texts[0].isdecimal() and len(texts[0]) <= 8):
        return read_integer_times(texts)
    aware = [bool(_OFFSET.search(text)) for text in texts]
    if any(aware) and not all(aware):
        return UnreadableTime(
            aware.index(not aware[0]), "has no offset from UTC like the others, or alone has one"
        )
    return _written(texts)


def offsets_of(cells: Sequence[str]) -> npt.NDArray[np.int64] | None:
    """Seconds from UTC to the clock that each cell is written in; None if all are naive or in UTC."""
    found = [_OFFSET.search(cell.strip()) for cell in cells]
    offsets = np.array([0 if match is None else _seconds(match.group(1)) for match in found], dtype=np.int64)
    return offsets if offsets.any() else None


def _seconds(offset: str) -> int:
    """Seconds of an offset that is written as `Z`, `UTC`, `+09`, `+0900` or `+09:00`."""
    if offset in ("Z", "UTC"):
        return 0
    digits = offset[1:].replace(":", "").ljust(4, "0")
    seconds = 3600 * int(digits[:2]) + 60 * int(digits[2:])
    return -seconds if offset[0] == "-" else seconds


def format_time(moment: object, offset: int | None) -> str:
    """A naive UTC time, shown on a clock `offset` seconds from UTC: `2023-06-01 00:00:00+09:00`.

    Without an offset (None) the time is shown as it is.
    """
    stamp = pd.Timestamp(moment)  # type: ignore[arg-type]  # any time of numpy or pandas
    if offset is None:
        return str(stamp)
    return str(stamp.tz_localize("UTC").tz_convert(timezone(timedelta(seconds=offset))))


def _written(texts: list[str]) -> pd.DatetimeIndex | UnreadableTime:
    """Reads all texts in the format of the first one."""
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
        return UnreadableTime(int(np.argmax(far)), OUT_OF_RANGE)
    return times.as_unit("ns")
