"""The naive forecasts of a study, and their losses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from trainer.data.arrays import Floats, Rows
from trainer.data.split import MIN_TRAIN
from trainer.data.windows import Dataset, with_fold_name
from trainer.errors import DataError, RivalError
from trainer.losses import Loss, mean_loss
from trainer.rivals.forecaster import Forecaster, Predict
from trainer.rivals.quantile_fits import fit_forecaster
from trainer.rivals.registry import forecasters


def baseline_forecasts(data: Dataset, rows: Rows, loss: Loss) -> dict[str, Floats]:
    """Naive forecasts of `rows` by name, each (rows,) or (rows, outputs), in units of the standardised,
    clipped target.

    All are fitted on every row that training windows contain, so that `seq_len` changes none. Raises
    DataError if a row lacks the target history that a naive forecast needs.
    """
    require_history(data, rows, loss)
    loss = data.in_units(loss)
    return {
        each.name: forecast(each, data, rows, loss).values for each in forecasters("baseline", data, loss)
    }


@dataclass(frozen=True)
class Forecast:
    """Forecasts, (rows,) or (rows, outputs), of one forecaster, in units of the standardised target.

    `pooled` gives the reason for each series that could not have a fit of its own, and is forecast by a fit
    to all series.
    """

    values: Floats
    pooled: Mapping[str, str] = field(default_factory=dict)


def forecast(forecaster: Forecaster, data: Dataset, rows: Rows, loss: Loss) -> Forecast:
    """Fit on the training rows, of all series or of each by itself, and forecast the ascending `rows`.

    In data of several series, a row without the history that the forecaster needs gets the best constant of
    all training rows: a series may begin just before it.
    """
    if len(data.series_starts) == 1:
        return Forecast(fit_forecaster(forecaster, data, loss)(rows))
    reasons: dict[str, str] = {}
    if forecaster.pooled:
        values = fit_forecaster(forecaster, data, loss)(rows)
    else:
        values, reasons = _forecast_by_series(forecaster, data, rows, loss)
    constant = loss.best_constant(data.target[data.fitting].astype(np.float64))
    return Forecast(np.where(np.isnan(values), constant, values), reasons)


def _forecast_by_series(
    forecaster: Forecaster, data: Dataset, rows: Rows, loss: Loss
) -> tuple[Floats, dict[str, str]]:
    """The forecasts of a fit to each series, and why some series are forecast by a fit to all."""
    values, reasons = np.empty(len(rows) if loss.outputs == 1 else (len(rows), loss.outputs)), {}
    left: list[slice] = []
    for inside, start, one in _asked_series(data, rows):
        try:
            values[inside] = _fit_alone(forecaster, one, loss)(rows[inside] - start)
        except (RivalError, np.linalg.LinAlgError) as error:
            reasons[one.series_of(0)] = str(error)
            left.append(inside)
    if left:
        predict = fit_forecaster(forecaster, data, loss)
        for inside in left:
            values[inside] = predict(rows[inside])
    return values, reasons


def _fit_alone(forecaster: Forecaster, one: Dataset, loss: Loss) -> Predict:
    if len(one.fitting) < MIN_TRAIN:
        raise RivalError(f"fewer than {MIN_TRAIN} training rows")
    return fit_forecaster(forecaster, one, loss)


def _asked_series(data: Dataset, rows: Rows) -> Iterator[tuple[slice, int, Dataset]]:
    """For each series of which there are any in the ascending `rows`: their places in `rows`, its first row
    in the data, and the data of that series alone.
    """
    for start, one in data.each_series():
        first, last = np.searchsorted(rows, (start, start + len(one.target))).tolist()
        if first < last:
            yield slice(first, last), start, one


def baseline_losses(data: Dataset, rows: Rows, loss: Loss) -> dict[str, float]:
    """The mean loss of each naive forecast on `rows`; raises as `baseline_forecasts` does."""
    target = data.target[rows].astype(np.float64)
    by_name, loss = baseline_forecasts(data, rows, loss), data.in_units(loss)
    return {name: mean_loss(forecasts, target, loss) for name, forecasts in by_name.items()}


def mean_baseline_losses(folds: Sequence[Dataset], loss: Loss) -> dict[str, float]:
    """The mean over folds of each naive forecast's mean loss on the validation rows of the fold."""
    losses = [_fold_losses(data, loss) for data in folds]
    return {name: fmean(each[name] for each in losses) for name in losses[0]}


def _fold_losses(data: Dataset, loss: Loss) -> dict[str, float]:
    try:
        return baseline_losses(data, data.validation, loss)
    except DataError as error:
        raise with_fold_name(error, data.fold) from None


def require_history(data: Dataset, rows: Rows, loss: Loss) -> None:
    """Raise DataError if the first of the ascending `rows` of every series lacks past values that a naive
    forecast needs.
    """
    found, series = "no rows", next(one for _, one in data.each_series())
    for inside, start, one in _asked_series(data, rows):
        first = int(rows[inside.start]) - start
        if first >= _earliest(one, loss):
            return
        found, series = f"row {first}", one
    raise DataError(
        f"{found} to forecast, but a naive forecast needs rows from {_earliest(series, loss)} on (horizon "
        f"{data.horizon}); start the split later or shorten data.target.horizon"
    )


def _earliest(one: Dataset, loss: Loss) -> int:
    """The first row of a single series that every naive forecast can forecast."""
    return max(each.first_row(one) for each in forecasters("baseline", one, loss))
