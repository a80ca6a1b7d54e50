"""The forecast intervals of a model, from forecasts of validation rows that were made before."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from search.record.validation_rows import mean_forecast, trial_seed_forecasts, validation_rows
from search.selection.rerun import Rerun
from storage.engine import Store
from trainer.config import DataConfig
from trainer.data.arrays import Rows
from trainer.data.windows import Dataset
from trainer.inference.forecast_intervals import (
    ForecastIntervals,
    ResidualSource,
    ValidationForecasts,
    in_own_unit,
    measure_intervals,
)
from trainer.inference.gru_forward import Network, forecast_rows
from trainer.inference.quantile_intervals import QuantileForecasts
from trainer.losses import Loss, point_forecast

_FEWEST, _MOST = 100, 10_000
"""Fewest and most rows that the errors of seen rows are measured on."""


def trained_forecasts(outcome: Rerun) -> ValidationForecasts:
    """Of a training that was accepted: the validation rows of all its folds, each forecast by the network of
    its fold.
    """
    return ValidationForecasts.of_folds(outcome.record.folds, outcome.result.forecasts, outcome.metric)


def recorded_forecasts(store: Store, study: str, trial: int) -> ValidationForecasts | None:
    """The forecasts of a trial on record, the mean of its seeds'; None if they are not there."""
    rows, told = validation_rows(store, study), trial_seed_forecasts(store, study, trial)
    if rows is None or told is None:
        return None
    forecasts = mean_forecast(told)
    every = forecasts * rows.beside(rows.unit_std, forecasts) + rows.beside(rows.unit_mean, forecasts)
    return ValidationForecasts(
        forecasts=rows.own_unit(forecasts),
        targets=rows.own_unit(rows.target),
        series=np.zeros(len(rows.target), np.int64) if rows.series is None else rows.series,
        times=rows.times,
        names=rows.series_names,
        quantiles=QuantileForecasts.of(rows.loss, every),
    )


def model_intervals(
    config: DataConfig,
    found: ValidationForecasts,
    source: ResidualSource,
    data: Dataset,
    networks: Sequence[Network],
    loss: Loss,
) -> ForecastIntervals:
    """The intervals of a model of `networks` that were trained on `data` by `loss`, from the validation
    forecasts of its configuration.

    Networks err less on rows that they were trained on. How much less is measured on the validation rows that
    they have seen since, against the forecasts of the networks that had not.
    """
    measured = measure_intervals(config, found, source)
    if measured.recent is None:
        return measured
    seen = _seen_errors(measured, found, data, networks, loss)
    return measured.model_copy(update={"recent": measured.recent.model_copy(update={"seen": seen})})


def _seen_errors(
    measured: ForecastIntervals,
    found: ValidationForecasts,
    data: Dataset,
    networks: Sequence[Network],
    loss: Loss,
) -> float:
    """The mean error of `networks` on validation rows that they were trained on, as a share of that of
    `found` on the same rows; at most 1, and 1 if there are too few such rows.
    """
    rows = _rows_of(data, found)
    shared = np.flatnonzero(np.isin(rows, data.train))
    shared = shared[:: -(-len(shared) // _MOST) or 1]
    if len(shared) < _FEWEST:
        return 1.0
    at = rows[shared]
    told = point_forecast(forecast_rows(networks, data.features, data.seq_len, at), loss)
    own = in_own_unit(data, at, told)
    sizes = [
        float(np.mean(np.abs(found.targets[shared] - each) / measured.scale(each)))
        for each in (own, found.forecasts[shared])
    ]
    return min(sizes[0] / sizes[1], 1.0) if min(sizes) > 0 else 1.0


def _rows_of(data: Dataset, found: ValidationForecasts) -> Rows:
    """The row of `data` that each validation row is, (n,); -1 where it has none."""
    number = {name: position for position, name in enumerate(data.series_names)}
    of_name = np.array([number.get(name, -1) for name in found.names] or [0])
    times, at = np.unique(np.concatenate([data.times, found.times]), return_inverse=True)
    mine = data.series_numbers * len(times) + at[: len(data.times)]
    wanted: npt.NDArray[np.int64] = of_name[found.series] * len(times) + at[len(data.times) :]
    order = np.argsort(mine)
    place = order[np.minimum(np.searchsorted(mine, wanted, sorter=order), len(mine) - 1)]
    return np.where(mine[place] == wanted, place, -1)
