"""The honest studies that leaks are planted into: a table and the data section that reads it."""

import copy
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.config import DataConfig
from trainer.data.features import build_features
from trainer.data.source import Table, read_table

Floats = npt.NDArray[np.float64]
Kind = Literal["return", "volatility"]
Series = Literal["sp500", "nasdaq", "wti"]

SEQ_LEN = 10
"""Two trading weeks: long enough for what is planted, short enough for hundreds of trials."""
_FROM = "1999-01-01"
_PRICES: dict[Series, Mapping[str, str]] = {
    "sp500": {"Open": "Open", "High": "High", "Low": "Low", "Close": "Close", "Volume": "Volume"},
    "nasdaq": {"Open": "Open", "High": "High", "Low": "Low", "Close": "Close", "Volume": "Volume"},
    "wti": {"DCOILWTICO": "Close"},
}


@dataclass(frozen=True)
class Study:
    """A table as a user would save it, and the data section of the study file beside it.

    `frame` has a column Date and columns of numbers; `features` and `target` are as in YAML. `max_skill` is
    `guard.max_skill`, None where the kind of target has a ceiling of its own.
    """

    name: str
    frame: pd.DataFrame
    features: tuple[Mapping[str, Any], ...]
    target: Mapping[str, Any]
    split: Mapping[str, Any]
    max_skill: float | None = None

    def with_columns(self, **columns: Floats) -> "Study":
        """The study with more columns in its table, each a raw feature too."""
        raw = tuple({"name": name, "column": name} for name in columns)
        return replace(self, frame=self.frame.assign(**columns), features=(*self.features, *raw))

    def without_gaps(self) -> "Study":
        """The study on its complete rows alone: what a user does before the audit refuses empty cells."""
        return replace(self, frame=self.frame.dropna().reset_index(drop=True))

    def section(self) -> dict[str, Any]:
        """Its data section as in YAML; the source is `table.csv`."""
        return {
            "source": "table.csv",
            "time": "Date",
            "features": [dict(feature) for feature in self.features],
            "target": dict(self.target),
            "seq_len": SEQ_LEN,
            "split": copy.deepcopy(dict(self.split)),
        }

    def config(self) -> DataConfig:
        """Its data section, checked."""
        return DataConfig.model_validate(self.section())

    def table(self) -> Table:
        """Its table, written to a file and read back as `ballast check` would."""
        with tempfile.TemporaryDirectory() as folder:
            self.frame.to_csv(Path(folder) / "table.csv", index=False)
            return read_table(self.config(), folder=Path(folder))

    def known(self) -> Floats:
        """The target at its own time, (rows,): what is known at t; NaN in the first rows."""
        return build_features(self.config(), self.table()).unshifted

    def future(self) -> Floats:
        """What is to be forecast at each row, (rows,): the target `horizon` rows on; NaN in the last rows."""
        horizon = self.horizon
        return np.append(self.known()[horizon:], np.full(horizon, np.nan))

    @property
    def horizon(self) -> int:
        """Rows that the target looks ahead."""
        return int(self.target.get("horizon", 1))

    def values(self, column: str) -> Floats:
        """A column of the table as numbers, (rows,)."""
        return self.frame[column].to_numpy(np.float64)


def real_study(series: Series, kind: Kind) -> Study:
    """Tomorrow's return or volatility of a real series since 1999; validation is 2011 to 2014."""
    ranged = series != "wti"
    features: list[Mapping[str, Any]] = [{"name": "ret", "column": "Close", "transform": "log_return"}]
    if ranged:
        features.append({"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"})
    else:
        features.append({"name": "vol", "column": "Close", "transform": "abs_log_return"})
    features.append({"name": "vol5", "of": "vol", "transform": "rolling_mean", "window": 5})
    return Study(
        name=f"{series} {kind}",
        frame=prices(series),
        features=tuple(features),
        target=_target(kind, ranged),
        split={"train_until": "2010-12-31", "validation_until": "2014-12-31"},
    )


def _target(kind: Kind, ranged: bool) -> Mapping[str, Any]:
    if kind == "return":
        return {"column": "Close", "transform": "log_return", "kind": kind}
    if ranged:
        return {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": kind}
    return {"column": "Close", "transform": "abs_log_return", "kind": kind}


@cache
def _read(series: Series) -> pd.DataFrame:
    names = _PRICES[series]
    config = DataConfig.model_validate(
        {
            "source": f"sample:{series}",
            "time": "Date",
            "features": tuple(names),
            "target": {"column": next(iter(names)), "transform": "log_return", "kind": "return"},
            "split": {"fractions": {"train": 0.6, "validation": 0.2}},
        }
    )
    frame = read_table(config, folder=Path()).frame.rename(columns=dict(names)).loc[_FROM:]
    return frame.rename_axis("Date").reset_index()


def prices(series: Series) -> pd.DataFrame:
    """Date and prices of a real series since 1999; a copy."""
    return _read(series).copy()
