"""Prepares the data of a trial: for each fold the scaled features and target, and the rows of each split.

The window of row t is `features[t - seq_len + 1 : t + 1]`. Windows overlap, so that they are not copied here:
the trainer gathers those of a batch. This, and `flat_windows` of the rivals, are the only places where
consecutive rows are taken to belong together; the rows of each split are chosen so that they do. All other
code that looks from row to row does so within one series, see `trainer.data.panel`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.config import DataConfig, TargetKind
from trainer.data.arrays import Floats, Rows
from trainer.data.features import FeaturesAndTarget, build_features
from trainer.data.panel import ONE_SERIES, name_of_row, series_spans
from trainer.data.scaler import Scaler, clipped, fitted_scaler
from trainer.data.source import Table
from trainer.data.split import (
    FoldRows,
    Offsets,
    cut_all_rows,
    cut_folds,
    cut_refit,
    require_enough_rows,
)
from trainer.data.target_history import TargetHistory, target_history
from trainer.data.weights import training_weights
from trainer.errors import DataError
from trainer.losses import Loss


@dataclass(frozen=True)
class Dataset:
    """Arrays of one trial, all finite: T rows from the end of the warm-up to the last target, F features.

    `features` (T, F) float32 is standardised and clipped; `target` (T,) float32 is clipped in its own unit,
    then standardised; `times` (T,) datetime64[ns]. `train`, `validation` and `test` are positions in these
    arrays.
    """

    features: npt.NDArray[np.float32]
    target: npt.NDArray[np.float32]
    times: npt.NDArray[np.datetime64]
    feature_names: tuple[str, ...]
    seq_len: int
    horizon: int
    kind: TargetKind
    train: Rows
    validation: Rows
    test: Rows
    fitting: Rows
    """Every row that training windows of any `seq_len` contain; scaler and baselines are fitted on these."""
    scaler: Scaler
    feature_clipped: Mapping[str, float]
    """Share of the training and validation values that are clipped, by feature; 0 to 1."""
    target_clipped: float
    """Share of the training and validation targets that are clipped; 0 to 1."""
    history: TargetHistory
    """The known past of the target at each row; naive forecasts and rivals use it."""
    sha256: str
    """SHA-256 of the source's bytes, the columns read from them, and the validation and test rows."""
    offsets: Offsets = None
    """Seconds from UTC to the source's clock, (T,); None if its times are naive or in UTC."""
    series_starts: Rows = field(default_factory=ONE_SERIES.copy)
    """The first row of each series, (S,); see `trainer.data.panel`."""
    series_names: tuple[str, ...] = ()
    """The names of the series, (S,); empty for one series without a name."""
    unseen: Rows = field(default_factory=lambda: np.empty(0, np.int64))
    """The test rows of the series that are held back whole."""
    fold: str = ""
    """The name of the fold, as `FoldRows.name`; empty if there is only one."""
    positions: npt.NDArray[np.int64] | None = None
    """Line of the file, or row of the Parquet file, of each row, (T,), 1-based; None if there is no file."""
    counted_in: str = "line"
    """What `positions` count: `line` or `row`."""
    weights: npt.NDArray[np.float32] | None = None
    """How much each row counts in the training loss, (T,): mean 1 over the training rows, 0 elsewhere; None
    if all count the same."""

    def each_series(self) -> Iterator[tuple[int, "Dataset"]]:
        """The first row of each series that has rows, and the data of that series alone."""
        for number, span in enumerate(series_spans(self.series_starts, len(self.target))):
            if span.start < span.stop:
                yield span.start, self._of(span, number)

    def in_units(self, loss: Loss) -> Loss:
        """The loss of forecasts that are standardised as the target of this fold is."""
        return loss.scaled(self.scaler.target_std)

    @property
    def series_numbers(self) -> Rows:
        """The number of the series of each row, from 0, (T,)."""
        spans = series_spans(self.series_starts, len(self.target))
        return np.repeat(np.arange(len(spans)), [span.stop - span.start for span in spans])

    @property
    def seen(self) -> int:
        """Rows of a single series up to its last validation row; without any, up to its last fitting row."""
        rows = self.validation if len(self.validation) else self.fitting
        return int(rows[-1]) + 1 if len(rows) else 0

    def _of(self, span: slice, number: int) -> "Dataset":
        if span == slice(0, len(self.target)):
            return self

        def inside(rows: Rows) -> Rows:
            first, last = np.searchsorted(rows, (span.start, span.stop))
            within: Rows = rows[first:last] - span.start
            return within

        return replace(
            self,
            features=self.features[span],
            target=self.target[span],
            times=self.times[span],
            train=inside(self.train),
            validation=inside(self.validation),
            test=inside(self.test),
            fitting=inside(self.fitting),
            unseen=inside(self.unseen),
            history=self.history.of(span),
            offsets=None if self.offsets is None else self.offsets[span],
            series_starts=ONE_SERIES.copy(),
            series_names=self.series_names[number : number + 1],
            scaler=self.scaler.of_one(number),
            positions=None if self.positions is None else self.positions[span],
            weights=None if self.weights is None else self.weights[span],
        )

    def when(self, row: int) -> str:
        """The time of a row of these arrays, on the clock of the source."""
        from trainer.data.times import format_time

        return format_time(self.times[row], None if self.offsets is None else int(self.offsets[row]))

    def where(self, row: int) -> str:
        """The series, time and place of a row in the source: `GOOG at 2023-06-01 (line 17)`."""
        when = f"{self.series_of(row)} at {self.when(row)}" if self.series_names else self.when(row)
        return when if self.positions is None else f"{when} ({self.counted_in} {self.positions[row]})"

    def series_of(self, row: int) -> str:
        """The name of the series of a row of these arrays; empty if it has none."""
        return name_of_row(self.series_names, self.series_starts, row)


def prepare_folds(config: DataConfig, table: Table) -> tuple[Dataset, ...]:
    """Compute the features, cut the folds, scale and clip. Each fold is scaled by its own training rows.

    Raises `DataError` if times do not ascend or a cell is not finite (clipping would hide an infinity, so
    this is tested first), `SplitError` if a split is too short, `ColumnError` if a series is constant in the
    training rows.
    """
    built, folds = _usable(config, table)
    shared = _SharedRows.of(config, table, built)
    return tuple(_fold(config, table, built, shared, split) for split in folds)


def prepare_last_fold(config: DataConfig, table: Table) -> Dataset:
    """The last fold, which in every method trains only on rows before its validation rows; a holdout has one
    fold. Raises as `prepare_folds` does.
    """
    return prepare_folds(config, table)[-1]


def prepare_refit(config: DataConfig, table: Table) -> Dataset:
    """Every row before the test as training rows, and no validation rows: for a model that is evaluated on
    the test rows. Raises as `prepare_folds` does.
    """
    built, _ = _usable(config, table)
    split = cut_refit(config, table.times, built, table.offsets)
    return _scaled(config, table, built, _SharedRows.of(config, table, built), split)


def prepare_all_rows(config: DataConfig, table: Table) -> Dataset:
    """Every row that has a target as training rows, and no others: for a model that goes live. Raises as
    `prepare_folds` does.
    """
    built, _ = _usable(config, table)
    split = cut_all_rows(config, table.times, built)
    return _scaled(config, table, built, _SharedRows.of(config, table, built), split)


def _usable(config: DataConfig, table: Table) -> tuple[FeaturesAndTarget, tuple[FoldRows, ...]]:
    """The features, the target and the rows of each fold, all checked."""
    require_ascending(table)
    built = build_features(config, table)
    folds = cut_folds(config, table.times, built, table.offsets)
    require_enough_rows(config, folds, built.first)
    _require_finite(config, table, built)
    return built, folds


def _fold(
    config: DataConfig, table: Table, built: FeaturesAndTarget, shared: "_SharedRows", split: FoldRows
) -> Dataset:
    """The data of one fold; a DataError names the fold."""
    try:
        return _scaled(config, table, built, shared, split)
    except DataError as error:
        raise with_fold_name(error, split.name) from None


def with_fold_name(error: DataError, name: str) -> DataError:
    """The error with the name of its fold before the message; unchanged if the name is empty."""
    return type(error)(f"{name}: {error}") if name else error


@dataclass(frozen=True)
class _SharedRows:
    """What all folds have of the usable rows: one copy, whatever the number of folds."""

    rows: Rows
    series: Rows
    """The number of the series of each."""
    series_starts: Rows
    times: npt.NDArray[np.datetime64]
    offsets: Offsets
    positions: npt.NDArray[np.int64]
    history: TargetHistory

    @classmethod
    def of(cls, config: DataConfig, table: Table, built: FeaturesAndTarget) -> "_SharedRows":
        """The usable rows of a table."""
        rows, lengths = built.rows, [span.stop - span.start for span in built.usable]
        return cls(
            rows=rows,
            series=np.repeat(np.arange(len(lengths)), lengths),
            series_starts=np.cumsum([0, *lengths[:-1]]),
            times=table.times.to_numpy()[rows],
            offsets=None if table.offsets is None else table.offsets[rows],
            positions=table.positions[rows],
            history=target_history(config, table, built),
        )


def _scaled(
    config: DataConfig, table: Table, built: FeaturesAndTarget, shared: _SharedRows, split: FoldRows
) -> Dataset:
    """The data of one fold, standardised by its own training rows, then clipped."""
    rows = shared.rows
    parts = (split.fitting, split.train, split.validation, split.test, split.unseen)
    fitting, train, validation, test, unseen = (np.searchsorted(rows, part) for part in parts)
    scaler = fitted_scaler(config, built, split, shared.series[fitting])
    missing, seen = np.flatnonzero(built.missing[rows]), np.concatenate([fitting, validation])
    features, shares = _scaled_features(built, shared, scaler, missing, seen)
    target = built.target.to_numpy(np.float64)[rows]  # (T,)
    target_mean, target_std = scaler.target_moments(shared.series)
    target[missing] = np.where(np.isnan(target[missing]), target_mean[missing], target[missing])
    bound = scaler.target_clip
    return Dataset(
        features=features,
        target=_to_float32((clipped(target, bound) - target_mean) / target_std, table, rows),
        times=shared.times,
        feature_names=tuple(shares),
        seq_len=config.seq_len,
        horizon=config.target.horizon,
        kind=config.target.kind,
        train=train,
        validation=validation,
        test=test,
        fitting=fitting,
        unseen=unseen,
        scaler=scaler,
        feature_clipped=shares,
        target_clipped=0.0 if bound is None else float((np.abs(target[seen]) > bound).mean()),
        history=shared.history,
        sha256=_fingerprint(table, split),
        offsets=shared.offsets,
        series_starts=shared.series_starts,
        series_names=table.series_names,
        fold=split.name,
        positions=shared.positions,
        counted_in=table.counted_in,
        weights=training_weights(config, table, rows, split.train),
    )


def _scaled_features(
    built: FeaturesAndTarget, shared: _SharedRows, scaler: Scaler, missing: Rows, seen: Rows
) -> tuple[npt.NDArray[np.float32], dict[str, float]]:
    """The features (T, F), scaled and clipped, and the share of the `seen` rows that is clipped, by name.

    One after the other, so that no more than one column is copied in float64.
    """
    clip, shares = scaler.feature_clip, {}
    features = np.empty((len(shared.rows), len(built.features.columns)), np.float32)
    for number, (name, values) in enumerate(built.features.items()):
        mean, std = scaler.moments_of(number, shared.series)
        column = values.to_numpy(np.float64)[shared.rows]
        column -= mean
        column /= std
        column[missing] = np.nan_to_num(column[missing], nan=0.0)
        shares[str(name)] = float((np.abs(column[seen]) > clip).mean())
        features[:, number] = np.clip(column, -clip, clip, out=column)
    return features, shares


def require_ascending(table: Table) -> None:
    """Raise DataError at the first time that is not later than the one before in its series."""
    is_late = np.diff(table.times.asi8) <= 0
    is_late[table.series_starts[1:] - 1] = False
    late = np.flatnonzero(is_late)
    if len(late):
        row = int(late[0]) + 1
        raise DataError(
            f"{table.place(row)}: time {table.when(row)} is not later than {table.when(row - 1)} before "
            "it; sort the rows by time and remove repetitions"
        )


def _require_finite(config: DataConfig, table: Table, built: FeaturesAndTarget) -> None:
    """Raise DataError for the first non-finite cell between the warm-up and the last target."""
    named = [(f"feature {feature.name}", built.features[feature.name]) for feature in config.features]
    for name, values in [*named, ("the target", built.target)]:
        cells = values.to_numpy(np.float64)[built.rows]
        bad = np.flatnonzero(~np.isfinite(cells) & ~built.missing[built.rows])
        if len(bad):
            row = int(built.rows[bad[0]])
            raise DataError(
                f"{table.place(row)}: {name} is {cells[bad[0]]} at {table.when(row)} ({len(bad)} such "
                "rows); see the audit with ballast check, then correct or remove these rows"
            )


def _to_float32(target: Floats, table: Table, rows: Rows) -> npt.NDArray[np.float32]:
    too_large = np.flatnonzero(np.abs(target) > np.finfo(np.float32).max)
    if len(too_large):
        row = int(rows[too_large[0]])
        raise DataError(
            f"{table.place(row)}: the target at {table.when(row)} is {target[too_large[0]]:.3g} training "
            "standard deviations from its mean; correct the value or set data.target.clip"
        )
    return target.astype(np.float32)


def _fingerprint(table: Table, split: FoldRows) -> str:
    """SHA-256 (hex) of the values that were read and of the held-out rows. Computed arrays are left out,
    because their last bits differ between machines.
    """
    digest = hashlib.sha256(table.sha256.encode())
    digest.update(_little_endian(table.times.asi8))
    if table.series_names:
        digest.update("\0".join(table.series_names).encode() + table.series_starts.astype("<i8").tobytes())
    for name, values in table.frame.items():
        digest.update(str(name).encode() + b"\0")
        digest.update(_little_endian(values.to_numpy(np.float64)))
    for rows in (split.validation, split.test, *([split.unseen] if len(split.unseen) else [])):
        digest.update(len(rows).to_bytes(8, "little"))
        digest.update(_little_endian(rows))
    return digest.hexdigest()


def _little_endian(values: npt.NDArray[Any]) -> memoryview:
    """The bytes of the values (n,), the same on every machine; not copied if this machine has them so."""
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).data
