"""Naive forecasts, and their losses."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np
import numpy.typing as npt

from trainer.data.split import MEMORY
from trainer.data.windows import Dataset
from trainer.errors import DataError

HAR_DAYS = (1, 5, MEMORY)
"""A day, a week and a month of trading days; Corsi (2009)."""
Floats = npt.NDArray[np.float64]


def baseline_forecasts(data: Dataset, rows: npt.NDArray[np.int64]) -> dict[str, Floats]:
    """Naive forecasts of `rows`, each of shape (len(rows),), in units of the standardised, clipped target.

    `zero` forecasts 0 in the target's own unit, `train_mean` the mean of the training rows, `persistence`
    the last target known at t, `har` (volatility alone) a linear regression on its means over 1, 5 and 22
    rows, fitted on the training rows: Corsi (2009), "A Simple Approximate Long-Memory Model of Realized
    Volatility". Fitting uses every row that training windows see, so that no baseline changes with
    `seq_len`.

    Raises DataError where a row has no target history for a forecast.
    """
    _require_history(data, rows, 1)
    target = data.target.astype(np.float64)
    forecasts: dict[str, Floats] = {
        "zero": np.full(len(rows), -data.scaler.target_mean / data.scaler.target_std),
        "train_mean": np.full(len(rows), target[data.fitting].mean()),
        "persistence": target[rows - data.horizon],
    }
    if data.kind == "volatility":
        forecasts["har"] = _har(data, target, rows)
    return forecasts


def baseline_losses(data: Dataset, rows: npt.NDArray[np.int64]) -> dict[str, float]:
    """Mean squared error of each naive forecast on `rows`; raises as `baseline_forecasts` does."""
    target = data.target[rows].astype(np.float64)
    return {
        name: float(np.mean((target - forecast) ** 2))
        for name, forecast in baseline_forecasts(data, rows).items()
    }


def mean_baseline_losses(folds: Sequence[Dataset]) -> dict[str, float]:
    """The same on the validation rows of each fold, and of these the mean over folds."""
    losses = [baseline_losses(data, data.validation) for data in folds]
    return {name: fmean(each[name] for each in losses) for name in losses[0]}


def _har(data: Dataset, target: Floats, rows: npt.NDArray[np.int64]) -> Floats:
    """Least-squares forecasts at `rows`, shape (len(rows),)."""
    _require_history(data, rows, max(HAR_DAYS))
    fitting = data.fitting[data.fitting >= data.horizon + max(HAR_DAYS) - 1]
    coefficients, *_ = np.linalg.lstsq(_har_terms(data, target, fitting), target[fitting], rcond=None)
    forecasts: Floats = _har_terms(data, target, rows) @ coefficients
    return forecasts


def _har_terms(data: Dataset, target: Floats, rows: npt.NDArray[np.int64]) -> Floats:
    """Intercept and means of the targets known at each row, shape (len(rows), 4)."""
    # target[t] lies at t + horizon, so the last one known at t is target[t - horizon].
    known = rows - data.horizon
    means = [np.mean([target[known - back] for back in range(days)], axis=0) for days in HAR_DAYS]
    return np.column_stack([np.ones(len(rows)), *means])


def _require_history(data: Dataset, rows: npt.NDArray[np.int64], days: int) -> None:
    earliest = data.horizon + days - 1
    if len(rows) == 0 or rows.min() < earliest:
        found = "no rows" if len(rows) == 0 else f"row {rows.min()}"
        raise DataError(
            f"{found} to forecast, but a naive forecast needs rows from {earliest} on (horizon "
            f"{data.horizon}, {days} known targets); start the split later or shorten data.target.horizon"
        )
