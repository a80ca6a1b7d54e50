"""Data sets whose truth is known: returns that nothing forecasts, and returns with a planted mean.

Row t of a table holds the price and two columns that look like predictors, as they are known at t. The return
of row t + 1 is `mean[t]` + noise. In a null data set the mean is 0 and both columns are noise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd

from benchmarks.coverage import Series, fat, garch
from benchmarks.leaks.studies import prices
from trainer.data.transforms import log_return

Random = np.random.Generator
Group = Literal["null", "signal"]

ROWS = 4000
"""Sixteen years of daily rows; a quarter of them is tested on."""
DAILY = 0.01
"""Standard deviation of the returns that are simulated: about that of a stock index."""
STRENGTHS = (0.005, 0.01, 0.02, 0.04)
"""Shares of the variance of returns that the planted mean makes up (R²)."""


@dataclass(frozen=True)
class DataSet:
    """A table as a user would save it (Date, Close, a, b), and what is true of it."""

    group: Group
    number: int
    kind: str
    r2: float
    frame: pd.DataFrame
    mean: Series
    """Of the return of the next row, given this one: shape (rows,), in the return's own unit."""


def data_set(group: Group, number: int, seed: int) -> DataSet:
    """The data set of this number: kinds, and strengths, take turns. The same arguments, the same numbers."""
    random = np.random.default_rng([seed, int(group == "signal"), number])
    a, b = random.standard_normal((2, ROWS))
    if group == "null":
        kind, draw = list(NULLS.items())[number % len(NULLS)]
        returns, mean, r2 = draw(random), np.zeros(ROWS), 0.0
    else:
        r2, turn = STRENGTHS[number % len(STRENGTHS)], number // len(STRENGTHS)
        form, noise = list(FORMS)[turn % len(FORMS)], list(NOISES)[turn % len(NOISES)]
        kind, mean = f"{form}, {noise}", DAILY * np.sqrt(r2) * FORMS[form](a, b)
        returns = DAILY * np.sqrt(1 - r2) * NOISES[noise](random) + np.append(0.0, mean[:-1])
    dates = pd.bdate_range("2000-01-03", periods=ROWS).strftime("%Y-%m-%d")
    close = 100 * np.exp(np.cumsum(returns))
    frame = pd.DataFrame({"Date": dates, "Close": close, "a": a, "b": b})
    return DataSet(group, number, kind, r2, frame, mean)


def _shuffled(random: Random) -> Series:
    """Real returns, some of them left out, in random order."""
    close = prices("sp500")["Close"].to_numpy(np.float64)
    returns: Series = random.permutation(log_return(close)[1:])[:ROWS]
    return returns


def _normal(random: Random) -> Series:
    returns: Series = random.standard_normal(ROWS)
    return returns


def _fat(random: Random) -> Series:
    return fat((1, ROWS), random).ravel()


def _garch(random: Random) -> Series:
    return garch(1, ROWS, random).ravel()


def _scaled(draw: Callable[[Random], Series], random: Random) -> Series:
    return DAILY * draw(random)


NULLS: dict[str, Callable[[Random], Series]] = {
    "shuffled S&P 500": _shuffled,
    "random walk, normal": partial(_scaled, _normal),
    "random walk, t(4)": partial(_scaled, _fat),
    "GARCH, t(6)": partial(_scaled, _garch),
}
"""Returns (rows,) that nothing known before them forecasts."""

NOISES: dict[str, Callable[[Random], Series]] = {"normal": _normal, "t(4)": _fat, "GARCH t(6)": _garch}
"""Noise (rows,) of variance 1."""


def _linear(a: Series, b: Series) -> Series:
    """Today's first column and yesterday's second one."""
    mean: Series = (a - np.append(0.0, b[:-1])) / np.sqrt(2)
    return mean


def _threshold(a: Series, b: Series) -> Series:
    """The first column counts while the second one is high; a straight line finds half of it."""
    mean: Series = np.sqrt(2) * a * (b > 0)
    return mean


FORMS: dict[str, Callable[[Series, Series], Series]] = {"linear": _linear, "threshold": _threshold}
"""Means (rows,) of variance 1, from the two columns (rows,) each."""
