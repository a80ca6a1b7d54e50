"""Forecasts new rows from a model folder, without the store, the study file or the training data.

folder ──► what the model needs ──► new table ──► features ──► whole windows ──► do they fit? ──► forecasts
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from trainer.config import CROSS_SECTION, DataConfig, Target, is_path, is_pattern
from trainer.data.arrays import Floats, Rows
from trainer.data.features import FeaturesAndTarget, build_features
from trainer.data.input_drift import YEAR, input_drifts, share_outside
from trainer.data.panel import by_series
from trainer.data.segments import segment_starts
from trainer.data.source import Table, read_table
from trainer.data.windows import require_ascending
from trainer.errors import ColumnError, DataError, ModelFolderError, SourceError
from trainer.inference.error_sizes import absolute_errors, recent_sizes, rows_behind
from trainer.inference.forecasts import Forecasts, SplitName, bars_per_year, naive_utc, row_splits
from trainer.inference.gru_forward import Network, forecast_rows
from trainer.inference.model_description import ModelDescription
from trainer.inference.model_folder import load_model
from trainer.inference.panel_checks import (
    files_are_series,
    new_series,
    require_known_series,
    require_series_to_compare,
    series_warnings,
    unlike_warnings,
)
from trainer.inference.unusable_rows import Mask, UnusableRow, unusable_rows
from trainer.losses import point_forecast

_MOST_NAMED = 10
"""Rows without numbers that are named, the newest ones; and clauses on rows unlike those of the training."""


@dataclass(frozen=True)
class LoadedModel:
    """A model folder that was read once, for any number of forecasts."""

    folder: Path
    description: ModelDescription
    networks: tuple[Network, ...]


def read_model(folder: Path) -> LoadedModel:
    """Read a model folder. Raises ModelFolderError if the folder cannot be used."""
    return LoadedModel(folder, *load_model(folder))


def predict(
    folder: Path,
    source: str,
    *,
    allow_range: bool = False,
    allow_unseen: bool = False,
    last: int | None = None,
) -> Forecasts:
    """Read a model folder and forecast once; see `forecast_table`."""
    loaded = read_model(folder)
    return forecast_table(loaded, source, allow_range=allow_range, allow_unseen=allow_unseen, last=last)


def forecast_table(
    loaded: LoadedModel,
    source: str,
    *,
    allow_range: bool = False,
    allow_unseen: bool = False,
    last: int | None = None,
    series_in: str | None = None,
) -> Forecasts:
    """Forecasts for the rows of `source`: a CSV or Parquet file, a pattern of files, or `sample:NAME`.

    A row whose window holds a cell that is not finite is not forecast, and `left_out` names the cell; there
    may be no forecast at all. With `last` ≥ 1 only so many forecasts are made, of the newest rows of each
    series that have one, and only their windows and the year before are compared with the training rows.

    `series_in` names the column of the series in one table of all of them, for a model that was trained on a
    file for each. A series whose rows are unlike the training rows has no forecast either, and a warning
    says why.

    Raises ModelFolderError if the model forecasts no finite number, and DataError if the table lacks a
    column, times do not ascend, the rows are too few for a window, all series are unlike the training rows,
    or one was not trained on. With `allow_range` and `allow_unseen` the last two are only warnings.
    """
    model, folder = loaded.description, loaded.folder
    table = _read(model, folder, source, series_in)
    if not allow_unseen:
        require_known_series(model, folder, table)
    require_series_to_compare(model, table)
    require_ascending(table)
    built = build_features(_inputs_alone(model.data, table.source), table)
    _require_a_window(model, table, built)
    found = _whole_windows(model, table, built, last)
    drifts = _drift_clauses(model, table, found)
    odd = [clause for clauses in drifts for clause in clauses]
    unlike = np.array([bool(clauses) for clauses in drifts]) & (not allow_range)
    like = found.without(unlike)
    if odd and not len(like.rows) and len(found.rows):
        raise DataError(
            f"{source} is not like what the model in {folder} was trained on: {_clauses(odd)}; is a column "
            "in another unit, or of another instrument? Correct it, train on rows like these, or go on: "
            "--allow-range"
        )
    without = _without_forecast(table, found)
    found = like
    told = _values(loaded, table, found, found.rows)
    values, quantiles = point_forecast(told, model.trained_by), told if told.ndim > 1 else None
    if not np.isfinite(told).all():
        raise ModelFolderError(
            f"the model in {folder} forecasts what is no finite number: it does not come of a training; save "
            "it again: ballast train best.yaml --save FOLDER"
        )
    rows, horizon = found.rows, model.data.target.horizon
    ahead = _rows_ahead(
        segment_starts(model.data, table.times, table.series_starts), len(table.frame), horizon
    )
    ahead = ahead[rows]
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
        unseen=int((table.times[rows] > naive_utc(model.rows.until)).sum()),
        seen_until=model.rows.until,
        warnings=(
            *series_warnings(model, table, without),
            *odd,
            *unlike_warnings([name for name, left in zip(table.series_names, unlike, strict=False) if left]),
            *_few_outside(model, found),
            *_crossing_clauses(model.data, found.crossing),
            *_lonely_clauses(found.lonely),
            *(f"left out: {row}, which has no numbers" for row in table.empty_tail[-_MOST_NAMED:]),
        ),
        splits=_splits(model, table, rows),
        left_out=_left_out(model, table, built, found),
        series=tuple(table.series_of(row) for row in rows.tolist()) if table.series_names else (),
        series_column=model.data.series_column or "series",
        new=new_series(model, table),
        none=_without_forecast(table, found),
        bars_per_year=bars_per_year(model),
        intervals=model.intervals,
        error_sizes=_error_sizes(loaded, table, found, values),
        quantiles=quantiles,
        quantile_levels=model.quantiles,
    )


def _error_sizes(loaded: LoadedModel, table: Table, found: "_Windows", values: Floats) -> Floats | None:
    """How large the errors were that are known at each row of `found`, (n,), whose forecasts are `values`;
    None if the bounds do not follow them.
    """
    model = loaded.description
    if model.intervals is None or model.intervals.recent is None:
        return None
    target = model.data.target
    if len(table.series_starts) < 2 and (target.relative or target.transform in CROSS_SECTION):
        return None  # the target compares series, so that one alone has no past
    before = np.concatenate(found.before)
    rows = np.concatenate([before, found.rows])
    earlier = point_forecast(_values(loaded, table, found, before), model.trained_by)
    forecasts = np.concatenate([earlier, values])
    past = build_features(model.data.model_copy(update={"source": table.source}), table).target
    errors = absolute_errors(past.to_numpy(np.float64), model.target.clip, rows, forecasts)
    errors[rows] /= model.intervals.scale(forecasts)
    errors[table.times <= naive_utc(model.rows.until)] /= model.intervals.recent.seen
    return recent_sizes(errors, table.series_starts, target.horizon)[found.rows]


def _splits(model: ModelDescription, table: Table, rows: Rows) -> tuple[SplitName, ...]:
    """The split of each row, (n,); the rows of a series that was not trained on are all unseen."""
    splits = row_splits(model, table.times[rows])
    new = set(new_series(model, table))
    if not new:
        return splits
    return tuple(
        "unseen" if table.series_of(row) in new else split
        for row, split in zip(rows.tolist(), splits, strict=True)
    )


def _without_forecast(table: Table, found: "_Windows") -> tuple[str, ...]:
    """The names of the series that have no forecast."""
    named = zip(table.series_names, found.by_series, strict=False)
    return tuple(name for name, rows in named if not len(rows))


def _read(model: ModelDescription, folder: Path, source: str, series_in: str | None) -> Table:
    config = _inputs_alone(model.data, source)
    if series_in is not None:
        config = config.model_copy(update={"layout": "long", "series": series_in})
    elif files_are_series(model):  # one file does not show that it is a series
        config = config.model_copy(update={"layout": "files"})
    if is_path(source) and not is_pattern(source) and not Path(source).exists():
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
    """The data section without the columns of the target and the weights, which new rows may lack."""
    needs_no_column = Target(of=config.features[0].name, kind="other", horizon=config.target.horizon)
    free = {"weights": "none", "since": None, "until": None}  # new rows lie after those of the study
    return config.model_copy(update={"source": source, "target": needs_no_column, **free})


def _require_a_window(model: ModelDescription, table: Table, built: FeaturesAndTarget) -> None:
    """Raise DataError if no series has the rows that the features and one window need."""
    seq_len = model.data.seq_len
    ready = [span.stop - usable.start for usable, span in zip(built.usable, built.spans, strict=True)]
    if max(ready) < seq_len:
        longest = max(span.stop - span.start for span in built.spans)
        raise DataError(
            f"{table.source} has {longest} rows; a forecast needs {built.warm_up} to warm up the "
            f"features and {seq_len} for the model's window: give at least {built.warm_up + seq_len} rows"
        )


@dataclass(frozen=True)
class RowMoments:
    """The moments that standardise each row of a table: of features (T, F), of the target (T,)."""

    mean: Floats
    std: Floats
    target_mean: Floats
    target_std: Floats


def moments_of_rows(model: ModelDescription, table: Table) -> RowMoments:
    """Those of the row's series if the model has them, else those of all training rows together."""
    pooled = (
        np.array([look.mean for look in model.features]),
        np.array([look.std for look in model.features]),
        model.target.mean,
        model.target.std,
    )
    own = {each.name: each for each in model.series if each.target_std is not None}
    names = table.series_names or ("",) * len(table.spans)
    parts = [
        (np.array(one.feature_mean), np.array(one.feature_std), one.target_mean, one.target_std)
        if (one := own.get(name)) is not None
        else pooled
        for name in names
    ]
    lengths = [span.stop - span.start for span in table.spans]
    mean, std, target_mean, target_std = (
        np.repeat(np.array(each, np.float64), lengths, axis=0) for each in zip(*parts, strict=True)
    )
    return RowMoments(mean, std, target_mean, target_std)


@dataclass(frozen=True)
class _Windows:
    """The rows with a whole window, and what their windows are cut from.

    `cells` (T, F) are the features, `usable` (T,) the rows whose own are all finite. `by_series` has the rows
    that are forecast of each of `spans`; if `is_limited`, only the newest ones.
    """

    cells: Floats
    usable: Mask
    spans: tuple[slice, ...]
    by_series: tuple[Rows, ...]
    before: tuple[Rows, ...]
    """The rows with a whole window before those of `by_series` that the bounds of these may follow; none
    unless it is limited."""
    is_limited: bool
    crossing: int
    """Rows that have no forecast because their window crosses a gap longer than `max_gap`."""
    lonely: int = 0
    """Rows that have no forecast because a feature compares more series than have a row at their time."""

    @property
    def rows(self) -> Rows:
        """All rows that are forecast, (n,)."""
        return np.concatenate(self.by_series)

    def without(self, dropped: Mask) -> "_Windows":
        """The same without the forecasts of some series, a mask (S,)."""
        none = np.zeros(0, np.int64)
        kept = (none if drop else rows for rows, drop in zip(self.by_series, dropped, strict=True))
        return replace(self, by_series=tuple(kept))

    def with_rows_before(self, before: int) -> list[Rows]:
        """The rows of each series; if it is limited, from `before` rows before its first forecast on."""
        starts = [
            max(span.start, int(rows[0]) - before) if self.is_limited and len(rows) else span.start
            for span, rows in zip(self.spans, self.by_series, strict=True)
        ]
        return [np.arange(start, span.stop) for start, span in zip(starts, self.spans, strict=True)]

    def judged(self, seq_len: int) -> list[Rows]:
        """The usable rows of each series that are compared with the training rows."""
        rows = self.with_rows_before(max(seq_len, YEAR) - 1)
        return [each[self.usable[each]] for each in rows]


def _whole_windows(
    model: ModelDescription, table: Table, built: FeaturesAndTarget, last: int | None
) -> _Windows:
    cells, seq_len = built.features.to_numpy(np.float64), model.data.seq_len
    # As in training, a window may hold a row with too few series to compare, and none is forecast from it.
    cells = np.where(built.missing[:, None] & ~np.isfinite(cells), moments_of_rows(model, table).mean, cells)
    usable = np.isfinite(cells).all(axis=1)
    for span, ready in zip(built.spans, built.usable, strict=True):
        usable[span.start : ready.start] = False

    def whole_within(starts: Rows) -> Mask:
        return by_series(starts, lambda good: _run_length(good) >= seq_len, usable)

    without_gaps = whole_within(segment_starts(model.data, table.times, table.series_starts))
    crossing = int((whole_within(table.series_starts) & ~without_gaps).sum())
    if crossing and not without_gaps.any():
        raise DataError(
            f"{table.source} has no {seq_len} rows without a gap longer than data.max_gap "
            f"{model.data.max_gap}, and the window of a forecast needs them; give rows without such gaps"
        )
    whole = without_gaps & ~built.missing
    rows = [span.start + np.flatnonzero(whole[span]) for span in built.spans]
    newest = tuple(each if last is None else each[-last:] for each in rows)
    behind = rows_behind(model.data.target.horizon) + model.data.target.horizon
    before = tuple(
        each[max(len(each) - len(kept) - behind, 0) : len(each) - len(kept)]
        for each, kept in zip(rows, newest, strict=True)
    )
    lonely = _after_the_first(newest, without_gaps & built.missing, built.spans, is_limited=last is not None)
    return _Windows(
        cells,
        usable & ~built.missing,
        built.spans,
        newest,
        before,
        last is not None,
        crossing if last is None else 0,
        lonely,
    )


def _after_the_first(forecast: Sequence[Rows], of: Mask, spans: Sequence[slice], *, is_limited: bool) -> int:
    """How many rows are `of` a kind, (T,); if it is limited, those behind the first forecast of each series,
    and all of a series without any.
    """
    starts = [
        int(rows[0]) if is_limited and len(rows) else span.start
        for span, rows in zip(spans, forecast, strict=True)
    ]
    return sum(int(of[start : span.stop].sum()) for start, span in zip(starts, spans, strict=True))


def _run_length(good: Mask) -> Rows:
    """How many rows up to each one, it included, are good without a break: (T,)."""
    rows = np.arange(len(good))
    lengths: Rows = rows - np.maximum.accumulate(np.where(good, -1, rows))
    return lengths


def _left_out(
    model: ModelDescription, table: Table, built: FeaturesAndTarget, found: _Windows
) -> tuple[UnusableRow, ...]:
    """The unusable rows that cost one of the forecasts, or a newer one."""
    counted = np.zeros(len(found.usable), bool)
    counted[np.concatenate(found.with_rows_before(model.data.seq_len - 1 + built.reach))] = True
    unusable = unusable_rows(_inputs_alone(model.data, table.source), table, built)
    return tuple(each for each in unusable if counted[each.row])


def _drift_clauses(model: ModelDescription, table: Table, found: _Windows) -> list[list[str]]:
    """For each series, why its rows are unlike the training rows, a clause each."""
    times = table.times.to_numpy()
    return [
        [
            f"{odd.message} up to {table.place(int(rows[odd.until]))}"
            for odd in input_drifts(model.features, model.rows.spacing, found.cells[rows], times[rows])
        ]
        if len(rows) >= model.data.seq_len
        else []
        for rows in found.judged(model.data.seq_len)
    ]


def _values(loaded: LoadedModel, table: Table, found: _Windows, rows: Rows) -> Floats:
    """Forecasts in the target's unit for `rows` with whole windows, (n,) or (n, outputs)."""
    model = loaded.description
    moments = moments_of_rows(model, table)
    clip = model.data.feature_clip
    scaled = np.clip((found.cells - moments.mean) / moments.std, -clip, clip).astype(np.float32)
    standardised = forecast_rows(loaded.networks, scaled, model.data.seq_len, rows)
    values: Floats = (standardised.T * moments.target_std[rows] + moments.target_mean[rows]).T
    return values


def _clauses(clauses: list[str]) -> str:
    more = f"; and {len(clauses) - _MOST_NAMED} more" if len(clauses) > _MOST_NAMED else ""
    return f"{'; '.join(clauses[:_MOST_NAMED])}{more}"


def _few_outside(model: ModelDescription, found: _Windows) -> list[str]:
    """A clause for each feature with single rows outside its training range, which is no reason to refuse."""
    features = found.cells[np.concatenate(found.judged(model.data.seq_len))]
    shares = {
        look.name: share_outside(look, values)
        for look, values in zip(model.features, features.T, strict=True)
        if len(values)
    }
    return [
        f"{name} lies outside its range in training in {share:.2%} of the rows"
        for name, share in shares.items()
        if share > 0
    ]


def _crossing_clauses(config: DataConfig, rows: int) -> list[str]:
    """A clause on the rows whose window crosses a gap; none if there are none."""
    if not rows:
        return []
    told = "1 row has" if rows == 1 else f"{rows} rows have"
    return [f"{told} no forecast: the window crosses a gap longer than data.max_gap {config.max_gap}"]


def _lonely_clauses(rows: int) -> list[str]:
    """A clause on the rows at whose time too few series can be compared; none if there are none."""
    if not rows:
        return []
    told = "1 row has" if rows == 1 else f"{rows} rows have"
    return [f"{told} no forecast: a feature compares at least min_series series, and fewer have a row then"]


def _rows_ahead(starts: Rows, length: int, rows: int) -> Rows:
    """The row `rows` rows after each of `length`; -1 behind the end of its segment. Segments begin at
    `starts`.
    """

    def ahead(numbers: Rows) -> Rows:
        return np.concatenate([numbers[rows:], np.full(min(rows, len(numbers)), -1)])

    return by_series(starts, ahead, np.arange(length))
