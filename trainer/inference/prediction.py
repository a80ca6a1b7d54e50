"""Forecasts new rows from a model folder, without the store, the study file or the training data.

folder ──► what the model needs ──► new table ──► features ──► do they fit? ──► scaled windows ──► forecasts
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import nn

from trainer.config import DataConfig, Target
from trainer.data.arrays import Floats, Rows
from trainer.data.features import build_features
from trainer.data.input_drift import input_drifts, share_outside
from trainer.data.panel import by_series
from trainer.data.source import Table, read_table
from trainer.data.windows import require_ascending
from trainer.errors import ColumnError, DataError, ModelFolderError, SourceError
from trainer.inference.forecaster import forecast_rows
from trainer.inference.model_folder import ModelDescription, load_model


@dataclass(frozen=True)
class Forecasts:
    """One forecast for each of the n rows of the table that have a full window, in the order of the table.

    `times` (n,) are the times of the rows, `values` (n,) float64 the forecasts in the target's own `unit`.
    `target_times` (n,) are the times of the rows `horizon` ahead that the forecasts are for, NaT if the table
    ends before; both are naive UTC. `times_text` and `target_times_text` are the same on the source's clock,
    None if there is no such row. `unseen` is the number of forecasts for rows after `seen_until`, the last
    row that the model was trained or chosen on.
    """

    times: pd.DatetimeIndex
    values: Floats
    target_times: pd.DatetimeIndex
    times_text: tuple[str, ...]
    target_times_text: tuple[str | None, ...]
    offsets: npt.NDArray[np.int64] | None
    """Seconds (n,) from UTC to the source's clock at each row; None if the source has no other clock."""
    target_offsets: npt.NDArray[np.int64] | None
    """The same at the rows that the forecasts are for; of no meaning where there is none."""
    horizon: int
    unit: str
    unseen: int
    seen_until: str
    warnings: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """Columns time, forecast, of (the time of the target), horizon; times are text if the source has a
        zone.
        """
        time, of = (
            (list(self.times_text), list(self.target_times_text))
            if self.offsets is not None
            else (self.times, self.target_times)
        )
        return pd.DataFrame({"time": time, "forecast": self.values, "of": of, "horizon": self.horizon})


@dataclass(frozen=True)
class LoadedModel:
    """A model folder that was read once, for any number of forecasts."""

    folder: Path
    description: ModelDescription
    forecaster: nn.Module


def read_model(folder: Path) -> LoadedModel:
    """Read a model folder. Raises ModelFolderError if the folder cannot be used."""
    return LoadedModel(folder, *load_model(folder))


def predict(folder: Path, source: str, *, allow_range: bool = False) -> Forecasts:
    """Read a model folder and forecast once; see `forecast_table`."""
    return forecast_table(read_model(folder), source, allow_range=allow_range)


def forecast_table(loaded: LoadedModel, source: str, *, allow_range: bool = False) -> Forecasts:
    """Forecasts for the rows of `source`, a CSV or Parquet file or `sample:NAME`.

    Raises ModelFolderError if the model forecasts no finite number, and DataError if the table lacks a
    column, a row that a window needs is not finite, times do not ascend, no window is full, or the rows are
    unlike the training rows. With `allow_range` the last of these is only a warning.
    """
    model, folder = loaded.description, loaded.folder
    table = _read(model, folder, source)
    require_ascending(table)
    parts = _features(model, table)
    odd = _drift_clauses(model, table, parts)
    if odd and not allow_range:
        raise DataError(
            f"{source} is not like what the model in {folder} was trained on: {'; '.join(odd)}; is a column "
            "in another unit, or of another instrument? Correct it, train on rows like these, or go on: "
            "--allow-range"
        )
    values = np.concatenate([_values(model, loaded.forecaster, features) for _, features in parts])
    if not np.isfinite(values).all():
        raise ModelFolderError(
            f"the model in {folder} forecasts what is no finite number: it does not come of a training; save "
            "it again: ballast train best.yaml --save FOLDER"
        )
    rows = np.concatenate([np.arange(span.start + model.data.seq_len - 1, span.stop) for span, _ in parts])
    horizon = model.data.target.horizon
    ahead = _rows_ahead(table, horizon)[rows]
    return Forecasts(
        times=table.times[rows],
        values=values,
        target_times=pd.DatetimeIndex(table.times[ahead].where(ahead >= 0)),
        times_text=tuple(table.when(row) for row in rows.tolist()),
        target_times_text=tuple(table.when(row) if row >= 0 else None for row in ahead.tolist()),
        offsets=None if table.offsets is None else table.offsets[rows],
        target_offsets=None if table.offsets is None else table.offsets[ahead],
        horizon=horizon,
        unit=model.target.unit,
        unseen=int((table.times[rows] > _naive_utc(model.rows.until)).sum()),
        seen_until=model.rows.until,
        warnings=(*odd, *_few_outside(model, np.concatenate([features for _, features in parts]))),
    )


def _read(model: ModelDescription, folder: Path, source: str) -> Table:
    config = _inputs_alone(model.data, source)
    if not source.startswith("sample:") and not Path(source).exists():
        raise SourceError(
            f"--data {source}: there is no such file; name a CSV or Parquet file, or sample:sp500"
        )
    try:
        table = read_table(config, folder=Path())
    except ColumnError as error:
        raise ColumnError(f"{source} does not fit the model in {folder}: {error}") from None
    for name, values in table.frame.items():
        if values.isna().all():
            raise DataError(f"{source}: column {name} holds no number, and the model in {folder} needs it")
    return table


def _inputs_alone(config: DataConfig, source: str) -> DataConfig:
    """The data section without the columns of the target, which new rows may lack."""
    needs_no_column = Target(of=config.features[0].name, kind="other", horizon=config.target.horizon)
    return config.model_copy(update={"source": source, "target": needs_no_column})


_SeriesFeatures = tuple[slice, Floats]
"""The rows of one series from the end of its warm-up to its end, and their features (rows, features)."""


def _features(model: ModelDescription, table: Table) -> list[_SeriesFeatures]:
    """The features, finite, of each series with a full window; DataError if there is none."""
    built = build_features(_inputs_alone(model.data, table.source), table)
    spans = [slice(usable.start, span.stop) for usable, span in zip(built.usable, built.spans, strict=True)]
    cells, seq_len = built.features.to_numpy(np.float64), model.data.seq_len
    parts = [(span, cells[span]) for span in spans if span.stop - span.start >= seq_len]
    if not parts:
        longest = max(span.stop - span.start for span in built.spans)
        raise DataError(
            f"{table.source} has {longest} rows; a forecast needs {built.warm_up} to warm up the "
            f"features and {seq_len} for the model's window: give at least {built.warm_up + seq_len} rows"
        )
    for span, features in parts:
        bad = np.argwhere(~np.isfinite(features))
        if len(bad):
            row, column = bad[0]
            raise DataError(
                f"{table.place(span.start + row)}: feature {model.features[column].name} is "
                f"{features[row, column]} at {table.when(span.start + row)} ({len(bad)} such cells), and "
                "windows need it; correct or remove these rows"
            )
    return parts


def _drift_clauses(model: ModelDescription, table: Table, parts: Sequence[_SeriesFeatures]) -> list[str]:
    """Why the rows of a series are unlike the training rows, a clause each."""
    times = table.times.to_numpy()
    return [
        f"{odd.message} up to {table.place(span.start + odd.until)}"
        for span, features in parts
        for odd in input_drifts(model.features, model.rows.spacing, features, times[span])
    ]


def _values(model: ModelDescription, forecaster: nn.Module, features: Floats) -> Floats:
    """Forecasts in the target's unit for each row of `features` (rows, features) with a full window."""
    mean, std = _moments(model)
    clip = model.data.feature_clip
    scaled = np.clip((features - mean) / std, -clip, clip).astype(np.float32)
    standardised = forecast_rows(forecaster, scaled, model.data.seq_len).astype(np.float64)
    values: Floats = standardised * model.target.std + model.target.mean
    return values


def _few_outside(model: ModelDescription, features: Floats) -> list[str]:
    """A clause for each feature with single rows outside its training range, which is no reason to refuse."""
    shares = {
        look.name: share_outside(look, values)
        for look, values in zip(model.features, features.T, strict=True)
    }
    return [
        f"{name} lies outside its range in training in {share:.2%} of the rows"
        for name, share in shares.items()
        if share > 0
    ]


def _moments(model: ModelDescription) -> tuple[Floats, Floats]:
    return (
        np.array([look.mean for look in model.features]),
        np.array([look.std for look in model.features]),
    )


def _naive_utc(moment: str) -> pd.Timestamp:
    stamp = pd.Timestamp(moment)
    return stamp if stamp.tzinfo is None else stamp.tz_convert("UTC").tz_localize(None)


def _rows_ahead(table: Table, rows: int) -> Rows:
    """The row `rows` rows after each one in its series, (T,); -1 after the end of the series."""

    def ahead(numbers: Rows) -> Rows:
        return np.concatenate([numbers[rows:], np.full(min(rows, len(numbers)), -1)])

    return by_series(table.series_starts, ahead, np.arange(len(table.frame)))
