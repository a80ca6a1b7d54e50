"""Reading a column of times: one form, one zone, no guessing between day and month."""

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from trainer.config import CsvConfig
from trainer.data.reading.integer_times import UnreadableTime
from trainer.data.reading.time_texts import Times, read_times
from trainer.data.times import format_time


def _read(cells: list[str], **csv: Any) -> Times | UnreadableTime:
    return read_times(pa.array(cells), CsvConfig(**csv))


def _iso(cells: list[str], **csv: Any) -> list[str]:
    read = _read(cells, **csv)
    assert isinstance(read, Times), read
    assert read.times.unit == "ns"
    return [str(time) for time in read.times]


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["2010-12-31"], "2010-12-31 00:00:00"),
        (["20101231"], "2010-12-31 00:00:00"),
        ([" 2010-12-31 ", "2010-12-31 09:30"], "2010-12-31 00:00:00"),
        (["1/4/1999", "1/13/1999"], "1999-01-04 00:00:00"),
        (["4/1/1999", "13/1/1999"], "1999-01-04 00:00:00"),
        (["31.12.2010 09:30"], "2010-12-31 09:30:00"),
        (["31-Dec-2010"], "2010-12-31 00:00:00"),
        (["31-Dec-10"], "2010-12-31 00:00:00"),
        (["Dec 31, 2010"], "2010-12-31 00:00:00"),
        (["31 December 2010"], "2010-12-31 00:00:00"),
        (["2010.12.31 09:30"], "2010-12-31 09:30:00"),
        (["2010/12/31"], "2010-12-31 00:00:00"),
        (["12/31/2010 09:30:00 PM"], "2010-12-31 21:30:00"),
        (["12/31/2010 12:05 AM"], "2010-12-31 00:05:00"),
        (["12/31/2010, 16:00:00"], "2010-12-31 16:00:00"),
        (["31.12.2010 00:00:00.500"], "2010-12-31 00:00:00.500000"),
        (["31.12.2010 00:00:00.000 GMT+0200"], "2010-12-30 22:00:00"),
        (["2010-12-31 09:30 GMT"], "2010-12-31 09:30:00"),
        (["20101231 093000"], "2010-12-31 09:30:00"),
        (["20101231 0930"], "2010-12-31 09:30:00"),
        (["1293753600"], "2010-12-31 00:00:00"),
        (["1293753600000"], "2010-12-31 00:00:00"),
        (["1293753600000000"], "2010-12-31 00:00:00"),
        (["1293753600000000000"], "2010-12-31 00:00:00"),
        (["20170419090000", "20170420090000"], "2017-04-19 09:00:00"),
        (["202001020930", "202001020931"], "2020-01-02 09:30:00"),
        (["20170419.0", "20170420.0"], "2017-04-19 00:00:00"),
        (["20170419090000123"], "2017-04-19 09:00:00.123000"),
        (["1293753600.0", "1293840000.0"], "2010-12-31 00:00:00"),
        (["1.2937536e+18"], "2010-12-31 00:00:00"),
        (["1293753600.5"], "2010-12-31 00:00:00.500000"),
        (["-315619200", "-315532800"], "1960-01-01 00:00:00"),
        (["946684800000", "1000000000000"], "2000-01-01 00:00:00"),
        (["94668480000", "100000000000"], "1972-12-31 16:48:00"),
        (["2010-12-31T01:00:00+01:00", "2010-12-31T01:00:00Z"], "2010-12-31 00:00:00"),
    ],
)
def test_times_are_read_as_naive_utc(cells: list[str], first: str) -> None:
    assert _iso(cells)[0] == first


@pytest.mark.parametrize(
    ("cells", "row", "reason"),
    [
        (["2010-12-31", ""], 1, "is empty"),
        (["2010-12-31", "31/12/2010"], 1, "is not written like the first time, '2010-12-31'"),
        (["1/4/1999", "2010-12-31", "1/14/1999"], 1, "is not written like the first time, '1/4/1999'"),
        (["1/1/1999", "1/2/1999"], 1, "may be day/month or month/day"),
        (["monday"], 0, "is no date that can be read; write it as 2010-12-31"),
        (["1", "2"], 0, "is no date that can be read"),
        (["2010-12-31T00:00:00Z", "2011-01-01T00:00:00"], 1, "has no offset from UTC"),
        (["1293753600", "later"], 1, "is no whole number like the first one"),
        (["12937536000000000000"], 0, "has too many digits"),
        (["20170419250000"], 0, "is no date, and would lie in the early 1970s in microseconds"),
        (["20170419090000", "2017041909"], 1, "has not as many digits as the first one"),
        (["2401020930", "2401020931"], 0, "may be 2024-01-02 09:30:00 or, counted since 1970, 2046-01-31"),
        (["2017041909"], 0, "may be 2017-04-19 09:00:00 or, counted since 1970, 2033-12-01"),
        (["240102093000"], 0, "may be 2024-01-02 09:30:00 or, counted since 1970, 1977-08-10"),
        (["1700000000", "1000000000000"], 0, "may be counted in seconds or, like others, in milliseconds"),
        (["1000-01-01"], 0, "lies outside the years 1678 to 2261"),
    ],
)
def test_a_time_that_cannot_be_read_is_told_with_row_and_reason(
    cells: list[str], row: int, reason: str
) -> None:
    times = _read(cells)
    assert isinstance(times, UnreadableTime)
    assert times.row == row
    assert reason in times.reason


def test_counts_whose_unit_changes_within_a_column_are_read_row_by_row() -> None:
    days = pd.date_range("2024-12-29", periods=6, tz="UTC")
    cells = [str(int(day.timestamp()) * (10**3 if day.year < 2025 else 10**6)) for day in days]
    assert _iso(cells) == [str(day.tz_localize(None)) for day in days]


def test_the_stated_form_or_order_of_the_day_decides() -> None:
    assert _iso(["1/2/1999", "2/2/1999"], day_first=True)[0] == "1999-02-01 00:00:00"
    assert _iso(["1/2/1999", "2/2/1999"], day_first=False)[0] == "1999-01-02 00:00:00"
    assert _iso(["99|02|01"], date_format="%y|%m|%d") == ["1999-02-01 00:00:00"]
    assert _iso(["2017041909"], date_format="%Y%m%d%H") == ["2017-04-19 09:00:00"]
    read = _read(["99|02|01", "1999-02-01"], date_format="%y|%m|%d")
    assert isinstance(read, UnreadableTime)
    assert read.row == 1


def test_offsets_are_those_of_each_row_and_none_where_none_is_written() -> None:
    read = _read(["2023-03-10T16:00-05:00", "2023-03-13 16:00:00 -0400", "2023-03-13T20:00Z"])
    assert isinstance(read, Times)
    assert read.offsets is not None
    assert read.offsets.tolist() == [-5 * 3600, -4 * 3600, 0]
    assert [str(time) for time in read.times][:2] == ["2023-03-10 21:00:00", "2023-03-13 20:00:00"]
    naive = _read(["2023-03-10", "2023-03-11"])
    assert isinstance(naive, Times)
    assert naive.offsets is None
    assert format_time("2023-05-31 15:00", 9 * 3600) == "2023-06-01 00:00:00+09:00"
    assert format_time("2023-05-31 15:00", None) == "2023-05-31 15:00:00"


def test_counts_since_1970_are_in_utc_and_compact_dates_on_the_clock_of_the_source() -> None:
    counts, dates = _read(["1704153600", "1704157200"]), _read(["20240102000000", "20240102010000"])
    assert isinstance(counts, Times)
    assert isinstance(dates, Times)
    assert counts.offsets is not None
    assert counts.offsets.tolist() == [0, 0]
    assert dates.offsets is None


@pytest.mark.parametrize(
    ("cells", "name", "zone"),
    [
        (["2024-01-01 09:30 EST", "2024-07-01 09:30 EDT"], "EST", "America/New_York"),
        (["2024-01-01 09:30 ET"], "ET", "America/New_York"),
        (["2024-01-01 09:30:00 CET"], "CET", "Europe/Berlin"),
        (["01/31/2024 9:30 AM CST"], "CST", "America/Chicago"),
        (["2024-01-01 09:30:00.500 (JST)"], "JST", "Asia/Tokyo"),
        (["2024-01-01T09:30 bst"], "bst", "Europe/London"),
        (["2024-01-01 09:30 Europe/Zurich"], "Europe/Zurich", "Europe/Zurich"),
        (["2024-01-01 09:30[Asia/Tokyo]"], "Asia/Tokyo", "Asia/Tokyo"),
    ],
)
def test_the_name_of_a_zone_after_a_time_is_refused_with_the_zone_to_set(
    cells: list[str], name: str, zone: str
) -> None:
    assert _read(cells) == UnreadableTime(
        0,
        f"ends in {name!r}, the name of a zone, which is not read in a time; remove it from all times, and "
        f"set data.timezone: {zone}",
    )


def test_an_unknown_name_after_a_time_is_refused_with_an_example_of_a_zone() -> None:
    read = _read(["2024-01-01 09:30 XYZT"])
    assert isinstance(read, UnreadableTime)
    assert read.reason.endswith("set data.timezone to its zone, such as America/New_York")
