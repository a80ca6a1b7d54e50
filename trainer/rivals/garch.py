"""GARCH(1, 1) of the returns, from the arch package."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from trainer.data.arrays import Floats, Rows
from trainer.data.constant_columns import is_constant
from trainer.data.panel import by_series, series_spans, starts_among
from trainer.data.windows import Dataset
from trainer.errors import RivalError
from trainer.losses import Loss
from trainer.rivals.forecaster import Forecaster, Predict, everywhere
from trainer.rivals.regressors import best_regression, decaying_sum, first_known, known_returns

_MOST_ROWS = 50_000
"""Most rows of several series that one model is fitted on."""


class Garch(Forecaster):
    """The volatility that GARCH(1, 1) forecasts over the horizon, mapped to the target by a regression.

    Bollerslev (1986). The map of Mincer & Zarnowitz (1969) is on the volatility or on its logarithm,
    whichever fits the training rows better.
    """

    name = "garch"
    roles = frozenset({"rival"})

    def suits(self, data: Dataset) -> bool:
        """Whether the target is a volatility."""
        return data.kind == "volatility"

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """By maximum likelihood, whatever the loss; the map to the target is fitted for the loss.

        Raises RivalError if no feature gives returns, or if the likelihood has no maximum.
        """
        returns = known_returns(data)
        fitted = returns[_fitted_rows(data, returns)]
        if is_constant(fitted):
            raise RivalError("the returns do not vary in the training rows")
        scale = float(fitted.std())
        model = _Model.of(fitted / scale)
        ahead = partial(model.variance_ahead, horizon=data.horizon)
        variance = by_series(data.series_starts, ahead, returns / scale)
        return everywhere(best_regression(data, (np.sqrt(variance), np.log(variance)), loss))


def _fitted_rows(data: Dataset, returns: Floats) -> Rows:
    """The training rows with known returns, (n,). Of several series, those whose returns vary; of many, those
    of every k-th series: a likelihood needs consecutive rows.
    """
    known = data.fitting[np.isfinite(returns[data.fitting])]
    if len(data.series_starts) == 1:
        return known
    starts = starts_among(data.series_starts, known)
    each = [known[span] for span in series_spans(starts, len(known)) if span.start < span.stop]
    varying = [rows for rows in each if not is_constant(returns[rows])] or each
    every = -(-sum(map(len, varying)) // _MOST_ROWS)
    return np.concatenate(varying[::every])


@dataclass(frozen=True)
class _Model:
    """The parameters of GARCH(1, 1) with a constant mean, of returns in units of their standard deviation."""

    mean: float
    omega: float
    alpha: float
    beta: float

    @classmethod
    def of(cls, scaled: Floats) -> "_Model":
        """By maximum likelihood on the training rows (n,)."""
        from arch import arch_model

        model = arch_model(scaled, mean="Constant", vol="GARCH", p=1, q=1, rescale=False)
        try:
            found = model.fit(disp="off", show_warning=False)
        except (ValueError, ArithmeticError) as error:
            raise RivalError(f"GARCH(1, 1) cannot be fitted: {error}") from None
        if found.convergence_flag != 0:
            raise RivalError("the likelihood of GARCH(1, 1) finds no maximum on the training rows")
        return cls(*(float(found.params[name]) for name in ("mu", "omega", "alpha[1]", "beta[1]")))

    def variance_ahead(self, scaled: Floats, horizon: int) -> Floats:
        """Mean variance of the next `horizon` rows, forecast at each row of a series, (t,)."""
        start = first_known(scaled)
        # The variance of the next row, as known at each row; the returns have variance 1 before the first.
        shocks = self.omega + self.alpha * (scaled[start:] - self.mean) ** 2
        next_row = decaying_sum(shocks, self.beta, before=1.0)
        persistence = min(self.alpha + self.beta, 0.9999)
        level = self.omega / (1 - persistence)
        share = (1 - persistence**horizon) / (horizon * (1 - persistence))
        ahead = level + share * (next_row - level)
        return np.concatenate([np.full(start, np.nan), ahead])
