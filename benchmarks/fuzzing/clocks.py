"""Tables whose times are written in every way that is read, and dates that a study may be split at."""

import io
from functools import cache

import numpy as np
import pandas as pd

ROWS = 200
CLOCKS = ("dates", "naive", "utc", "offset", "two offsets", "seconds", "milliseconds", "compact")
MOMENTS = (
    "2001-06-01", "2001-08-01", "2001-08-01T12:00", "2001-06-01 09:30:00", "2001-06-01T00:00:00Z",
    "2001-08-01T00:00+09:00",
    "2001-08-01T00:00:00-11:30", "2001-08-01T00:00:00.123456", "20010601", "20010801T0000", "2001-W31-3",
    "2001-W31",
    "2001W31T12", "0001-01-01", "9999-12-31", "0001-01-01T00:00+09:00", "9999-12-31T23:59-05:00",
    "2001-08-32", "2001-08",
    "996624000", 996624000, 20010801, "noon", "", "2001-08-01T24:00", " 2001-08-01", "2001-08-01T00:00+25:00",
)  # fmt: skip
"""Dates, moments on a clock or with an offset, compact ones, those at the ends of the calendar, and none."""


def prices(rows: int = ROWS) -> pd.DataFrame:
    """Daily prices without times; the same ones each time."""
    random = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, rows)))
    spread = np.exp(np.abs(random.normal(0, 0.01, (2, rows))) + 1e-4)
    return pd.DataFrame({"Close": close, "High": close * spread[0], "Low": close / spread[1]})


@cache
def table_on(clock: str) -> bytes:
    """The prices as CSV, with the column `Date` on a clock of CLOCKS."""
    times = pd.bdate_range("2001-01-01", periods=ROWS)
    frame = prices()
    frame.insert(0, "Date", _written(times, clock))
    text = io.StringIO()
    frame.to_csv(text, index=False)
    return text.getvalue().encode()


def _written(times: pd.DatetimeIndex, clock: str) -> list[str]:
    match clock:
        case "naive":
            return [str(time) for time in times]
        case "utc":
            return [f"{time.isoformat()}Z" for time in times]
        case "offset":
            return [f"{time.isoformat()}+09:00" for time in times]
        case "two offsets":
            return [str(time) for time in times.tz_localize("America/New_York")]
        case "seconds":
            return [str(int(time.timestamp())) for time in times]
        case "milliseconds":
            return [str(int(time.timestamp() * 1000)) for time in times]
        case "compact":
            return [f"{time:%Y%m%d}" for time in times]
    return [f"{time:%Y-%m-%d}" for time in times]
