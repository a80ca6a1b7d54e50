"""All honest kinds of data by name: returns, volatility, levels, and three real series."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.honest_questions.honest_returns import RETURNS
from benchmarks.honest_questions.honest_volatility import VOLATILITIES
from benchmarks.honest_questions.hosts import level_study, named, real
from benchmarks.honest_questions.simulate import WEEKS, ar, days, hours, normal, weeks
from benchmarks.leaks.controls import KINDS, REAL
from benchmarks.leaks.leak import Random, floats
from benchmarks.leaks.studies import Floats, Kind, Series, Study

Honest = Callable[[Random, int], Study]


def level(name: str, draw: Callable[[Random], Floats], random: Random, horizon: int) -> Study:
    """A study of a column of levels."""
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


def shipped(series: Series, kind: Kind, _: Random, horizon: int) -> Study:
    """A study of a series that is shipped."""
    return real(series, kind, horizon)


HONEST: dict[str, Honest] = {
    **RETURNS,
    **VOLATILITIES,
    **named(level, {"price level": walk, "spread": spread, "rate": rate, "appraised": appraised}),
    "weekly load": load,
    "hourly load": hourly_level,
    **{f"{series} {kind}": partial(shipped, series, kind) for series in REAL for kind in KINDS},
}
"""Kinds by name; each makes its study from a generator and a horizon."""
