"""Cuts the rows by time into test rows and folds of training and validation rows, with purge and embargo.

A row is its position t in the table: the last row of a window, and the row whose target is forecast.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trainer.config import DataConfig, Split, end_of_date
from trainer.data.arrays import Rows
from trainer.data.features import FeaturesAndTarget
from trainer.data.segments import has_window, target_rows
from trainer.errors import SplitError

if TYPE_CHECKING:
    import pandas as pd

Offsets = npt.NDArray[np.int64] | None

MIN_TRAIN = 50
"""Ten rows for each of the four coefficients of the HAR baseline, and more than three batches of the
smallest safe size (16)."""
MAX_BASELINE_LAGS = 22
"""The most rows that a naive forecast looks back: the month of HAR. `cpcv` keeps them before its first
block."""
MIN_HELD_OUT = 20
"""The standard error of a mean of n squared normal errors is sqrt(2/n) times the mean: 32 % at 20 rows."""

_DATE_ADVICE = {
    "train": "move train_until later, use a shorter seq_len or a longer series",
    "validation": "move validation_until later or train_until earlier, or lower the embargo",
    "test": "move validation_until earlier, or use a longer series",
    "unseen": "move validation_until earlier, or hold back longer series",
}
_FRACTION_ADVICE = {
    "train": "raise fractions.train, use a shorter seq_len or a longer series",
    "validation": "raise fractions.validation, lower the embargo or use a longer series",
    "test": "lower the fractions or the embargo, or use a longer series",
    "unseen": "lower the fractions or the embargo, or hold back longer series",
}


@dataclass(frozen=True)
class FoldRows:
    """Row positions of one fold, ascending; `test` is the same in all folds."""

    train: Rows
    validation: Rows
    test: Rows
    fitting: Rows
    """Every row that training windows of any `seq_len` contain; scaler and baselines are fitted on these."""
    unseen: Rows = field(default_factory=lambda: np.empty(0, np.int64))
    """The test rows of the series that are held back whole; in no other part."""
    needs_test: bool = True
    """False if `data.until` ends the table: a study of rows before a date may have no test rows."""
    name: str = ""
    """Such as `fold 2 of 5, validation 2008-01-02 to 2010-12-31`; empty if there is only one fold."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows by name of the split."""
        counts = {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}
        return counts | ({"unseen": len(self.unseen)} if len(self.unseen) else {})


def cut_folds(
    config: DataConfig, times: "pd.DatetimeIndex", built: FeaturesAndTarget, offsets: Offsets = None
) -> tuple[FoldRows, ...]:
    """The rows of each fold, however few. `times` (naive UTC) must ascend within each series. Dates are read
    on the source's clock, which is `offsets` seconds from UTC; None: UTC.

    Every series is cut at the same moments. A split ends before the first row whose target, `horizon` rows
    ahead, lies in the next split (purge); the next split starts `embargo` rows late. After a held-out block,
    training windows begin once the block's last target has passed: `embargo` rows later, or more if a feature
    or the target would still be computed from the block.

    In `holdout` and `walk_forward`, `seq_len` shortens only the beginning of train, so that validation and
    test rows are the same for every window; only a series that begins in them loses the rows without a full
    window. In every method the last fold trains on no row after its validation rows. `max_gap` leaves out the
    rows of every split whose window or target crosses a longer gap, so that with it all rows depend on
    `seq_len`.
    """
    every = _series_rows(config, times, built, offsets)
    parts, unseen = _seen_and_unseen(config, every, built)
    moments = times.asi8
    held_out = _held_out(config.split, np.unique(moments[_rows(part.held_out for part in parts)]))
    folds = []
    for number, blocks in enumerate(held_out):
        cuts = [_cut_series(config, built.reach, part, part.blocks(moments, blocks)) for part in parts]
        train, validation, test, fitting = (np.concatenate(rows) for rows in zip(*cuts, strict=True))
        name = _name(number, len(held_out), blocks, times, offsets) if len(held_out) > 1 else ""
        folds.append(FoldRows(train, validation, test, fitting, unseen, config.until is None, name))
    return tuple(_usable_parts(config, times, built, fold) for fold in folds)


def _usable_parts(
    config: DataConfig, times: "pd.DatetimeIndex", built: FeaturesAndTarget, fold: FoldRows
) -> FoldRows:
    """The rows of a fold that are not missing and whose windows and targets cross no gap longer than
    `max_gap`.
    """
    if built.missing.any():
        fold = _among(fold, ~built.missing)
    if config.max_gap is None:
        return fold
    target = target_rows(config, times, built)
    both = target & has_window(config, times, np.array([span.start for span in built.spans]))
    return replace(_among(fold, both), fitting=fold.fitting[target[fold.fitting]])


def _among(fold: FoldRows, chosen: npt.NDArray[np.bool_]) -> FoldRows:
    """The rows of each part of the fold that are among the `chosen` ones, (T,)."""
    return replace(
        fold,
        train=fold.train[chosen[fold.train]],
        validation=fold.validation[chosen[fold.validation]],
        test=fold.test[chosen[fold.test]],
        fitting=fold.fitting[chosen[fold.fitting]],
        unseen=fold.unseen[chosen[fold.unseen]],
    )


@dataclass(frozen=True)
class _SeriesRows:
    """The rows of one series. Usable rows are `first` to `stop`; `validation` is the first row after train,
    `test` the first after validation. `held_out` bounds (start, end) the rows that are held out in blocks.
    """

    first: int
    stop: int
    validation: int
    test: int
    held_out: tuple[int, int]

    def blocks(self, moments: Rows, blocks: Sequence[Rows]) -> list[tuple[int, int]]:
        """Start and end of this series' rows within each of `blocks`; equal if it has no row there."""
        start = self.first
        within = moments[start : max(start, self.held_out[1])]
        edges = [(block[0], block[-1]) for block in blocks if len(block)]
        return [
            (start + int(np.searchsorted(within, low)), start + int(np.searchsorted(within, high, "right")))
            for low, high in edges
        ]


def _series_rows(
    config: DataConfig, times: "pd.DatetimeIndex", built: FeaturesAndTarget, offsets: Offsets
) -> list[_SeriesRows]:
    split, horizon = config.split, config.target.horizon
    parts = []
    for span, (validation, test) in zip(built.usable, _bounds(config, times, built, offsets), strict=True):
        begin = validation + split.embargo
        if split.method == "cpcv":
            begin = span.start + max(config.seq_len, horizon + MAX_BASELINE_LAGS) - 1
        parts.append(_SeriesRows(span.start, span.stop, validation, test, (begin, test - horizon)))
    return parts


def _seen_and_unseen(
    config: DataConfig, parts: Sequence[_SeriesRows], built: FeaturesAndTarget
) -> tuple[list[_SeriesRows], Rows]:
    """The series that are trained on, and the test rows of those that are held back."""
    unseen = [_test_rows(config, parts[number]) for number in sorted(built.unseen)]
    return [part for number, part in enumerate(parts) if number not in built.unseen], _rows(unseen)


def _test_rows(config: DataConfig, part: _SeriesRows) -> tuple[int, int]:
    return max(part.test + config.split.embargo, part.first + config.seq_len - 1), part.stop


def _cut_series(
    config: DataConfig, reach: int, part: _SeriesRows, blocks: list[tuple[int, int]]
) -> tuple[Rows, Rows, Rows, Rows]:
    """The train, validation, test and fitting rows of one series in one fold."""
    split, horizon, first = config.split, config.target.horizon, part.first
    before, behind = horizon + split.embargo, horizon + max(split.embargo, reach)
    spans = _between(blocks, first, part.test - horizon, before, behind)
    if split.method != "cpcv":
        spans = spans[:1]  # rows after the block are its future
    if split.method == "walk_forward" and split.window == "rolling":
        ((_, end),) = spans
        spans = [(max(first, end - (part.validation - horizon - first)), end)]
    whole = first + config.seq_len - 1  # the first row with a full window
    return (
        _rows((start + config.seq_len - 1, end) for start, end in spans),
        _rows((max(start, whole, part.held_out[0]), end) for start, end in blocks),
        _rows([_test_rows(config, part)]),
        _rows(spans),
    )


def _name(
    number: int, count: int, blocks: Sequence[Rows], times: "pd.DatetimeIndex", offsets: Offsets
) -> str:
    from trainer.data.times import (
        format_time,
    )  # imports pandas, which a worker with prepared folds does not need

    moments = times.asi8

    def when(moment: int) -> str:
        row = int(np.argmax(moments == moment))
        shown = format_time(times[row], None if offsets is None else int(offsets[row]))
        return shown.removesuffix(" 00:00:00")

    spans = [f"{when(block[0])} to {when(block[-1])}" for block in blocks if len(block)]
    return f"fold {number} of {count}, validation {' and '.join(spans) or 'without rows'}"


def cut_refit(
    config: DataConfig, times: "pd.DatetimeIndex", built: FeaturesAndTarget, offsets: Offsets = None
) -> FoldRows:
    """All rows before the test as training rows, and no validation rows: for a final model."""
    parts, unseen = _seen_and_unseen(config, _series_rows(config, times, built, offsets), built)
    cuts = [_cut_series(config, built.reach, part, []) for part in parts]
    horizon, whole = config.target.horizon, config.seq_len - 1
    fold = FoldRows(
        train=_rows((part.first + whole, part.test - horizon) for part in parts),
        validation=_rows([]),
        test=np.concatenate([test for _, _, test, _ in cuts]),
        fitting=_rows((part.first, part.test - horizon) for part in parts),
        unseen=unseen,
    )
    return _usable_parts(config, times, built, fold)


def cut_all_rows(config: DataConfig, times: "pd.DatetimeIndex", built: FeaturesAndTarget) -> FoldRows:
    """All rows that have a target as training rows, and no others: for a model that goes live."""
    fold = FoldRows(
        train=_rows((span.start + config.seq_len - 1, span.stop) for span in built.usable),
        validation=_rows([]),
        test=_rows([]),
        fitting=_rows((span.start, span.stop) for span in built.usable),
    )
    return _usable_parts(config, times, built, fold)


def _held_out(split: Split, moments: Rows) -> list[list[Rows]]:
    """For each fold, the moments of the blocks that it validates on, in time order. The last fold has the
    last block.
    """
    match split.method:
        case "holdout":
            return [[moments]]
        case "walk_forward":
            return [[block] for block in np.array_split(moments, split.folds)]
        case "cpcv":
            blocks = np.array_split(moments, split.groups)
            return [list(chosen) for chosen in combinations(blocks, split.held_out)]


def _between(
    blocks: Sequence[tuple[int, int]], first: int, stop: int, before: int, behind: int
) -> list[tuple[int, int]]:
    """Spans [start, end) of the rows from `first` to `stop` between the blocks. Each ends `before` rows
    before a block and begins `behind` rows after one; some are empty.
    """
    starts = [first, *(end + behind for _, end in blocks)]
    ends = [*(start - before for start, _ in blocks), stop]
    return list(zip(starts, ends, strict=True))


def _rows(spans: Iterable[tuple[int, int]]) -> Rows:
    return np.concatenate([np.empty(0, np.int64), *(np.arange(start, end) for start, end in spans)])


def require_enough_rows(config: DataConfig, folds: Sequence[FoldRows], warm_up: int) -> None:
    """Raise SplitError unless every split of every fold has at least `min_rows` rows."""
    advice = _DATE_ADVICE if config.split.fractions is None else _FRACTION_ADVICE
    advice, gap, mend = {name: f": {told}" for name, told in advice.items()}, "", ""
    if config.max_gap is not None:
        advice, gap = dict.fromkeys(advice, ""), f", max_gap {config.max_gap}"
        mend = f"; raise data.max_gap above {config.max_gap}, use a shorter seq_len or a longer series"
    for split in folds:
        short = short_splits(split)
        if not short:
            continue
        shortages = "; ".join(
            f"{name} has {split.counts[name]} rows and needs {min_rows(name)}{advice[name]}" for name in short
        )
        fold = split.name and f"; {split.name}"
        raise SplitError(
            f"{config.shown_source} gives too few rows after a warm-up of {warm_up} (seq_len {config.seq_len}"
            f"{gap}{fold}): {shortages}{mend}"
        )


def short_splits(split: FoldRows) -> list[str]:
    """The splits of a fold that have fewer rows than they need."""
    needed = [name for name in split.counts if split.needs_test or name != "test"]
    return [name for name in needed if split.counts[name] < min_rows(name)]


def min_rows(split: str) -> int:
    """Fewest rows that a split may have."""
    return MIN_TRAIN if split == "train" else MIN_HELD_OUT


def _bounds(
    config: DataConfig, times: "pd.DatetimeIndex", built: FeaturesAndTarget, offsets: Offsets
) -> list[tuple[int, int]]:
    """For each series, the first row after train, and the first row after validation."""
    split = config.split
    if split.fractions is not None:
        # Rounded before the floor: 0.6 + 0.2 falls short of 0.8 in binary.
        train, validation = split.fractions.train, split.fractions.train + split.fractions.validation
        moments = times.asi8
        usable = np.sort(moments[built.rows])
        counts = [int(round(share * len(usable), 6)) for share in (train, validation)]

        def rows_until(count: int, span: slice) -> int:
            if count == len(usable):
                return int(span.stop)
            return int(span.start + np.searchsorted(moments[span], usable[count]))

        return [(rows_until(counts[0], span), rows_until(counts[1], span)) for span in built.usable]
    assert split.validation_until is not None  # required by the configuration without fractions
    train_until = split.train_until or split.validation_until  # cpcv does not use it

    def rows_until_date(date: str, whole: slice, usable: slice) -> int:
        own = None if offsets is None else offsets[whole]
        found = whole.start + _rows_until(date, times[whole], own)
        # Up to `data.until` the last usable row is the last whose target is known: nothing more to purge.
        stop = usable.stop if config.until is None else usable.stop + config.target.horizon
        return int(min(max(found, usable.start), stop))

    return [
        (rows_until_date(train_until, *spans), rows_until_date(split.validation_until, *spans))
        for spans in zip(built.spans, built.usable, strict=True)
    ]


def _rows_until(date: str, times: "pd.DatetimeIndex", offsets: Offsets) -> int:
    """Number of rows up to the end of a date, on the source's clock or in the time zone that the date
    names.
    """
    # In microseconds, which can represent every date of the years 1 to 9999.
    moments = times.as_unit("us").to_numpy().astype("datetime64[us]")
    if offsets is not None and datetime.fromisoformat(date).tzinfo is None:
        # A clock that is set back in autumn shows one hour twice: the first of the two counts.
        moments = np.maximum.accumulate(moments + offsets.astype("timedelta64[s]"))
    return int(np.searchsorted(moments, np.datetime64(end_of_date(date), "us"), side="right"))
