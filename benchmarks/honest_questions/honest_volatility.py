"""Honest kinds of volatility: nothing in their columns is later than its row."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.honest_questions.honest_returns import regimes
from benchmarks.honest_questions.hosts import named, volatility_study
from benchmarks.honest_questions.simulate import (
    ROWS,
    WEEKS,
    ar,
    bars,
    days,
    garch,
    har,
    hours,
    normal,
    of_hour,
    prices,
    weeks,
)
from benchmarks.leaks.leak import Random, moved, rolling
from benchmarks.leaks.studies import Floats, Study


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
    level = np.log(of_hour(dates)) + 0.3 * ar(random, 0.97)
    return volatility_study("hourly volatility with a season", bars(random, np.exp(level), dates), horizon)


def noisy_ar(random: Random) -> Floats:
    """A log volatility that is an AR(1), measured with an error."""
    return 0.4 * ar(random, 0.95) + 0.3 * normal(random)


def of_column(name: str, draw: Callable[[Random], Floats], random: Random, horizon: int) -> Study:
    """A study of a log volatility that is a column."""
    frame = pd.DataFrame({"Date": days(), "logvol": draw(random)})
    return volatility_study(name, frame, horizon)


def of_sizes(name: str, draw: Callable[[Random], Floats], random: Random, horizon: int) -> Study:
    """A study of the size of returns."""
    return volatility_study(name, prices(draw(random)), horizon)


VOLATILITIES: dict[str, Callable[[Random, int], Study]] = {
    "range volatility": range_volatility,
    "leverage": leverage_volatility,
    "implied volatility": implied,
    "announcements": announced,
    "weekly volatility": weekly_volatility,
    "hourly volatility": hourly_volatility,
    **named(of_column, {"HAR": har, "noisy AR volatility": noisy_ar}),
    **named(of_sizes, {"GARCH sizes": garch, "regime sizes": regimes}),
}
