"""The naive forecasts of a study, and their losses."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from trainer.data.arrays import Floats, Rows
from trainer.data.windows import Dataset, with_fold_name
from trainer.errors import DataError
from trainer.losses import Loss, mean_loss
from trainer.rivals.forecaster import Forecaster
from trainer.rivals.registry import forecasters


def baseline_forecasts(data: Dataset, rows: Rows, loss: Loss) -> dict[str, Floats]:
    """Naive forecasts of `rows` by name, each (len(rows),), in units of the standardised, clipped target.

    All are fitted on every row that training windows contain, so that `seq_len` changes none. Raises
    DataError if a row lacks the target history that a naive forecast needs.
    """
    require_history(data, rows)
    return {each.name: forecast(each, data, rows, loss) for each in forecasters("baseline", data)}


def forecast(forecaster: Forecaster, data: Dataset, rows: Rows, loss: Loss) -> Floats:
    """Fit on the training rows, of all series or of each by itself, and forecast `rows`: (len(rows),).

    A series that begins after the training rows is forecast by a fit on the others.
    """
    if forecaster.pooled:
        return forecaster.fit(data, loss)(rows)
    forecasts = np.empty(len(rows))
    for start, one in data.each_series():
        inside = (rows >= start) & (rows < start + len(one.target))
        if not inside.any():
            continue
        if len(one.fitting):
            forecasts[inside] = forecaster.fit(one, loss)(rows[inside] - start)
        else:
            forecasts[inside] = forecaster.fit(data, loss)(rows[inside])
    return forecasts


def baseline_losses(data: Dataset, rows: Rows, loss: Loss) -> dict[str, float]:
    """The mean loss of each naive forecast on `rows`; raises as `baseline_forecasts` does."""
    target = data.target[rows].astype(np.float64)
    by_name = baseline_forecasts(data, rows, loss)
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


def require_history(data: Dataset, rows: Rows) -> None:
    """Raise DataError unless every naive forecast has the past values that it needs at all `rows`."""
    for start, one in data.each_series():
        earliest = max(each.first_row(one) for each in forecasters("baseline", one))
        inside = rows[(rows >= start) & (rows < start + len(one.target))] - start
        if len(rows) == 0 or (len(inside) and inside.min() < earliest):
            found = "no rows" if len(rows) == 0 else f"row {inside.min()}"
            raise DataError(
                f"{found} to forecast, but a naive forecast needs rows from {earliest} on (horizon "
                f"{data.horizon}); start the split later or shorten data.target.horizon"
            )
