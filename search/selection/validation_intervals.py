"""The forecast intervals of a configuration, from forecasts of validation rows that were made before."""

import numpy as np

from search.record.validation_rows import trial_forecasts, validation_rows
from search.selection.rerun import Rerun
from storage.engine import Store
from trainer.config import DataConfig
from trainer.inference.forecast_intervals import (
    ForecastIntervals,
    ResidualSource,
    ValidationForecasts,
    measure_intervals,
)


def trained_intervals(outcome: Rerun, source: ResidualSource = "training") -> ForecastIntervals:
    """From a training that was accepted: the validation rows of all its folds, each forecast by the network
    of its fold.
    """
    found = ValidationForecasts.of_folds(outcome.record.folds, outcome.result.forecasts)
    return measure_intervals(outcome.config.data, found, source)


def recorded_intervals(store: Store, study: str, trial: int, config: DataConfig) -> ForecastIntervals | None:
    """From the forecasts of a trial on record; None if it is not there."""
    found = recorded_forecasts(store, study, trial)
    return None if found is None else measure_intervals(config, found, "trial")


def recorded_forecasts(store: Store, study: str, trial: int) -> ValidationForecasts | None:
    """The forecasts of a trial on record; None if it is not there."""
    rows, forecasts = validation_rows(store, study), trial_forecasts(store, study, trial)
    if rows is None or forecasts is None:
        return None
    return ValidationForecasts(
        forecasts=forecasts.astype(np.float64) * rows.unit_std + rows.unit_mean,
        targets=rows.target * rows.unit_std + rows.unit_mean,
        series=np.zeros(len(rows.target), np.int64) if rows.series is None else rows.series,
        times=rows.times,
        names=rows.series_names,
    )
