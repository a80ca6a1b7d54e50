"""GARCH(1, 1) of the returns, from the arch package."""

import numpy as np

from trainer.data.arrays import Floats
from trainer.data.constant_columns import is_constant
from trainer.data.windows import Dataset
from trainer.errors import RivalError
from trainer.losses import Loss
from trainer.rivals.forecaster import Forecaster, Predict, everywhere
from trainer.rivals.regressors import best_least_squares, decaying_sum, first_known, known_returns


class Garch(Forecaster):
    """The volatility that GARCH(1, 1) forecasts over the horizon, mapped to the target by least squares.

    Bollerslev (1986). The map of Mincer & Zarnowitz (1969) is on the volatility or on its logarithm,
    whichever fits the training rows better.
    """

    name = "garch"
    roles = frozenset({"rival"})

    def suits(self, data: Dataset) -> bool:
        """Whether the target is a volatility."""
        return data.kind == "volatility"

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """By maximum likelihood, then least squares, whatever the loss.

        Raises RivalError if no feature gives returns, or if the likelihood has no maximum.
        """
        variance = _variance_ahead(known_returns(data.history), data)
        return everywhere(best_least_squares(data, (np.sqrt(variance), np.log(variance))))


def _variance_ahead(returns: Floats, data: Dataset) -> Floats:
    """Mean variance of the next `horizon` rows, forecast at each row, (T,), in units of the variance of
    the training rows.
    """
    from arch import arch_model

    start = first_known(returns)
    fitting = data.fitting[data.fitting >= start]
    scale = float(returns[fitting].std())
    if is_constant(returns[fitting]):
        raise RivalError("the returns do not vary in the training rows")
    scaled = returns[start:] / scale
    model = arch_model(scaled[fitting - start], mean="Constant", vol="GARCH", p=1, q=1, rescale=False)
    try:
        found = model.fit(disp="off", show_warning=False)
    except (ValueError, ArithmeticError) as error:
        raise RivalError(f"GARCH(1, 1) cannot be fitted: {error}") from None
    if found.convergence_flag != 0:
        raise RivalError("the likelihood of GARCH(1, 1) finds no maximum on the training rows")
    mean, omega, alpha, beta = (float(found.params[k]) for k in ("mu", "omega", "alpha[1]", "beta[1]"))
    # The variance of the next row, as known at each row; the returns have variance 1 before the first.
    next_row = decaying_sum(omega + alpha * (scaled - mean) ** 2, beta, before=1.0)
    persistence = min(alpha + beta, 0.9999)
    level = omega / (1 - persistence)
    share = (1 - persistence**data.horizon) / (data.horizon * (1 - persistence))
    ahead = level + share * (next_row - level)
    result: Floats = np.concatenate([np.full(start, np.nan), ahead])
    return result
