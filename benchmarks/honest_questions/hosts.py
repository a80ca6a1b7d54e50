"""What a table is asked at a horizon: its return, its volatility or its level so many rows ahead."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from benchmarks.leaks.leak import Random
from benchmarks.leaks.studies import Floats, Kind, Series, Study, prices

HORIZONS = (1, 5, 10, 21, 63)
"""A day, a week, two weeks, a month and a quarter of trading days."""
SPLIT = {"fractions": {"train": 0.6, "validation": 0.2}}
LEVEL_CEILING = 0.5
"""Of skill in a level, which has no ceiling of its own: a user has to choose one."""

_RETURN = {"name": "ret", "column": "Close", "transform": "log_return"}
_RANGE = {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"}
_SIZE = {"name": "vol", "column": "Close", "transform": "abs_log_return"}


def mean_of(name: str, rows: int) -> dict[str, Any]:
    """The mean of a feature over the last rows, as a feature."""
    return {"name": f"{name}{rows}", "of": name, "transform": "rolling_mean", "window": rows}


def return_study(name: str, frame: pd.DataFrame, horizon: int, *columns: str) -> Study:
    """The return over the next `horizon` rows, from past returns and more `columns`."""
    features: tuple[Mapping[str, Any], ...] = (
        _RETURN,
        {"name": "momentum", "column": "Close", "transform": "log_return", "window": max(5, horizon)},
        {"name": "risk", "of": "ret", "transform": "rolling_std", "window": 10},
        *map(_raw, columns),
    )
    target = {"column": "Close", "transform": "log_return", "window": horizon, "kind": "return"}
    return Study(name, frame, features, {**target, "horizon": horizon}, SPLIT)


def volatility_study(name: str, frame: pd.DataFrame, horizon: int, *columns: str) -> Study:
    """The mean volatility of the next `horizon` rows, from its own past, past returns and more `columns`.

    The volatility of a row is the column `logvol` where there is one, else from its range, else the size of
    its return.
    """
    if "logvol" in frame:
        vol: Mapping[str, Any] = {"name": "vol", "column": "logvol"}
    else:
        vol = _RANGE if "High" in frame else _SIZE
    returns = (_RETURN,) if "Close" in frame else ()
    features = (*returns, vol, mean_of("vol", 5), mean_of("vol", 22), *map(_raw, columns))
    target = {"of": "vol", "transform": "rolling_mean", "window": horizon, "kind": "volatility"}
    return Study(name, frame, features, {**target, "horizon": horizon}, SPLIT)


def level_study(
    name: str, frame: pd.DataFrame, horizon: int, *columns: str, ceiling: float = LEVEL_CEILING
) -> Study:
    """The value of the column `level` in `horizon` rows, from its past and more `columns`."""
    features = ({"name": "level", "column": "level"}, mean_of("level", 5), *map(_raw, columns))
    target = {"of": "level", "transform": "rolling_mean", "window": 1, "kind": "other", "horizon": horizon}
    return Study(name, frame, features, target, SPLIT, ceiling)


def real(series: Series, kind: Kind, horizon: int) -> Study:
    """A shipped series since 1999; the rows from 2015 on are test rows."""
    make = return_study if kind == "return" else volatility_study
    split = {"train_until": "2010-12-31", "validation_until": "2014-12-31"}
    return replace(make(f"{series} {kind}", prices(series), horizon), split=split)


def named(
    make: Callable[..., Study], draws: Mapping[str, Callable[[Random], Floats]]
) -> dict[str, Callable[[Random, int], Study]]:
    """A kind for each draw: `make` takes its name, the draw, a generator and a horizon."""
    return {name: partial(make, name, draw) for name, draw in draws.items()}


def _raw(column: str) -> dict[str, Any]:
    return {"name": column, "column": column}
