"""Small studies that were once judged wrongly, each with the table that shows it: seeded, at any size.

A study is a `Study` as in the rest of the benchmark: its table, and the data section of its study file.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.honest_questions.hosts import SPLIT, mean_of
from benchmarks.honest_questions.simulate import ar, days, har, hours, normal, prices
from benchmarks.leaks.leak import Random, floats
from benchmarks.leaks.studies import Study
from benchmarks.leaks.studies import prices as real_prices

_RET = {"name": "ret", "column": "Close", "transform": "log_return"}
_RANGE = {"transform": "log_parkinson", "high": "High", "low": "Low"}
_VOL = {"name": "vol", **_RANGE}
_SP500_SPLIT = {"train_until": "2010-12-31", "validation_until": "2014-12-31"}


def _return_over(horizon: int) -> dict[str, object]:
    target = {"column": "Close", "transform": "log_return", "window": horizon, "kind": "return"}
    return {**target, "horizon": horizon}


def _mean_over(horizon: int, of: str, kind: str) -> dict[str, object]:
    target = {"of": of, "transform": "rolling_mean", "window": horizon, "kind": kind}
    return {**target, "horizon": horizon}


def index_return(horizon: int) -> Study:
    """The plain return of the S&P 500 over `horizon` days, from yesterday's and that of as many days."""
    momentum = {"name": "momentum", "column": "Close", "transform": "log_return", "window": horizon}
    frame = real_prices("sp500")
    return Study("index return", frame, (_RET, momentum), _return_over(horizon), _SP500_SPLIT)


def index_volatility(horizon: int) -> Study:
    """The mean log volatility of the S&P 500 over `horizon` days."""
    features = (_VOL, mean_of("vol", horizon))
    target = _mean_over(horizon, "vol", "volatility")
    return Study("index volatility", real_prices("sp500"), features, target, _SP500_SPLIT)


def random_walk(random: Random, horizon: int) -> Study:
    """The return of a random walk over `horizon` rows."""
    return Study("random walk", prices(normal(random)), (_RET,), _return_over(horizon), SPLIT)


def daily_har(random: Random, horizon: int) -> Study:
    """The mean over `horizon` days of a log volatility that is a daily HAR (Corsi 2009)."""
    frame = pd.DataFrame({"Date": days(4000), "lv": har(random, 4000)})
    features = ({"name": "lv", "column": "lv"}, mean_of("lv", 5), mean_of("lv", 22))
    return Study("daily HAR", frame, features, _mean_over(horizon, "lv", "volatility"), SPLIT)


def autoregression(random: Random, horizon: int) -> Study:
    """The next value of an AR(1) with a memory of 0.5."""
    frame = pd.DataFrame({"Date": days(), "a": ar(random, 0.5)})
    target = {**_mean_over(1, "a", "other"), "horizon": horizon}
    return Study("AR(1)", frame, ({"name": "a", "column": "a"},), target, SPLIT, max_skill=0.5)


def hint_of_the_future(random: Random, horizon: int) -> Study:
    """A return over `horizon` rows, and a column that is that return under noise, R² 0.3."""
    rows = 1500
    moves = normal(random, rows + horizon)
    price = np.cumsum(moves)
    future = price[horizon:] - price[:-horizon]
    hint = 0.01 * (future + future.std() * np.sqrt(0.7 / 0.3) * normal(random, rows))
    frame = prices(moves[:rows]).assign(hint=hint)
    features = (_RET, {"name": "hint", "column": "hint"})
    return Study("hint of the future", frame, features, _return_over(horizon), SPLIT)


def lead_behind_today(random: Random, horizon: int) -> Study:
    """Europe's return, and America's of the same date, which follows it by 0.5 and leads it by 0.15."""
    europe = normal(random)
    tomorrow = np.append(europe[1:], 0.0)
    america = 0.5 * europe + 0.15 * tomorrow + 0.85 * normal(random)
    frame = pd.DataFrame({"Date": days(), "eu": 0.01 * europe, "us": 0.01 * america})
    features = tuple({"name": name, "column": name} for name in ("eu", "us"))
    target = _mean_over(horizon, "eu", "return")
    return Study("lead behind today", frame, features, target, SPLIT)


def todays_size(random: Random, **target: object) -> Study:
    """Sizes of four assets that share their volatility of ten rows; the fourth is a raw target.

    `target` are more of its keys: the study says whether its values were moved up already, or nothing of it.
    """
    rows = 2500
    common = np.exp(np.repeat(0.3 * normal(random, rows // 10), 10))[:, None]
    sizes = np.log(np.abs(0.01 * common * random.standard_t(5, (rows, 4))) + 1e-5)
    frame = pd.DataFrame(sizes, columns=["A", "B", "C", "Y"]).assign(Date=days(rows))
    features = tuple({"name": name, "column": name} for name in ("A", "B", "C"))
    raw = {"column": "Y", "transform": "raw", "kind": "volatility", "horizon": 1, **target}
    return Study("today's size", frame, features, raw, SPLIT)


def sum_of_its_row(random: Random, **target: object) -> Study:
    """The same with a target that is the sum of its own row's columns, but for a hundredth of noise."""
    study = todays_size(random, **target)
    total = study.frame[["A", "B", "C"]].sum(axis=1) + 0.01 * normal(random, len(study.frame))
    return replace(study, frame=study.frame.assign(Y=floats(total)))


def hours_with_season(random: Random, horizon: int) -> Study:
    """The log range of an hour, whose mean depends on the hour of the day and on nothing else."""
    dates = hours(6000)
    scale = 0.001 * (1.2 + np.sin(2 * np.pi * np.asarray(dates.hour) / 24))
    close = 100 * np.exp(np.cumsum(scale * normal(random, 6000)))
    half = scale * np.exp(0.5 * normal(random, 6000)) / 2
    frame = pd.DataFrame(
        {"Date": dates, "High": close * np.exp(half), "Low": close * np.exp(-half), "Close": close}
    )
    target = {**_RANGE, "kind": "volatility", "horizon": 1}
    if horizon > 1:
        target = _mean_over(horizon, "vol", "volatility")
    return Study("hours with a season", frame, (_VOL,), target, SPLIT)


SIMULATED: dict[str, Callable[[Random, int], Study]] = {
    "random walk": random_walk,
    "daily HAR": daily_har,
    "AR(1)": autoregression,
    "hint of the future": hint_of_the_future,
    "lead behind today": lead_behind_today,
    "hours with a season": hours_with_season,
}
"""Those that are made from a generator and a horizon, by name."""
