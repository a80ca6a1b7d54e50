"""The naive forecasts, which need no model."""

import numpy as np

from trainer.data.arrays import Floats, lagged
from trainer.data.windows import Dataset
from trainer.losses import Loss
from trainer.rivals.forecaster import Forecaster, Predict, everywhere
from trainer.rivals.regressors import bar_of_day_means, trailing_mean

_SEASONAL_DAYS = 22
"""`seasonal` averages the same bar of this many past days: a month of trading days."""


class Zero(Forecaster):
    """0 in the target's own unit."""

    name = "zero"
    roles = frozenset({"baseline"})

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """Fits nothing."""
        return everywhere(np.full(len(data.target), -data.scaler.target_mean / data.scaler.target_std))


class TrainMean(Forecaster):
    """The best constant of the training rows: their mean, if the loss is the squared error."""

    name = "train_mean"
    roles = frozenset({"baseline"})

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """The constant with the lowest mean `loss` on the training rows."""
        target = data.target.astype(np.float64)
        return everywhere(np.full(len(target), loss.best_constant(target[data.fitting])))


class Persistence(Forecaster):
    """The last target known at the row."""

    name = "persistence"
    roles = frozenset({"baseline"})

    def first_row(self, data: Dataset) -> int:
        """The first row whose last known target is in the data."""
        return data.horizon

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """Fits nothing."""
        return everywhere(lagged(data.target.astype(np.float64), data.horizon))


class Seasonal(Forecaster):
    """The mean target of the same bar of the day on the last 22 days, if bars are shorter than days."""

    name = "seasonal"
    roles = frozenset({"baseline"})

    def suits(self, data: Dataset) -> bool:
        """Whether a day has several bars."""
        return data.history.per_day > 1

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """The first days, which lack this past, get the mean of the same bar over the training rows."""
        return everywhere(seasonal_means(data))


def seasonal_means(data: Dataset) -> Floats:
    """The forecasts of `Seasonal` at every row, from targets that are known there: (T,)."""
    target, slots = data.target.astype(np.float64), data.history.slots
    forecasts = bar_of_day_means(target, slots, data.fitting)
    for slot in range(int(slots.max()) + 1):
        rows = np.flatnonzero(slots == slot)
        means = trailing_mean(target[rows], _SEASONAL_DAYS)
        # The mean that ends at the last row of this bar whose target is known, at least `horizon` rows back.
        last = np.searchsorted(rows, rows - data.horizon, side="right") - 1
        known = np.where(last >= 0, means[last], np.nan)
        forecasts[rows] = np.where(np.isnan(known), forecasts[rows], known)
    return forecasts
