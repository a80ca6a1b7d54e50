"""The autoregression: a regression on the last values of the one-row series."""

import numpy as np

from trainer.data.arrays import Floats, Rows, lagged
from trainer.data.windows import Dataset
from trainer.losses import MSE, Loss, mean_loss
from trainer.rivals.forecaster import Forecaster, Predict, everywhere
from trainer.rivals.regressors import (
    MOST_PANEL_ROWS,
    partial_target_terms,
    rows_of_some_times,
    with_intercept,
)
from trainer.rivals.reweighted import coefficients

AR_ORDERS = (1, 2, 3, 5, 10, 22)
"""Numbers of lags that the autoregression chooses from."""


class Autoregression(Forecaster):
    """A regression on the last p values of the one-row series, p by BIC; for all but volatility.

    If the target's window is longer than its horizon, the part that is known already is another regressor.
    Rows whose history is too short for the order get the best constant of the training rows.
    """

    name = "ar"
    roles = frozenset({"baseline", "rival"})

    def suits(self, data: Dataset) -> bool:
        """Whether the target is not a volatility."""
        return data.kind != "volatility"

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """Coefficients of the lowest loss; the orders are compared by least squares, on the same rows.

        Targets over `horizon` rows overlap, so that rows of n times count as n / horizon independent ones.
        """
        target = data.target.astype(np.float64)
        chosen = rows_of_some_times(data, data.fitting, MOST_PANEL_ROWS)
        terms = _fitting_terms(data, chosen)
        complete = np.isfinite(terms).all(axis=1)
        terms, rows = terms[complete], chosen[complete]
        independent = max(len(np.unique(data.times[rows])) / data.horizon, 2.0)

        def criterion(order: int) -> float:
            kept = _up_to(terms, order)
            found = coefficients(kept, target[rows], MSE)
            error = max(mean_loss(kept @ found, target[rows], MSE), np.finfo(np.float64).tiny)
            return float(independent * np.log(error) + order * np.log(independent))

        order = min(AR_ORDERS, key=criterion)
        best = coefficients(_up_to(terms, order), target[rows], loss)
        constant = loss.best_constant(target[data.fitting])
        forecasts = np.concatenate([_up_to(_terms(one), order) @ best for _, one in data.each_series()])
        return everywhere(np.where(np.isnan(forecasts), constant, forecasts))


def _terms(data: Dataset) -> Floats:
    """Regressors of a single series, for the longest order: 1, the lags, the known part of the target."""
    lags = [lagged(data.history.own, back) for back in range(max(AR_ORDERS))]
    return with_intercept(*lags, *partial_target_terms(data))


def _up_to(terms: Floats, order: int) -> Floats:
    """The columns of `terms` (n, K) without the lags beyond `order`."""
    longest = max(AR_ORDERS)
    kept = [column for column in range(terms.shape[1]) if not order < column <= longest]
    return np.take(terms, kept, axis=1)


def _fitting_terms(data: Dataset, rows: Rows) -> Floats:
    """The regressors of some ascending rows, (n, K)."""
    parts = []
    for start, one in data.each_series():
        first, last = np.searchsorted(rows, (start, start + len(one.target)))
        parts.append(_terms(one)[rows[first:last] - start])
    return np.concatenate(parts)
