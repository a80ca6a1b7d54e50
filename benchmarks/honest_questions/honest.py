"""Honest kinds of data: nothing in their columns is later than its row. One function a kind, by its name."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.honest_questions.hosts import level_study, real, return_study, volatility_study
from benchmarks.honest_questions.simulate import (
    ROWS,
    ar,
    bars,
    before,
    days,
    fat,
    garch,
    har,
    hours,
    normal,
    prices,
    switching,
    weeks,
)
from benchmarks.leaks.leak import Random, floats, moved, rolling
from benchmarks.leaks.studies import Floats, Study

WEEKS = 1600
"""Thirty years."""


def _returns(name: str, draw: Callable[[Random], Floats], random: Random, horizon: int) -> Study:
    return return_study(name, prices(draw(random)), horizon)


def drift(random: Random) -> Floats:
    """A random walk that rises by 10 % a year."""
    return 0.04 + normal(random)


def illiquid(random: Random) -> Floats:
    """A stock that is traded seldom: its return follows the last one (Lo and MacKinlay 1990)."""
    return ar(random, 0.25)


def bounce(random: Random) -> Floats:
    """Trades at bid and ask by turns: returns of MA(1) −0.2 (Roll 1984)."""
    noise = normal(random)
    return noise - 0.2 * before(noise)


def driver(random: Random, horizon: int) -> Study:
    """Another series foretells the next return with an R² of 0.03."""
    told, noise = normal(random), normal(random)
    frame = prices(np.sqrt(0.03) * before(told) + np.sqrt(0.97) * noise).assign(driver=told)
    return return_study("a driver that leads by a day", frame, horizon, "driver")


def momentum(random: Random, horizon: int) -> Study:
    """The mean return wanders slowly and makes up 0.3 % of the variance."""
    mean = ar(random, 0.98)
    returns = np.sqrt(0.003) * before(mean) + np.sqrt(0.997) * normal(random)
    frame = prices(returns)
    frame["year"] = frame["Close"] / frame["Close"].shift(250) - 1
    return return_study("momentum", frame.dropna().reset_index(drop=True), horizon, "year")


def session(random: Random, horizon: int, *, later: bool) -> Study:
    """Tokyo and New York on rows of one date: New York closes after Tokyo, which answers on the next day.

    `later`: the target is Tokyo's. Else it is New York's, and Tokyo has followed the day before.
    """
    new_york, own = fat(random), fat(random)
    tokyo = 0.35 * before(new_york) + np.sqrt(1 - 0.35**2) * own
    if later:
        return return_study(
            "Tokyo after New York", prices(tokyo).assign(new_york=new_york), horizon, "new_york"
        )
    return return_study("New York after Tokyo", prices(new_york).assign(tokyo=tokyo), horizon, "tokyo")


def same_session(random: Random, horizon: int) -> Study:
    """Two markets of one session: their returns of a day correlate by 0.6, and neither leads."""
    common, one, other = normal(random), normal(random), normal(random)
    frame = prices(0.77 * common + 0.64 * one).assign(other=0.77 * common + 0.64 * other)
    return return_study("two markets of one session", frame, horizon, "other")


def gaps(random: Random, horizon: int) -> Study:
    """The return of the night and that of the day, which takes back a little of it."""
    night = 0.6 * fat(random)
    day = -0.05 * night + 0.8 * garch(random)
    frame = prices(night + day).assign(gap=night, day=day)
    return return_study("gaps over night", frame, horizon, "gap", "day")


def weekday(random: Random, horizon: int) -> Study:
    """Returns are lower on Mondays; tomorrow's weekday is known today."""
    dates = days()
    mondays = (dates.day_of_week == 0).astype(np.float64)
    frame = prices(normal(random) - 0.25 * mondays, dates).assign(monday=moved(mondays, -1))
    return return_study("the weekday of tomorrow", frame.dropna(), horizon, "monday")


def valuation(random: Random, horizon: int) -> Study:
    """A price that comes back to a value which everybody sees, half of the way in two weeks."""
    apart = 1.2 * ar(random, 0.95)
    frame = prices(np.diff(apart, prepend=0.0) + normal(random)).assign(apart=apart)
    return return_study("a price that comes back to its value", frame, horizon, "apart")


def weekly(random: Random, horizon: int) -> Study:
    """Weekly returns of a market whose volatility clusters."""
    return return_study("weekly returns", prices(garch(random, WEEKS), weeks(WEEKS), scale=0.02), horizon)


def hourly(random: Random, horizon: int) -> Study:
    """Hourly returns whose volatility depends on the hour of the day."""
    dates = hours()
    frame = prices(_of_hour(dates) * normal(random), dates, scale=0.004)
    return return_study("hourly returns with a season", frame, horizon)


def _of_hour(dates: pd.DatetimeIndex) -> Floats:
    """The volatility of each hour of a day: between 0.4 and 1.6."""
    return floats(pd.Series(1 + 0.6 * np.sin(2 * np.pi * np.asarray(dates.hour) / 24)))


def range_volatility(random: Random, horizon: int) -> Study:
    """Stochastic volatility, seen through the range of the day."""
    return volatility_study("stochastic volatility, range", bars(random, np.exp(har(random) / 2)), horizon)


def leverage_volatility(random: Random, horizon: int) -> Study:
    """Falls raise the volatility of the days that follow: Black (1976)."""
    noise, level = normal(random), np.zeros(ROWS)
    for t in range(1, ROWS):
        level[t] = 0.97 * level[t - 1] - 0.12 * noise[t - 1] + 0.1 * random.standard_normal()
    frame = prices(np.exp(level) * noise).assign(logvol=level + 0.3 * normal(random))
    return volatility_study("leverage", frame, horizon)


def implied(random: Random, horizon: int) -> Study:
    """The implied volatility of the next month: it knows what is on the calendar, and what everybody sees."""
    slow, calendar = 0.35 * ar(random, 0.97), 0.2 * ar(random, 0.9)
    known = moved(rolling(calendar, 21), -21)
    expected = slow * (1 - 0.97**21) / (21 * 0.03) + known + 0.05 * normal(random)
    level = slow + calendar
    frame = prices(np.exp(level) * normal(random)).assign(logvol=level + 0.3 * normal(random), iv=expected)
    return volatility_study("implied volatility", frame.dropna().reset_index(drop=True), horizon, "iv")


def announced(random: Random, horizon: int) -> Study:
    """Announcements on dates that are published before; their days are wild."""
    dates = (random.random(ROWS) < 0.05).astype(np.float64)
    to_come = moved(rolling(dates, horizon), -horizon)
    level = har(random, noise=0.25) + 0.8 * dates
    frame = prices(np.exp(level) * normal(random)).assign(logvol=level, announced=to_come)
    return volatility_study(
        "announcements to come", frame.dropna().reset_index(drop=True), horizon, "announced"
    )


def weekly_volatility(random: Random, horizon: int) -> Study:
    """The weekly volatility of a market."""
    return volatility_study(
        "weekly volatility", bars(random, np.exp(har(random, WEEKS) / 2), weeks(WEEKS)), horizon
    )


def hourly_volatility(random: Random, horizon: int) -> Study:
    """The volatility of the hour, most of which is the time of day."""
    dates = hours()
    level = np.log(_of_hour(dates)) + 0.3 * ar(random, 0.97)
    return volatility_study("hourly volatility with a season", bars(random, np.exp(level), dates), horizon)


def _volatility(name: str, draw: Callable[[Random], Floats], random: Random, horizon: int) -> Study:
    frame = pd.DataFrame({"Date": days(), "logvol": draw(random)})
    return volatility_study(name, frame, horizon)


def _sizes(name: str, draw: Callable[[Random], Floats], random: Random, horizon: int) -> Study:
    return volatility_study(name, prices(draw(random)), horizon)


def regimes(random: Random) -> Floats:
    """Returns of a quiet and of a wild state."""
    return switching(random) * normal(random)


def noisy_ar(random: Random) -> Floats:
    """A log volatility that is an AR(1), measured with an error."""
    return 0.4 * ar(random, 0.95) + 0.3 * normal(random)


def _level(name: str, draw: Callable[[Random], Floats], random: Random, horizon: int) -> Study:
    return level_study(name, pd.DataFrame({"Date": days(), "level": draw(random)}), horizon)


def walk(random: Random) -> Floats:
    """The logarithm of a price."""
    return np.cumsum(0.01 * normal(random))


def spread(random: Random) -> Floats:
    """The spread of a pair, half of which is gone in three weeks."""
    return ar(random, 0.95)


def rate(random: Random) -> Floats:
    """An interest rate that comes back in years."""
    return 3 + ar(random, 0.998)


def appraised(random: Random) -> Floats:
    """A fund whose value is appraised: the mean of the last four values (Geltner 1991)."""
    return floats(pd.Series(np.cumsum(normal(random))).rolling(4, min_periods=1).mean())


def load(random: Random, horizon: int) -> Study:
    """A weekly load with a season of the year, under a ceiling that allows for it."""
    dates, year = weeks(WEEKS), 2 * np.pi * np.arange(WEEKS) / 52.18
    level = np.sin(year) + 0.3 * ar(random, 0.7, WEEKS)
    frame = pd.DataFrame({"Date": dates, "level": level, "sine": np.sin(year), "cosine": np.cos(year)})
    return level_study("weekly load with a season", frame, horizon, "sine", "cosine", ceiling=0.95)


def hourly_level(random: Random, horizon: int) -> Study:
    """An hourly load with a season of the day, under a ceiling that allows for it."""
    dates = hours()
    day = np.sin(2 * np.pi * np.asarray(dates.hour) / 24)
    frame = pd.DataFrame({"Date": dates, "level": day + 0.4 * ar(random, 0.8)})
    return level_study("hourly load with a season", frame, horizon, ceiling=0.95)


Honest = Callable[[Random, int], Study]


def _real(series: str, kind: str, _: Random, horizon: int) -> Study:
    return real(series, kind, horizon)  # type: ignore[arg-type]


def _named(make: Callable[..., Study], **draws: Callable[[Random], Floats]) -> dict[str, Honest]:
    return {(name := key.replace("_", " ")): partial(make, name, draw) for key, draw in draws.items()}


HONEST: dict[str, Honest] = {
    **_named(_returns, random_walk=normal, fat_tails=fat, drift=drift, GARCH=garch,
             regimes=regimes, illiquid=illiquid, bid_and_ask=bounce),
    "GARCH with leverage": partial(_returns, "GARCH with leverage", partial(garch, leverage=0.08)),
    "driver": driver,
    "momentum": momentum,
    "Tokyo after New York": partial(session, later=True),
    "New York after Tokyo": partial(session, later=False),
    "same session": same_session,
    "gaps": gaps,
    "weekday": weekday,
    "valuation": valuation,
    "weekly returns": weekly,
    "hourly returns": hourly,
    "range volatility": range_volatility,
    "leverage": leverage_volatility,
    "implied volatility": implied,
    "announcements": announced,
    "weekly volatility": weekly_volatility,
    "hourly volatility": hourly_volatility,
    **_named(_volatility, HAR=har, noisy_AR_volatility=noisy_ar),
    **_named(_sizes, GARCH_sizes=garch, regime_sizes=regimes),
    **_named(_level, price_level=walk, spread=spread, rate=rate, appraised=appraised),
    "weekly load": load,
    "hourly load": hourly_level,
    **{f"{series} {kind}": partial(_real, series, kind)
       for series in ("sp500", "nasdaq", "wti") for kind in ("return", "volatility")},
}  # fmt: skip
"""Kinds by name; each makes its study from a generator and a horizon."""
