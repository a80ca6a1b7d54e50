"""Rivals of volatility forecasts that use only the history of the series: LHAR, EWMA, GARCH."""

from collections.abc import Iterable

import numpy as np

from trainer.data.constant_columns import is_constant
from trainer.data.target_history import TargetHistory
from trainer.data.windows import Dataset
from trainer.errors import RivalError
from trainer.rivals.naive import bar_of_day_terms, har_terms
from trainer.rivals.regressors import (
    Floats,
    first_known,
    har_spans,
    least_squares,
    least_squares_with_fallback,
    trailing_mean,
    with_intercept,
)

_DECAYS = (0.7, 0.8, 0.9, 0.94, 0.97, 0.99)
"""Decay per day of the exponentially weighted mean; RiskMetrics (1996) uses 0.94."""


def lhar(data: Dataset) -> Floats:
    """Forecasts (T,) by HAR with the means of negative returns over the same spans.

    Corsi & Renò (2012), "Discrete-Time Volatility Forecasting with Persistent Leverage Effect". Raises
    RivalError if no feature gives returns.
    """
    losses = np.minimum(_returns(data.history), 0.0)  # NaN stays NaN

    def terms(spans: tuple[int, ...]) -> Floats:
        return np.column_stack([har_terms(data, spans), *(trailing_mean(losses, span) for span in spans)])

    spans = har_spans(data.history, len(data.fitting))
    return least_squares_with_fallback(terms, spans, _target(data), data.fitting)


def ewma(data: Dataset) -> Floats:
    """Forecasts (T,): the exponentially weighted mean of the one-row series, mapped to the target by least
    squares. The decay is the one that fits the training rows best.
    """
    history = data.history
    return _best_fit(data, (_weighted_mean(history.own, decay ** (1 / history.per_day)) for decay in _DECAYS))


def garch(data: Dataset) -> Floats:
    """Forecasts (T,) by GARCH(1, 1), fitted on the returns of the training rows; its volatility over the
    horizon is mapped to the target by least squares.

    Bollerslev (1986). The regression of Mincer & Zarnowitz (1969) uses the volatility or its logarithm,
    whichever fits the training rows better. Raises RivalError if no feature gives returns, or if no maximum
    of the likelihood is found.
    """
    variance = _variance_ahead(_returns(data.history), data)
    return _best_fit(data, (np.sqrt(variance), np.log(variance)))


def _best_fit(data: Dataset, terms: Iterable[Floats]) -> Floats:
    """Forecasts (T,) by least squares on the one of `terms`, each (T,), that fits the training rows best.

    If bars are shorter than days, the means of each bar of the day are regressors too.
    """
    target, fitting = _target(data), data.fitting

    def error(told: Floats) -> float:
        return float(np.nanmean((target[fitting] - told[fitting]) ** 2))

    fits = (least_squares(with_intercept(term, *bar_of_day_terms(data)), target, fitting) for term in terms)
    return min(fits, key=error)


def _variance_ahead(returns: Floats, data: Dataset) -> Floats:
    """Mean variance of the next `horizon` rows, known at each row, (T,), in units of the training rows."""
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
    # The variance of the next row, known at each row; before the first, the scaled returns have variance 1.
    next_row = _filtered(omega + alpha * (scaled - mean) ** 2, beta, before=1.0)
    persistence = min(alpha + beta, 0.9999)
    level = omega / (1 - persistence)
    share = (1 - persistence**data.horizon) / (data.horizon * (1 - persistence))
    ahead = level + share * (next_row - level)
    result: Floats = np.concatenate([np.full(start, np.nan), ahead])
    return result


def _weighted_mean(values: Floats, decay: float) -> Floats:
    """Exponentially weighted mean at each row, (T,); NaN before the first known value."""
    start = first_known(values)
    known = values[start:]
    if not len(known):
        raise RivalError("the series has no past")
    return np.concatenate([np.full(start, np.nan), _filtered((1 - decay) * known, decay, before=known[0])])


def _filtered(shocks: Floats, decay: float, *, before: float) -> Floats:
    """state[t] = shocks[t] + decay · state[t − 1], (T,), with `before` as the state before the first row."""
    # A Python loop: importing scipy.signal takes longer than a million steps of it.
    states, state = np.empty(len(shocks)), before
    for row, shock in enumerate(shocks.tolist()):
        states[row] = state = shock + decay * state
    return states


def _returns(history: TargetHistory) -> Floats:
    if history.returns is None:
        raise RivalError("no feature is a log return")
    known = history.returns[first_known(history.returns) :]
    if len(known) == 0 or not np.isfinite(known).all():
        raise RivalError("the returns are not finite in all rows")
    return history.returns


def _target(data: Dataset) -> Floats:
    return data.target.astype(np.float64)
