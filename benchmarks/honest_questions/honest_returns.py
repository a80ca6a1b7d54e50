"""Honest kinds of returns: nothing in their columns is later than its row."""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.honest_questions.hosts import named, return_study
from benchmarks.honest_questions.simulate import (
    WEEKS,
    ar,
    before,
    days,
    fat,
    garch,
    hours,
    normal,
    of_hour,
    prices,
    switching,
    weeks,
)
from benchmarks.leaks.leak import Random, moved
from benchmarks.leaks.studies import Floats, Study


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
    frame = prices(of_hour(dates) * normal(random), dates, scale=0.004)
    return return_study("hourly returns with a season", frame, horizon)


def regimes(random: Random) -> Floats:
    """Returns of a quiet and of a wild state."""
    return switching(random) * normal(random)


def plain(name: str, draw: Callable[[Random], Floats], random: Random, horizon: int) -> Study:
    """A study of returns that have no other column."""
    return return_study(name, prices(draw(random)), horizon)


RETURNS: dict[str, Callable[[Random, int], Study]] = {
    **named(
        plain,
        {
            "random walk": normal,
            "fat tails": fat,
            "drift": drift,
            "GARCH": garch,
            "GARCH with leverage": partial(garch, leverage=0.15),
            "regimes": regimes,
            "illiquid": illiquid,
            "bid and ask": bounce,
        },
    ),
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
}
