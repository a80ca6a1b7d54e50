"""Forecasts of several quantiles by methods that forecast one number at a time."""

from functools import partial

import numpy as np

from trainer.data.arrays import Floats, lagged
from trainer.data.panel import by_series
from trainer.data.windows import Dataset
from trainer.losses import Loss
from trainer.quantile_loss import MEDIAN, PinballLoss, QuantileLoss
from trainer.rivals.forecaster import Forecaster, Predict, everywhere
from trainer.rivals.weighted_mean import weighted_mean

_DECAY = 0.94
"""Of a day in the size of the last errors: J.P. Morgan's RiskMetrics (1996)."""


def fit_forecaster(forecaster: Forecaster, data: Dataset, loss: Loss) -> Predict:
    """`forecaster.fit`; for several quantiles forecasts (rows, outputs), in order.

    Each quantile has a fit of its own. A method that fits nothing gives one forecast, and the quantiles of
    its errors on the training rows around it.
    """
    if not isinstance(loss, QuantileLoss):
        return forecaster.fit(data, loss)
    if not forecaster.follows_loss:
        return _with_quantiles_of_errors(forecaster.fit(data, PinballLoss(MEDIAN)), data, loss)
    fits = [forecaster.fit(data, part) for part in loss.parts]
    return lambda rows: np.sort(np.stack([predict(rows) for predict in fits], axis=-1), axis=-1)


def _with_quantiles_of_errors(predict: Predict, data: Dataset, loss: QuantileLoss) -> Predict:
    errors = data.target[data.fitting] - predict(data.fitting)
    reach = loss.best_constant(errors[np.isfinite(errors)])
    return lambda rows: predict(rows)[:, None] + reach


class RecentSpread(Forecaster):
    """The median of the training rows, and around it their quantiles, as wide as the last errors were large.

    Errors are divided by their exponentially weighted mean size, and quantiles are of these: filtered
    historical simulation (Barone-Adesi, Giannopoulos & Vosper 1999) with the weights of RiskMetrics. Without
    it, whoever knows that calm and storm last would show skill over every naive forecast.
    """

    name = "recent_spread"
    roles = frozenset({"baseline"})
    of_quantiles = True

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """One quantile."""
        target = data.target.astype(np.float64)
        median = PinballLoss(MEDIAN).best_constant(target[data.fitting])
        errors = target - median
        sizes_of = partial(_recent_sizes, horizon=data.horizon, decay=_DECAY ** (1 / data.history.per_day))
        sizes = by_series(data.series_starts, sizes_of, np.abs(errors))
        usual = float(np.abs(errors[data.fitting]).mean())
        sizes = np.where(np.isfinite(sizes) & (sizes > 0), sizes, usual or 1.0)
        return everywhere(median + sizes * loss.best_constant((errors / sizes)[data.fitting]))


def _recent_sizes(sizes: Floats, horizon: int, decay: float) -> Floats:
    """The weighted mean of the sizes (t,) of errors that are known at each row of a series, (t,)."""
    return weighted_mean(lagged(sizes, horizon), decay)
