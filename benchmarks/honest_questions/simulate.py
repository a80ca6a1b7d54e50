"""Series that are simulated, each of shape (rows,), and the tables that are made of them."""

import math

import numpy as np
import pandas as pd

from benchmarks.leaks.leak import Random
from benchmarks.leaks.studies import Floats

ROWS = 3000
"""Twelve years of days."""
DAILY = 0.01
"""Standard deviation of a day's return: about that of a stock index."""
WEEKS = 1600
"""Rows of weekly tables: thirty years."""
WARM_UP = 500
"""Rows until a process has forgotten how it began."""


def normal(random: Random, rows: int = ROWS) -> Floats:
    """Independent values of variance 1."""
    return random.standard_normal(rows)


def fat(random: Random, rows: int = ROWS) -> Floats:
    """Independent values of Student's t with 4 degrees of freedom, variance 1."""
    return np.asarray(random.standard_t(4, rows), dtype=np.float64) / math.sqrt(2)


def ar(random: Random, memory: float, rows: int = ROWS) -> Floats:
    """A Gaussian AR(1) of variance 1: y[t] = memory · y[t−1] + e[t]."""
    noise, values = normal(random, rows), np.empty(rows)
    values[0] = noise[0]
    for t in range(1, rows):
        values[t] = memory * values[t - 1] + np.sqrt(1 - memory**2) * noise[t]
    return values


def garch(random: Random, rows: int = ROWS, *, leverage: float = 0.0) -> Floats:
    """Returns of variance 1 whose variance is 0.03 + (0.07 + leverage · [r < 0]) r² + (0.9 − leverage / 2) v.

    Bollerslev (1986); with leverage Glosten, Jagannathan and Runkle (1993).
    """
    shocks, returns, variance = normal(random, rows + WARM_UP), np.empty(rows + WARM_UP), 1.0
    for t, shock in enumerate(shocks):
        returns[t] = np.sqrt(variance) * shock
        news = (0.07 + leverage * (shock < 0)) * returns[t] ** 2
        variance = 0.03 + news + (0.9 - leverage / 2) * variance
    return returns[WARM_UP:]


def switching(random: Random, rows: int = ROWS) -> Floats:
    """The standard deviation of a quiet and a wild state, three months each on average: Hamilton (1989)."""
    wild = np.cumsum(random.random(rows) < 1 / 66) % 2 == 1
    return np.where(wild, 1.3, 0.5)


def har(random: Random, rows: int = ROWS, *, noise: float = 0.3) -> Floats:
    """A log volatility that is linear in its last day, week and month: Corsi (2009)."""
    values, shocks = np.zeros(rows + WARM_UP), noise * normal(random, rows + WARM_UP)
    for t in range(22, rows + WARM_UP):
        day, week, month = values[t - 1], values[t - 5 : t].mean(), values[t - 22 : t].mean()
        values[t] = 0.4 * day + 0.35 * week + 0.2 * month + shocks[t]
    return values[WARM_UP:]


def before(values: Floats, rows: int = 1) -> Floats:
    """The value `rows` earlier, 0 where there is none."""
    return np.concatenate([np.zeros(rows), values[:-rows]])


def days(rows: int = ROWS) -> pd.DatetimeIndex:
    """Working days."""
    return pd.bdate_range("1998-01-05", periods=rows)


def weeks(rows: int) -> pd.DatetimeIndex:
    """Fridays."""
    return pd.date_range("1970-01-02", periods=rows, freq="W-FRI")


def hours(rows: int = ROWS) -> pd.DatetimeIndex:
    """All hours of all days, as coins are traded."""
    return pd.date_range("2019-01-01", periods=rows, freq="h")


def prices(moves: Floats, dates: pd.DatetimeIndex | None = None, *, scale: float = DAILY) -> pd.DataFrame:
    """Closes that move by `moves`, in units of `scale`; on working days if no dates are given."""
    dates = days(len(moves)) if dates is None else dates
    return pd.DataFrame({"Date": dates, "Close": 100 * np.exp(np.cumsum(scale * moves))})


def bars(random: Random, volatility: Floats, dates: pd.DatetimeIndex | None = None) -> pd.DataFrame:
    """Open, high, low and close of bars whose return has the standard deviation `volatility` · DAILY.

    Each bar is a random walk of 30 steps, so that its range tells its volatility as a real one does.
    """
    steps = normal(random, 30 * len(volatility)).reshape(-1, 30) * (DAILY * volatility / np.sqrt(30))[:, None]
    path = np.cumsum(steps, axis=1)  # (rows, 30), from the open
    close = np.cumsum(path[:, -1])
    start = before(close)
    high, low = start + np.maximum(path.max(axis=1), 0), start + np.minimum(path.min(axis=1), 0)
    return pd.DataFrame(
        {
            "Date": days(len(volatility)) if dates is None else dates,
            "Open": 100 * np.exp(start),
            "High": 100 * np.exp(high),
            "Low": 100 * np.exp(low),
            "Close": 100 * np.exp(close),
        }
    )


def of_hour(dates: pd.DatetimeIndex) -> Floats:
    """The volatility of each hour of a day: between 0.4 and 1.6, (rows,)."""
    return 1 + 0.6 * np.sin(2 * np.pi * np.asarray(dates.hour, dtype=np.float64) / 24)
