"""The record of a study as pandas data frames."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from search.config.layers import Setting
from search.record.continuation import recorded_value, resolve_from_store
from search.record.validation_rows import forecasts, validation_rows
from search.selection.forecasts_on_record import verified_forecasts
from search.selection.objectives import ParetoFront
from search.selection.summary import summarise
from search.selection.validation_intervals import recorded_forecasts
from storage import query, tables
from storage.engine import Store
from trainer.data.times import on_clock
from trainer.inference.forecast_intervals import MIN_ROWS, measure_intervals
from trainer.training.result import EpochReport

_TRIAL = (
    *("number", "verdict", "value", "skill", "epochs", "best_epoch", "duration_s", "seed"),
    *("started_at", "finished_at", "reasons", "message", "retry_of", "worker"),
)
_NOT_SHOWN = ("id", "study", "trial")
_SETTING = ("key", "value", "layer", "origin", "requested", "reason")


def trials_frame(trials: Sequence[tables.Trial], front: ParetoFront | None = None) -> pd.DataFrame:
    """A row for each trial: its own columns first, then one for each searched setting. With the `front` of a
    study of several objectives also one for each objective after the loss, and whether it is on the front.
    """
    searched = list(dict.fromkeys(key for trial in trials for key in trial.params))
    others = () if front is None else front.names[1:]
    several = () if front is None else (*others, "pareto")
    rows = [
        {name: getattr(trial, name) for name in _TRIAL}
        | {"verdict": None if trial.verdict is None else str(trial.verdict)}
        | {name: (trial.objectives or {}).get(name) for name in others}
        | {"pareto": front is not None and trial.number in front.numbers}
        | trial.params
        for trial in trials
    ]
    frame = pd.DataFrame(rows, columns=[*_TRIAL, *several, *searched])
    for key in searched:  # a whole number that some trials lack, as where it is idle, stays one
        values = [trial.params[key] for trial in trials if key in trial.params]
        if len(values) < len(trials) and all(type(value) is int for value in values):
            frame[key] = frame[key].astype("Int64")
    return frame


def front_frame(front: ParetoFront | None) -> pd.DataFrame:
    """A row for each trial of the front: its number, its objectives, whether it is the knee, its settings."""
    if front is None:
        return pd.DataFrame(columns=["number", "loss", "knee"])
    searched = list(dict.fromkeys(key for trial in front.trials for key in trial.params))
    knee = front.knee.number if front.trials else None
    rows = [
        {"number": trial.number, **dict(zip(front.names, front.values(trial), strict=True))}
        | {"knee": trial.number == knee}
        | trial.params
        for trial in front.trials
    ]
    return pd.DataFrame(rows, columns=["number", *front.names, "knee", *searched])


def epochs_frame(epochs: Iterable[tables.Epoch | EpochReport]) -> pd.DataFrame:
    """A row for each epoch with its signals."""
    return _rows_frame(epochs, tables.Epoch)


def findings_frame(findings: Iterable[tables.FindingRow]) -> pd.DataFrame:
    """A row for each finding of the guard."""
    return _rows_frame(findings, tables.FindingRow)


def settings_frame(settings: Iterable[Setting]) -> pd.DataFrame:
    """A row for each setting: its value, which layer set it, and where."""
    rows = [
        {name: getattr(setting, name) for name in _SETTING} | {"layer": setting.layer.value}
        for setting in settings
    ]
    return pd.DataFrame(rows, columns=list(_SETTING))


def forecasts_frame(store: Store, study: str, bounds_of: int | None = None) -> pd.DataFrame:
    """The validation rows in the target's own unit, a column for each naive forecast, rival and trial, and
    the bounds of one trial, by default of the accepted one of the lowest loss; the first column names the
    series of a panel.
    """
    rows = validation_rows(store, study)
    if rows is None:
        return pd.DataFrame(columns=["time", "fold", "target"])
    columns: dict[str, Any] = {
        "target": rows.target,
        **rows.baselines,
        **rows.rivals,
        **{f"trial_{number}": values for number, values in sorted(forecasts(store, study).items())},
    }
    own_unit = {name: rows.own_unit(values) for name, values in columns.items()}
    zone = recorded_value("data.timezone", query.setting_layers(store, study))
    time = on_clock(pd.DatetimeIndex(rows.times), rows.offsets, zone)
    named = {} if rows.series is None else {"series": np.array(rows.series_names, object)[rows.series]}
    judged = query.best_trial(store, study) if bounds_of is None else query.trial(store, study, bounds_of)
    bounds = {} if judged is None else _bounds(store, study, judged)
    return pd.DataFrame({**named, "time": time, "fold": rows.folds, **own_unit, **bounds})


def _bounds(store: Store, study: str, trial: tables.Trial) -> dict[str, Any]:
    """The bounds of a trial's forecasts at 80 and 95 %, by column; none for a study of an older Ballast."""
    found = recorded_forecasts(store, study, trial.number)
    if found is None or len(found.targets) < MIN_ROWS or query.study(store, study).sources is None:
        return {}
    config = resolve_from_store(store, study).trial(trial.params).config.data
    intervals = measure_intervals(config, found, "trial")
    sizes = found.sizes(intervals.smallest_scale, config.target.horizon)
    bounds: dict[str, Any] = intervals.bounds(
        found.forecasts,
        found.names_of_rows(),
        sizes,
        quantiles=None if found.quantiles is None else found.quantiles.values,
    )
    return bounds


def verified_forecasts_frame(store: Store, study: str) -> pd.DataFrame:
    """The test rows of the newest verification in the target's own unit; the first column names the series
    of a panel. Raises StudyUnknown.
    """
    found = verified_forecasts(store, summarise(store, study))
    if found is None:
        return pd.DataFrame(columns=["time", "target"])
    columns: dict[str, Any] = {"target": found.target, found.baseline_name: found.baseline}
    if found.rival_name is not None:
        columns[found.rival_name] = found.rival
    columns |= {"forecast" if found.trial is None else f"trial_{found.trial}": found.forecast}
    columns |= {"loss": found.loss, **found.bounds}
    zone = recorded_value("data.timezone", query.setting_layers(store, study))
    time = on_clock(pd.DatetimeIndex(found.times), found.offsets, zone)
    named = {} if found.series is None else {"series": np.array(found.series_names, object)[found.series]}
    return pd.DataFrame({**named, "time": time, **columns})


def _rows_frame(rows: Iterable[Any], table: type[tables.Base]) -> pd.DataFrame:
    """A frame of objects with the fields of a record table, without its key columns."""
    columns = [column.name for column in table.__table__.columns if column.name not in _NOT_SHOWN]
    return pd.DataFrame(
        [{name: getattr(row, name, None) for name in columns} for row in rows], columns=columns
    )
