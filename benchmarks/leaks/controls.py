"""Clean studies that no check may block: real series in parts, and series simulated without a leak."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.leaks.leak import Random
from benchmarks.leaks.studies import Floats, Kind, Series, Study, real_study

ROWS = 2500
"""Ten years of days."""
PERIODS = (("1999-01-01", "2005-12-31"), ("2004-01-01", "2011-12-31"), ("2010-01-01", "2018-12-31"))
REAL: tuple[Series, ...] = ("sp500", "nasdaq", "wti")
KINDS: tuple[Kind, ...] = ("return", "volatility")
_FRACTIONS = {"fractions": {"train": 0.6, "validation": 0.2}}


def real_controls() -> Iterator[Study]:
    """Each real series and kind: whole, three sub-periods, over five days, and with one feature."""
    for series in REAL:
        for kind in KINDS:
            whole = real_study(series, kind)
            yield whole
            for start, end in PERIODS:
                yield _between(whole, start, end)
            yield _over_a_week(whole)
            yield replace(whole, name=f"{whole.name}, one feature", features=whole.features[:1])


def _between(study: Study, start: str, end: str) -> Study:
    inside = study.frame["Date"].between(start, end)
    frame = study.frame[inside].reset_index(drop=True)
    return replace(study, name=f"{study.name} {start[:4]}–{end[:4]}", frame=frame, split=_FRACTIONS)


def _over_a_week(study: Study) -> Study:
    """The target over the next five days, its horizon declared."""
    if study.target["kind"] == "return":
        target: Mapping[str, Any] = {**study.target, "window": 5, "horizon": 5}
    else:
        target = {
            "of": "ret", "transform": "rolling_std", "window": 5, "kind": "volatility", "horizon": 5
        }  # fmt: skip
    return replace(study, name=f"{study.name}, 5 days", target=target)


def autoregressive(random: Random) -> Study:
    """Returns that follow the last one by a little: y[t] = 0.1 y[t−1] + e[t]."""
    return _prices("AR(1) 0.1", _ar(random, 0.1))


def volatile_autoregressive(random: Random) -> Study:
    """A log volatility that follows the last one closely: y[t] = 0.9 y[t−1] + e[t]."""
    return _column("AR(1) 0.9 volatility", _ar(random, 0.9), "volatility", None)


def honest_driver(random: Random) -> Study:
    """Returns that another series foretells by one day, with R² of 0.03: strong, and below the ceiling."""
    driver, noise = random.standard_normal((2, ROWS))
    returns = np.sqrt(0.03) * np.append(0.0, driver[:-1]) + np.sqrt(0.97) * noise
    return _prices("driver of R² 0.03", returns).with_columns(driver=driver)


def strong_driver(random: Random) -> Study:
    """A quantity that another series foretells by one day, with R² of 0.3, under a ceiling that allows it."""
    driver, noise = random.standard_normal((2, ROWS))
    values = np.sqrt(0.3) * np.append(0.0, driver[:-1]) + np.sqrt(0.7) * noise
    return _column("driver of R² 0.3", values, "other", 0.6).with_columns(driver=driver)


def garch(random: Random) -> Study:
    """Returns of a GARCH(1,1) with α = 0.08 and β = 0.9 (Bollerslev 1986), usual for daily data."""
    shocks, returns, variance = random.standard_normal(ROWS), np.zeros(ROWS), 1.0
    for t, shock in enumerate(shocks):
        returns[t] = np.sqrt(variance) * shock
        variance = 0.02 + 0.08 * returns[t] ** 2 + 0.9 * variance
    return _prices("GARCH(1,1)", returns)


def garch_volatility(random: Random) -> Study:
    """The absolute returns of the same."""
    target = {"column": "Close", "transform": "abs_log_return", "kind": "volatility"}
    return replace(garch(random), name="GARCH(1,1) volatility", target=target)


def random_walk(random: Random) -> Study:
    """Prices without memory, and their own level as a feature."""
    walk = _prices("random walk", random.standard_normal(ROWS))
    return replace(walk, features=(*walk.features, {"name": "level", "column": "Close"}))


def seasonal(random: Random) -> Study:
    """A quantity ruled by weekday and time of year, both given as features, under a ceiling of 0.95."""
    return _seasonal("strong season", random, 2.0, "other", 0.95)


def mildly_seasonal(random: Random) -> Study:
    """A log volatility in which the weekday counts for a tenth of the variance."""
    return _seasonal("season of the week", random, 0.45, "volatility", None)


def regimes(random: Random) -> Study:
    """Returns that switch between a quiet and a wild state, three months each in the mean (Hamilton 1989)."""
    switches = random.random(ROWS) < 1 / 66
    wild = np.cumsum(switches) % 2 == 1
    return _prices("regime switching", np.where(wild, 2.0, 0.7) * random.standard_normal(ROWS))


SIMULATED: tuple[Callable[[Random], Study], ...] = (
    autoregressive,
    volatile_autoregressive,
    honest_driver,
    strong_driver,
    garch,
    garch_volatility,
    random_walk,
    seasonal,
    mildly_seasonal,
    regimes,
)


def _ar(random: Random, memory: float) -> Floats:
    series, noise = np.zeros(ROWS), random.standard_normal(ROWS)
    for t in range(1, ROWS):
        series[t] = memory * series[t - 1] + noise[t]
    return series


def _dates() -> pd.DatetimeIndex:
    return pd.bdate_range("2005-01-03", periods=ROWS)


def _prices(name: str, moves: Floats) -> Study:
    """A study of returns on prices that move by `moves`, in per cent of 1.0 daily standard deviation."""
    frame = pd.DataFrame({"Date": _dates(), "Close": 100 * np.exp(np.cumsum(0.01 * moves))})
    features: tuple[Mapping[str, Any], ...] = (
        {"name": "ret", "column": "Close", "transform": "log_return"},
        {"name": "vol", "column": "Close", "transform": "abs_log_return"},
        {"name": "vol5", "of": "vol", "transform": "rolling_mean", "window": 5},
    )
    target = {"column": "Close", "transform": "log_return", "kind": "return"}
    return Study(name, frame, features, target, _FRACTIONS)


def _column(name: str, values: Floats, kind: str, max_skill: float | None) -> Study:
    """A study of the next value of a column, which is a feature as well."""
    frame = pd.DataFrame({"Date": _dates(), "value": values})
    target = {"of": "value", "transform": "raw", "kind": kind}
    return Study(name, frame, ({"name": "value", "column": "value"},), target, _FRACTIONS, max_skill)


def _seasonal(name: str, random: Random, size: float, kind: str, max_skill: float | None) -> Study:
    dates = _dates()
    weekday = np.array([1.0, 0.5, 0.0, -0.5, -1.0])[dates.day_of_week.to_numpy()]
    year = np.sin(2 * np.pi * dates.day_of_year.to_numpy() / 365.25)
    values = size * (weekday + year * (kind == "other")) + _ar(random, 0.5)
    study = _column(name, values, kind, max_skill)
    ahead = dates.shift(1)  # the calendar of tomorrow is known today
    return study.with_columns(
        weekday=ahead.day_of_week.to_numpy(np.float64), season=np.sin(2 * np.pi * ahead.day_of_year / 365.25)
    )
