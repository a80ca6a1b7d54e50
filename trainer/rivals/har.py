"""HAR and LHAR: regressions on means of the target's history over a day, a week and a month."""

from functools import partial

import numpy as np

from trainer.data.arrays import Floats
from trainer.data.windows import Dataset
from trainer.losses import Loss
from trainer.rivals.forecaster import Forecaster, Predict, everywhere
from trainer.rivals.regressors import (
    HAR_DAYS,
    bar_of_day_terms,
    first_known,
    har_spans,
    known_returns,
    partial_target_terms,
    regression_with_fallback,
    trailing_means,
    with_intercept,
)


class Har(Forecaster):
    """A regression on means of the one-row series over the last 1, 5 and 22 days; for volatility alone.

    If bars are shorter than days, the last bar and the mean of each bar of the day are regressors too, and
    the first rows, which lack the history, do without the long means. If the target's window is longer than
    its horizon, the part that is known already is another regressor. Corsi (2009), "A Simple Approximate
    Long-Memory Model of Realized Volatility".
    """

    name = "har"
    roles = frozenset({"baseline", "rival"})

    def suits(self, data: Dataset) -> bool:
        """Whether the target is a volatility."""
        return data.kind == "volatility"

    def first_row(self, data: Dataset) -> int:
        """The first row that has the longest mean that every row needs."""
        longest = min(max(har_spans(data.history, len(data.fitting))), max(HAR_DAYS))
        return first_known(data.history.own) + longest - 1

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """Coefficients of the lowest loss: those of least squares, if it is the squared error."""
        spans, target = har_spans(data.history, len(data.fitting)), data.target.astype(np.float64)
        terms = partial(har_terms, data)
        return everywhere(regression_with_fallback(terms, spans, target, data.fitting, loss))


class LeverageHar(Forecaster):
    """HAR with the means of negative returns over the same spans.

    Corsi & Renò (2012), "Discrete-Time Volatility Forecasting with Persistent Leverage Effect".
    """

    name = "lhar"
    roles = frozenset({"rival"})

    def suits(self, data: Dataset) -> bool:
        """Whether the target is a volatility."""
        return data.kind == "volatility"

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """Coefficients of the lowest loss. Raises RivalError if no feature gives returns."""
        falls = np.minimum(known_returns(data), 0.0)  # NaN stays NaN

        def terms(spans: tuple[int, ...]) -> Floats:
            return np.column_stack([har_terms(data, spans), *trailing_means(data, falls, spans)])

        spans, target = har_spans(data.history, len(data.fitting)), data.target.astype(np.float64)
        return everywhere(regression_with_fallback(terms, spans, target, data.fitting, loss))


def har_terms(data: Dataset, spans: tuple[int, ...]) -> Floats:
    """Regressors of HAR at every row, (T, K), NaN if the history is too short; the first is 1."""
    means = trailing_means(data, data.history.own, spans)
    return with_intercept(*means, *partial_target_terms(data), *bar_of_day_terms(data))
