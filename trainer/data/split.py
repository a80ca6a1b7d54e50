"""Cuts the rows by time into folds of training and validation rows, and test rows, with purge and embargo.

A row is its position t in the table: the last row of a window, and the row whose target is forecast.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trainer.config import DataConfig, Split, end_of_date
from trainer.data.features import FeaturesAndTarget
from trainer.errors import SplitError

if TYPE_CHECKING:
    import pandas as pd

Rows = npt.NDArray[np.int64]
Offsets = npt.NDArray[np.int64] | None

MIN_TRAIN = 50
"""Ten rows for each coefficient of the HAR baseline (four), and more than three of the smallest safe batch
(16)."""
MAX_BASELINE_LAGS = 22
"""The most rows that a naive forecast looks back: the month of HAR. `cpcv` keeps them before its first
block."""
MIN_HELD_OUT = 20
"""The standard error of a mean of n squared normal errors is sqrt(2/n) times the mean: 32 % at 20 rows."""

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
class FoldRows:
    """Row positions of one fold, ascending; `test` is the same in all folds."""

    train: Rows
    validation: Rows
    test: Rows
    fitting: Rows
    """Every row that training windows may contain, whatever `seq_len`; scaler and baselines are fitted on
    these."""
    name: str = ""
    """Such as `fold 2 of 5, validation 2008-01-02 to 2010-12-31`; empty if there is only one fold."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows by name of the split."""
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}


def cut_folds(
    config: DataConfig, times: "pd.DatetimeIndex", built: FeaturesAndTarget, offsets: Offsets = None
) -> tuple[FoldRows, ...]:
    """Rows of each fold, however few; `times` (naive UTC) must ascend. Dates are read on the source's clock,
    which is `offsets` seconds from UTC; None: UTC.

    A split ends before the first row whose target, h rows ahead, would lie in the next split (purge); the
    next split starts `embargo` rows late. After a held-out block, training goes on once the block's last
    target has passed, with windows that begin there: `embargo` rows later, or more if a feature or the target
    would still be computed from the block. In `holdout` and `walk_forward` a longer `seq_len` shortens only
    the beginning of train, so that validation and test are the same rows for every window length. In every
    method the last fold trains only on rows before its validation rows.
    """
    first, stop, horizon = built.first, built.stop, config.target.horizon
    split, seq_len = config.split, config.seq_len
    validation, test = (
        min(max(bound, first), stop) for bound in _bounds(config, times, first, stop, offsets)
    )
    test_rows = np.arange(test + split.embargo, stop, dtype=np.int64)
    gap = horizon + split.embargo
    if split.method == "cpcv":
        begin = first + max(seq_len, horizon + MAX_BASELINE_LAGS) - 1
    else:
        begin = validation + split.embargo
    folds = []
    held_out = _held_out(split, np.arange(begin, test - horizon, dtype=np.int64))
    for number, blocks in enumerate(held_out):
        spans = _between(blocks, first, test - horizon, gap, horizon + max(split.embargo, built.reach))
        if split.method != "cpcv":
            spans = spans[:1]  # rows after the block are its future
        if split.method == "walk_forward" and split.window == "rolling":
            ((_, end),) = spans
            spans = [(max(first, end - (validation - horizon - first)), end)]
        folds.append(
            FoldRows(
                train=_rows((start + seq_len - 1, end) for start, end in spans),
                validation=np.concatenate(blocks),
                test=test_rows,
                fitting=_rows(spans),
                name=_name(number, len(held_out), blocks, times, offsets) if len(held_out) > 1 else "",
            )
        )
    return tuple(folds)


def _name(
    number: int, count: int, blocks: Sequence[Rows], times: "pd.DatetimeIndex", offsets: Offsets
) -> str:
    from trainer.data.times import (
        format_time,
    )  # imports pandas, which a worker with prepared folds does not need

    def when(row: int) -> str:
        moment = format_time(times[row], None if offsets is None else int(offsets[row]))
        return moment.removesuffix(" 00:00:00")

    spans = [f"{when(int(block[0]))} to {when(int(block[-1]))}" for block in blocks if len(block)]
    return f"fold {number} of {count}, validation {' and '.join(spans) or 'without rows'}"


def cut_refit(
    config: DataConfig, times: "pd.DatetimeIndex", built: FeaturesAndTarget, offsets: Offsets = None
) -> FoldRows:
    """All rows before the test as training rows, and no validation rows: for the final model."""
    first, stop = built.first, built.stop
    test = min(max(_bounds(config, times, first, stop, offsets)[1], first), stop)
    end = test - config.target.horizon
    return FoldRows(
        train=_rows([(first + config.seq_len - 1, end)]),
        validation=_rows([]),
        test=np.arange(test + config.split.embargo, stop, dtype=np.int64),
        fitting=_rows([(first, end)]),
    )


def _held_out(split: Split, rows: Rows) -> list[list[Rows]]:
    """The blocks that each fold validates on, in time order; the last fold has the last block."""
    match split.method:
        case "holdout":
            return [[rows]]
        case "walk_forward":
            return [[block] for block in np.array_split(rows, split.folds)]
        case "cpcv":
            blocks = np.array_split(rows, split.groups)
            return [list(chosen) for chosen in combinations(blocks, split.held_out)]


def _between(
    blocks: Sequence[Rows], first: int, stop: int, before: int, behind: int
) -> list[tuple[int, int]]:
    """Spans [start, end) of the rows from `first` to `stop` that lie between the blocks: each ends `before`
    rows before a block and begins `behind` rows after one. Some are empty.
    """
    starts = [first, *(int(block[-1]) + 1 + behind for block in blocks if len(block))]
    ends = [*(int(block[0]) - before for block in blocks if len(block)), stop]
    return list(zip(starts, ends, strict=True))


def _rows(spans: Iterable[tuple[int, int]]) -> Rows:
    return np.concatenate([np.empty(0, np.int64), *(np.arange(start, end) for start, end in spans)])


def require_enough_rows(config: DataConfig, folds: Sequence[FoldRows], warm_up: int) -> None:
    """Raise SplitError unless every split of every fold has at least `min_rows` rows."""
    advice = _DATE_ADVICE if config.split.fractions is None else _FRACTION_ADVICE
    for split in folds:
        short = short_splits(split)
        if not short:
            continue
        told = "; ".join(
            f"{name} has {split.counts[name]} rows and needs {min_rows(name)}: {advice[name]}"
            for name in short
        )
        fold = split.name and f"; {split.name}"
        raise SplitError(
            f"{config.source} gives too few rows after a warm-up of {warm_up} (seq_len {config.seq_len}"
            f"{fold}): {told}"
        )


def short_splits(split: FoldRows) -> list[str]:
    """The splits of a fold that have fewer rows than they need."""
    return [name for name, count in split.counts.items() if count < min_rows(name)]


def min_rows(split: str) -> int:
    """Fewest rows that a split may have."""
    return MIN_TRAIN if split == "train" else MIN_HELD_OUT


def _bounds(
    config: DataConfig, times: "pd.DatetimeIndex", first: int, stop: int, offsets: Offsets
) -> tuple[int, int]:
    """Positions of the first row that is not train, and of the first that is neither train nor validation."""
    split = config.split
    if split.fractions is not None:
        usable = max(stop - first, 0)
        # Rounded before the floor: 0.6 + 0.2 falls short of 0.8 in binary.
        train, validation = split.fractions.train, split.fractions.train + split.fractions.validation
        return first + int(round(train * usable, 6)), first + int(round(validation * usable, 6))
    assert split.validation_until is not None  # DataConfig requires it unless there are fractions
    train_until = split.train_until or split.validation_until  # cpcv does not use it
    return _rows_until(train_until, times, offsets), _rows_until(split.validation_until, times, offsets)


def _rows_until(date: str, times: "pd.DatetimeIndex", offsets: Offsets) -> int:
    """Number of rows up to the end of a date, on the source's clock or in the time zone that the date
    names.
    """
    # In microseconds, which can hold every date of the years 1 to 9999.
    moments = times.as_unit("us").to_numpy().astype("datetime64[us]")
    if offsets is not None and datetime.fromisoformat(date).tzinfo is None:
        # A clock that is set back in autumn shows one hour twice: the first of the two counts.
        moments = np.maximum.accumulate(moments + offsets.astype("timedelta64[s]"))
    return int(np.searchsorted(moments, np.datetime64(end_of_date(date), "us"), side="right"))
