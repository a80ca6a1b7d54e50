"""Reads the texts of a time column: ISO 8601, common date formats, compact dates, or counts since 1970.

The whole column is read in one form. A form that another form contradicts is refused with both readings.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from trainer.config import CsvConfig
from trainer.data.reading.integer_times import (
    OUT_OF_RANGE,
    UnreadableTime,
    is_number,
    read_integer_times,
    serial_date,
)
from trainer.data.reading.zone_names import zone_of_name

_DATES = (
    *("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y", "%Y.%m.%d", "%Y/%m/%d", "%Y%m%d"),
    *("%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%b %d %Y", "%B %d, %Y", "%d %B %Y", "%Y-%m-%d"),
    *("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%m-%d-%y", "%d-%m-%y", "%d-%b-%y"),
    *("%y/%m/%d", "%y.%m.%d", "%y-%m-%d"),
)
_CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M", "T%H:%M:%S", ", %H:%M", ", %H:%M:%S"),
    *(" %I:%M %p", " %I:%M:%S %p", " %I:%M%p", " %I:%M:%S%p", " %H%M%S", " %H%M"),
)
_OFFSET = (
    r"^(?P<clock>.*:\d\d[\d.]*(?: ?[AaPp][Mm])?)\s*(?P<offset>Z|(?:UTC|GMT)?[+-]\d\d(?::?\d\d)?|UTC|GMT)$"
)
_NAMED_ZONE = (
    r":\d\d[\d.]*(?: ?[AaPp][Mm])? ?[(\[]?(?P<name>[A-Za-z]{2,5}|[A-Za-z]+(?:/[A-Za-z_+\-\d]+)+)[)\]]?$"
)
ISO = "ISO 8601"
_CLEAR = 10
"""A reading whose widest gap is this many times wider than another's has the year in the wrong place."""
_FIXED_WIDTHS = {"%Y%m%d": r"^\d{8}(?:\D|$)", "%H%M%S": r"(?:^|\D)\d{6}$", "%H%M": r"(?:^|\D)\d{4}$"}
"""Digits without marks between them, which can be told apart only if none is missing."""
_TRIED_ROWS = 1000
"""Rows on which every form is tried first, before those that fit are tried on the whole column."""


_Read = tuple[pd.DatetimeIndex, str]
"""Times, and the form that they are written in."""


@dataclass(frozen=True)
class Times:
    """Moments in nanoseconds. With `offsets` (seconds from UTC to the clock of each row) they are in UTC;
    without (None) they are what the clock of the source shows."""

    times: pd.DatetimeIndex
    offsets: npt.NDArray[np.int64] | None
    form: str = ISO
    """How they are written: in codes of strptime, in ISO 8601, or as counts since 1970."""


def read_times(column: pa.Array, config: CsvConfig) -> Times | UnreadableTime:
    """The times of a column of texts with at least one row.

    Offsets may differ from row to row, as New York's do twice a year. A column that mixes times with and
    without an offset is unreadable, and so is one in which no row shows which number is the day and which the
    month.
    """
    fast = _iso(column) if config.date_format is None and not column.null_count else None
    if fast is not None:
        return Times(fast, None)
    texts = pc.fill_null(pc.utf8_trim_whitespace(column), "")
    texts = pc.replace_substring_regex(texts, r"(?i) ?\b([ap])\.m\.?$", r" \1m")
    if empty := _first(pc.equal(texts, "")):
        return UnreadableTime(empty - 1, "is empty")
    first = texts[0].as_py()
    if config.date_format is None and is_number(first) and not (first.isdecimal() and len(first) <= 8):
        return _number_times(read_integer_times(texts))
    if config.date_format is None and (named := _named_zone(first)):
        return UnreadableTime(0, named)
    split = pc.extract_regex(texts, _OFFSET)
    has_offset = split.is_valid()
    if not bool(pc.any(has_offset).as_py()):
        return _clock_times(_written(texts, config))
    if other := _first(pc.not_equal(has_offset, has_offset[0])):
        return UnreadableTime(other - 1, "has no offset from UTC like the others, or alone has one")
    read = _written(pc.utf8_rtrim_whitespace(pc.struct_field(split, 0)), config)
    if isinstance(read, UnreadableTime):
        return read
    offsets = _seconds(pc.struct_field(split, 1))
    times, form = read
    return Times(times - pd.to_timedelta(offsets, unit="s").as_unit("ns"), offsets, form)


def _named_zone(text: str) -> str:
    """Why a time with the name of a zone behind it is not read; empty for other texts."""
    found = re.search(_NAMED_ZONE, text)
    if found is None or found["name"].upper() in ("AM", "PM", "UTC", "GMT"):
        return ""
    zone = zone_of_name(found["name"])
    told = f"set data.timezone: {zone}" if zone else "set data.timezone to its zone, such as America/New_York"
    return (
        f"ends in {found['name']!r}, the name of a zone, which is not read in a time; remove it from all "
        f"times, and {told}"
    )


def _first(mask: pa.Array) -> int:
    """The number of the first true row, from 1; 0 if there is none."""
    return int(pc.index(mask, True).as_py()) + 1


def _clock_times(read: _Read | UnreadableTime) -> Times | UnreadableTime:
    return read if isinstance(read, UnreadableTime) else Times(read[0], None, read[1])


def _number_times(read: _Read | UnreadableTime) -> Times | UnreadableTime:
    """Times of numbers: counts since 1970 are in UTC, compact dates on the clock of the source."""
    if isinstance(read, UnreadableTime):
        return read
    times, form = read
    return Times(times, np.zeros(len(times), np.int64) if "since 1970" in form else None, form)


def _seconds(offsets: pa.Array) -> npt.NDArray[np.int64]:
    """Seconds of offsets that are written as `Z`, `UTC`, `GMT+0900`, `+09`, `+0900` or `+09:00`."""
    encoded = offsets.dictionary_encode()
    each = np.array([_offset_seconds(text) for text in encoded.dictionary.to_pylist()], dtype=np.int64)
    seconds: npt.NDArray[np.int64] = each[encoded.indices.to_numpy()]
    return seconds


def _offset_seconds(offset: str) -> int:
    digits = re.sub(r"[^+\-\d]", "", offset)
    if not digits:
        return 0
    hours, minutes = int(digits[1:3]), int(digits[3:5] or 0)
    seconds = 3600 * hours + 60 * minutes
    return -seconds if digits[0] == "-" else seconds


def _written(texts: pa.Array, config: CsvConfig) -> _Read | UnreadableTime:
    """All texts in the format that is stated, in ISO 8601, or in the format of the first one."""
    if config.date_format is not None:
        # The offset is already cut off the texts.
        return _in_format(texts, re.sub(r"\s*%[zZ]$", "", config.date_format))
    fast = _iso(texts)
    return (fast, ISO) if fast is not None else _in_some_format(texts.to_pylist(), config.day_first)


def _iso(texts: pa.Array) -> pd.DatetimeIndex | None:
    """Times in ISO 8601 without an offset, the fast way; None also for some that can be read otherwise."""
    try:
        return pd.DatetimeIndex(pc.cast(texts, pa.timestamp("ns")).to_numpy(zero_copy_only=False))
    except pa.ArrowException:
        return None


def _in_format(texts: pa.Array, form: str) -> _Read | UnreadableTime:
    cells = texts.to_pylist()
    times = _parse(cells, form)
    if times.isna().any():
        return UnreadableTime(
            int(np.argmax(times.isna())), f"is not written as data.csv.date_format {form!r}; correct either"
        )
    return _nanoseconds(times, form)


def _in_some_format(texts: list[str], day_first: bool | None) -> _Read | UnreadableTime:
    readings = _readings(texts, day_first)
    if not readings:
        return UnreadableTime(
            0,
            f"is no date that can be read{serial_date(texts[0])}; write it as 2010-12-31, or give its form "
            "in data.csv.date_format",
        )
    whole = _years_in_place({form: times for form, times in readings.items() if not times.isna().any()})
    if doubtful := _two_readings(whole):
        return doubtful
    readings = whole or readings
    form, times = max(readings.items(), key=lambda reading: _count(reading[1]))
    if times.isna().any():
        row = int(np.argmax(times.isna()))
        return UnreadableTime(
            row, f"is not written like the first time, {texts[0]!r}; write all as 2010-12-31"
        )
    return _nanoseconds(times, form)


def _two_readings(whole: Mapping[str, pd.DatetimeIndex]) -> UnreadableTime | None:
    """The first time that the forms, in which the whole column can be read, read differently."""
    forms = list(whole)
    other = next((form for form in forms[1:] if not whole[form].equals(whole[forms[0]])), None)
    if other is None:
        return None
    one, two = whole[forms[0]], whole[other]
    row = int(np.argmax(one != two))
    if _year_is_first(other) != _year_is_first(forms[0]):
        told = f"may be {one[row].date()} or {two[row].date()}; set data.csv.date_format: {forms[0]!r} or "
        return UnreadableTime(row, f"{told}{other!r}")
    return UnreadableTime(
        row,
        f"may be day/month or month/day, {one[row].date()} or {two[row].date()}; set "
        "data.csv.day_first, or write it as 2010-12-31",
    )


def _years_in_place(whole: dict[str, pd.DatetimeIndex]) -> dict[str, pd.DatetimeIndex]:
    """The readings without those that take a day for the year: their gaps are years instead of days."""
    gaps = {form: np.abs(np.diff(times.as_unit("s").asi8)).max(initial=0) for form, times in whole.items()}
    return {
        form: times
        for form, times in whole.items()
        if not any(
            _year_is_first(other) != _year_is_first(form) and gaps[other] * _CLEAR < gaps[form]
            for other in whole
        )
    }


def _year_is_first(form: str) -> bool:
    return form[:2].lower() == "%y"


def _readings(texts: list[str], day_first: bool | None) -> Mapping[str, pd.DatetimeIndex]:
    """The column in ISO 8601 if the first text is, else in each form that most of its first rows have."""
    if not _parse(texts[:1], "ISO8601").isna()[0]:
        return {ISO: _parse(texts, "ISO8601")}
    forms = [date + clock for date in _DATES for clock in _CLOCKS if _keeps(date, day_first)]
    forms = [form for form in forms if not _parse(texts[:1], form).isna()[0]]
    head = {form: _count(_parse(texts[:_TRIED_ROWS], form)) for form in forms}
    most = max(head.values(), default=0)
    return {form: _parse(texts, form) for form, count in head.items() if count == most}


def _count(times: pd.DatetimeIndex) -> int:
    """How many texts were read."""
    return int(np.count_nonzero(times.notna()))


def _keeps(date: str, day_first: bool | None) -> bool:
    """Whether a form of dates has the day where `day_first` says; forms in which nobody errs are kept."""
    if day_first is not None and date.startswith("%y"):
        return False
    return day_first is None or not re.match(r"%[md][/\-]%[md]", date) or date.startswith("%d") == day_first


def _parse(texts: list[str], form: str) -> pd.DatetimeIndex:
    index = pd.Index(texts)
    times = pd.DatetimeIndex(pd.to_datetime(index, format=form, errors="coerce", utc=True)).tz_localize(None)
    for codes, width in _FIXED_WIDTHS.items():
        if form.endswith(codes) or (codes == "%Y%m%d" and form.startswith(codes) and form[6:7] != "%"):
            times = pd.DatetimeIndex(times.where(index.str.contains(width)))
    return times


def _nanoseconds(times: pd.DatetimeIndex, form: str) -> _Read | UnreadableTime:
    years = times.year
    far = (years < 1678) | (years > 2261)
    if far.any():
        return UnreadableTime(int(np.argmax(far)), OUT_OF_RANGE)
    return times.as_unit("ns"), form
