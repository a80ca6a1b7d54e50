"""Cuts the rows into train, validation and test by time, purged by the horizon and with an embargo.

A row is its position t in the table: the last row that a window sees, and the one whose target is forecast.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import time as clock

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.config import DataConfig
from trainer.data.features import BuiltSeries
from trainer.errors import SplitError

Rows = npt.NDArray[np.int64]

MIN_TRAIN = 50
"""Ten rows for each coefficient of the HAR baseline (four), and more than three of the smallest safe batch
(16)."""
MIN_HELD_OUT = 20
"""The standard error of a mean of n squared normal errors is sqrt(2/n) of it: 32 % at 20 rows."""

_DATE_ADVICE = {
    "train": "move train_until later, use a shorter seq_len or a longer series",
    "validation": "move validation_until later or train_until earlier, or lower the embargo",
    "test": "move validation_until earlier, or use a longer series",
}
_FRACTION_ADVICE = {
    "train": "raise fractions.train, use a shorter seq_len or a longer series",
    "validation": "raise fractions.validation, lower the embargo or use a longer series",
    "test": "lower the fractions or the embargo, or use a longer series",
}


@dataclass(frozen=True)
class SplitRows:
    """Row positions of each split, ascending."""

    train: Rows
    validation: Rows
    test: Rows

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows by name of the split."""
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}


def cut_rows(config: DataConfig, times: pd.DatetimeIndex, built: BuiltSeries) -> SplitRows:
    """Rows of each split, however few; `times` must ascend.

    A split ends where the target of its row t, h rows ahead, would lie in the next one (purge); the next one
    starts `embargo` rows late. Only the beginning of train gives way to `seq_len`, so that validation and
    test are the same rows whatever the window.
    """
    first, stop, horizon = built.first, built.stop, config.target.horizon
    embargo = config.split.embargo
    validation, test = (min(max(bound, first), stop) for bound in _bounds(config, times, first, stop))
    return SplitRows(
        train=np.arange(first + config.seq_len - 1, validation - horizon, dtype=np.int64),
        validation=np.arange(validation + embargo, test - horizon, dtype=np.int64),
        test=np.arange(test + embargo, stop, dtype=np.int64),
    )


def check_counts(config: DataConfig, split: SplitRows, warm_up: int) -> None:
    """Raise SplitError unless every split has rows enough to learn from or to be judged by."""
    advice = _DATE_ADVICE if config.split.fractions is None else _FRACTION_ADVICE
    short = [name for name, count in split.counts.items() if count < minimum_of(name)]
    if short:
        told = "; ".join(
            f"{name} has {split.counts[name]} rows and needs {minimum_of(name)}: {advice[name]}"
            for name in short
        )
        raise SplitError(
            f"{config.source} gives too few rows after a warm-up of {warm_up} (seq_len {config.seq_len}): "
            f"{told}"
        )


def minimum_of(split: str) -> int:
    """Fewest rows that a split may have."""
    return MIN_TRAIN if split == "train" else MIN_HELD_OUT


def _bounds(config: DataConfig, times: pd.DatetimeIndex, first: int, stop: int) -> tuple[int, int]:
    """Positions of the first row that is not train, and of the first that is neither train nor validation."""
    split = config.split
    if split.fractions is not None:
        usable = max(stop - first, 0)
        # Rounded before the floor: 0.6 + 0.2 falls short of 0.8 in binary.
        train, validation = split.fractions.train, split.fractions.train + split.fractions.validation
        return first + int(round(train * usable, 6)), first + int(round(validation * usable, 6))
    assert split.train_until is not None  # the configuration gives both dates where it gives no fractions
    assert split.validation_until is not None
    ends = [last_moment(split.train_until), last_moment(split.validation_until)]
    # In microseconds, where every date from year 1 to 9999 has its place.
    train_end, validation_end = (
        times.as_unit("us").searchsorted(pd.DatetimeIndex(ends), side="right").tolist()
    )
    return train_end, validation_end


def last_moment(date: str) -> datetime:
    """The last moment of an ISO date: the end of its day, or exactly the time it names (naive UTC)."""
    moment = datetime.fromisoformat(date)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    is_day = len(date) <= len("2010-12-31")
    return datetime.combine(moment, clock.max) if is_day else moment
