"""Reading a column of times: one form, one zone, no guessing between day and month."""

import pandas as pd
import pytest

from trainer.data.times import UnreadableTime, read_times


def _iso(cells: list[str]) -> list[str]:
    times = read_times(cells)
    assert isinstance(times, pd.DatetimeIndex), times
    assert times.unit == "ns"
    return [str(time) for time in times]


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
        (["1293753600"], "2010-12-31 00:00:00"),
        (["1293753600000"], "2010-12-31 00:00:00"),
        (["1293753600000000"], "2010-12-31 00:00:00"),
        (["1293753600000000000"], "2010-12-31 00:00:00"),
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
        (["1000-01-01"], 0, "lies outside the years 1678 to 2261"),
    ],
)
def test_a_time_that_cannot_be_read_is_told_with_row_and_reason(
    cells: list[str], row: int, reason: str
) -> None:
    times = read_times(cells)
    assert isinstance(times, UnreadableTime)
    assert times.row == row
    assert reason in times.reason
