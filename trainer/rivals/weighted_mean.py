"""EWMA: an exponentially weighted mean of the one-row series."""

from functools import partial

import numpy as np

from trainer.data.arrays import Floats
from trainer.data.panel import by_series
from trainer.data.windows import Dataset
from trainer.errors import RivalError
from trainer.losses import Loss
from trainer.rivals.forecaster import Forecaster, Predict, everywhere
from trainer.rivals.regressors import best_regression, decaying_sum, first_known

_DECAYS = (0.7, 0.8, 0.9, 0.94, 0.97, 0.99)
"""Decay of a day in the exponentially weighted mean; 0.94 is that of RiskMetrics (1996)."""


class WeightedMean(Forecaster):
    """Exponentially weighted mean of the one-row series, mapped to the target by a regression.

    The decay is the one that fits the training rows best.
    """

    name = "ewma"
    roles = frozenset({"rival"})

    def suits(self, data: Dataset) -> bool:
        """Whether the target is a volatility."""
        return data.kind == "volatility"

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """For the loss. Raises RivalError if the series has no known value."""
        history = data.history
        if not np.isfinite(history.own).any():
            raise RivalError("the series has no past")
        means = (
            by_series(
                data.series_starts, partial(weighted_mean, decay=decay ** (1 / history.per_day)), history.own
            )
            for decay in _DECAYS
        )
        return everywhere(best_regression(data, means, loss))


def weighted_mean(values: Floats, decay: float) -> Floats:
    """Exponentially weighted mean at each row, (T,), from the first known value on."""
    start = first_known(values)
    known = values[start:]
    means = decaying_sum((1 - decay) * known, decay, before=known[0] if len(known) else 0.0)
    return np.concatenate([np.full(start, np.nan), means])
