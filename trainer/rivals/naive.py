"""The naive forecasts, which need no model."""

from functools import partial

import numpy as np

from trainer.data.arrays import Floats, Rows, lagged
from trainer.data.panel import by_series
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
    follows_loss = False

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
    follows_loss = False

    def first_row(self, data: Dataset) -> int:
        """The first row whose last known target is in the data."""
        return data.horizon

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """Fits nothing."""
        return everywhere(
            by_series(data.series_starts, partial(lagged, rows=data.horizon), data.target.astype(np.float64))
        )


class Seasonal(Forecaster):
    """The mean target of the same bar of the day on the last 22 days, if bars are shorter than days."""

    name = "seasonal"
    roles = frozenset({"baseline"})
    follows_loss = False

    def suits(self, data: Dataset) -> bool:
        """Whether a day has several bars."""
        return data.history.per_day > 1

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """The first days, which lack this past, get the mean of the same bar over the training rows."""
        return everywhere(seasonal_means(data))


def seasonal_means(data: Dataset) -> Floats:
    """The forecasts of `Seasonal` at every row, from targets that are known there: (T,)."""
    target, slots = data.target.astype(np.float64), data.history.slots
    usual = bar_of_day_means(target, slots, data.fitting)
    known = by_series(data.series_starts, partial(_means_of_bar, horizon=data.horizon), target, slots)
    return np.where(np.isnan(known), usual, known)


def _means_of_bar(target: Floats, slots: Rows, horizon: int) -> Floats:
    """The mean of the last known targets (t,) of the same bar of the day; NaN if there are too few: (t,)."""
    means = np.full(len(target), np.nan)
    for slot in np.unique(slots).tolist():
        rows = np.flatnonzero(slots == slot)
        of_bar = trailing_mean(target[rows], _SEASONAL_DAYS)
        # The mean that ends at the last row of this bar whose target is known, at least `horizon` rows back.
        last = np.searchsorted(rows, rows - horizon, side="right") - 1
        means[rows] = np.where(last >= 0, of_bar[last], np.nan)
    return means
