"""What a planted leak is, and the small moves that several of them share."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmarks.leaks.studies import Floats, Study

Random = np.random.Generator
Plant = Callable[[Study, Random], Study]


@dataclass(frozen=True)
class Leak:
    """A leak of one strength. `named` are the features, or the place, that a finding ought to name."""

    family: str
    strength: str
    plant: Plant
    named: tuple[str, ...] = ("leak",)

    @property
    def name(self) -> str:
        """Family and strength, for tables."""
        return f"{self.family}, {self.strength}" if self.strength else self.family


def column_leak(family: str, strength: str, make: Callable[[Study, Random], Floats]) -> Leak:
    """A leak in one more column of the table, called `leak`; rows that it cannot fill are dropped."""
    return Leak(family, strength, lambda study, r: study.with_columns(leak=make(study, r)).without_gaps())


def with_raw_target(study: Study, values: Floats) -> Study:
    """The study whose target stands in a column of the table, with horizon 1 declared."""
    target = {
        "column": "y",
        "transform": "raw",
        "kind": study.target["kind"],
        "already_shifted": True,
    }
    return replace(study, frame=study.frame.assign(y=values), target=target)


def with_stored_features(study: Study) -> Study:
    """The study whose honest features were computed before and stand in columns of its table."""
    close, known = study.values("Close"), study.known()
    ret = np.append(np.nan, np.diff(np.log(close)))
    vol = known if study.target["kind"] == "volatility" else np.abs(ret)
    stored = study.frame.assign(ret=ret, vol=vol, vol5=rolling(vol, 5))
    raw = tuple({"name": name, "column": name} for name in ("ret", "vol", "vol5"))
    return replace(study, frame=stored, features=raw)


def floats(series: pd.Series) -> Floats:
    """The numbers of a series, (rows,)."""
    return np.asarray(series, dtype=np.float64)


def moved(values: Floats, rows: int) -> Floats:
    """Each value `rows` later (negative: earlier), NaN where there is none."""
    return floats(pd.Series(values).shift(rows))


def rolling(values: Floats, window: int, *, center: bool = False) -> Floats:
    """Mean of a window of rows that ends at its row, or has it in its middle."""
    return floats(pd.Series(values).rolling(window, center=center).mean())


def spread(values: Floats) -> float:
    """Standard deviation of the finite values."""
    return float(np.nanstd(values))
