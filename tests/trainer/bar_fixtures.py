"""Made-up bars within the day: of New York, of currencies, and of a market with a lunch break."""

import numpy as np
import pandas as pd

from trainer.data.source import Table

Times = pd.DatetimeIndex


def table_of(times: Times, zone: str | None = None) -> Table:
    """A made-up price at local times; `zone` is theirs."""
    utc, offsets = times, None
    if zone is not None:
        local = times.tz_localize(zone)
        utc = local.tz_convert("UTC").tz_localize(None)
        offsets = (times - utc).total_seconds().to_numpy().astype(np.int64)
    close = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(0).standard_normal(len(times))))
    frame = pd.DataFrame({"Close": close}, index=utc)
    return Table(frame, "bars.csv", "0" * 64, len(utc), np.arange(2, len(utc) + 2), "line", offsets)


def bars(days: Times, first: str, last: str, step: str) -> Times:
    clocks = pd.timedelta_range(first, last, freq=step)
    return Times([day + clock for day in days for clock in clocks])


def new_york(step: str = "5min") -> Times:
    """Bars of the sessions of March to December 2017 in New York, with short days before two holidays."""
    holidays = pd.to_datetime(
        ["2017-04-14", "2017-05-29", "2017-07-04", "2017-09-04", "2017-11-23", "2017-12-25"]
    )
    days = pd.bdate_range("2017-03-06", "2017-12-29").difference(holidays)
    times = bars(days, "9.5h", "15h55min", step)
    short = times.normalize().isin(pd.to_datetime(["2017-07-03", "2017-11-24"])) & (times.hour >= 13)
    return times[~short]


def currencies() -> Times:
    """Hours of UTC of a market that is open from Sunday to Friday, 17:00 in New York."""
    hours = pd.date_range("2017-04-19", "2018-02-07", freq="h", tz="UTC").tz_convert("America/New_York")
    closed = (hours.day_of_week == 5) | ((hours.day_of_week == 4) & (hours.hour >= 17))
    closed |= (hours.day_of_week == 6) & (hours.hour < 17)
    return hours[~closed].tz_convert("UTC").tz_localize(None)


TOKYO = bars(pd.bdate_range("2021-01-04", periods=40), "9h", "11h25min", "5min").union(
    bars(pd.bdate_range("2021-01-04", periods=40), "12.5h", "14h55min", "5min")
)
