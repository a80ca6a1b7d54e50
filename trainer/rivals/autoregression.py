"""The autoregression: least squares on the last values of the one-row series."""

import numpy as np

from trainer.data.arrays import Floats, lagged
from trainer.data.windows import Dataset
from trainer.losses import MSE, Loss, mean_loss
from trainer.rivals.forecaster import Forecaster, Predict, everywhere
from trainer.rivals.regressors import first_known, least_squares, partial_target_terms, with_intercept

AR_ORDERS = (1, 2, 3, 5, 10, 22)
"""Numbers of lags that the autoregression chooses from."""


class Autoregression(Forecaster):
    """Least squares on the last p values of the one-row series, p by BIC; for all but volatility.

    If the target's window is longer than its horizon, the part that is known already is another regressor.
    Rows whose history is too short for the order get the best constant of the training rows.
    """

    name = "ar"
    roles = frozenset({"baseline", "rival"})

    def suits(self, data: Dataset) -> bool:
        """Whether the target is not a volatility."""
        return data.kind != "volatility"

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """Least squares, whatever the loss; the orders are compared on the same rows.

        Targets over `horizon` rows overlap, so that n rows count as n / horizon independent ones.
        """
        own, target = data.history.own, data.target.astype(np.float64)
        lags = [lagged(own, back) for back in range(max(AR_ORDERS))]
        rows = data.fitting[data.fitting >= first_known(own) + max(AR_ORDERS) - 1]
        independent = max(len(rows) / data.horizon, 2.0)

        def criterion(forecasts: Floats, order: int) -> float:
            error = max(mean_loss(forecasts[rows], target[rows], MSE), np.finfo(np.float64).tiny)
            return float(independent * np.log(error) + order * np.log(independent))

        def regression(order: int) -> Floats:
            terms = with_intercept(*lags[:order], *partial_target_terms(data))
            return least_squares(terms, target, rows)

        fits = ((order, regression(order)) for order in AR_ORDERS)
        _, best = min(fits, key=lambda fit: criterion(fit[1], fit[0]))
        return everywhere(np.where(np.isnan(best), loss.best_constant(target[data.fitting]), best))
