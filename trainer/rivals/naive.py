"""Naive forecasts, and their losses."""

from collections.abc import Sequence
from functools import partial
from statistics import fmean

import numpy as np

from trainer.data.windows import Dataset, with_fold_name
from trainer.errors import DataError
from trainer.rivals.regressors import (
    HAR_DAYS,
    Floats,
    Rows,
    bar_of_day_means,
    first_known,
    har_spans,
    lagged,
    least_squares,
    least_squares_with_fallback,
    trailing_mean,
    with_intercept,
)

AR_ORDERS = (1, 2, 3, 5, 10, 22)
"""Numbers of lags that the autoregression chooses from."""
_SEASONAL_DAYS = 22
"""Past days whose same bar `seasonal` averages: a month of trading days."""


def baseline_forecasts(data: Dataset, rows: Rows) -> dict[str, Floats]:
    """Naive forecasts of `rows`, each of shape (len(rows),), in units of the standardised, clipped target.

    - `zero` forecasts 0 in the target's own unit, `train_mean` the mean of the training rows, `persistence`
      the last target known at t.
    - `har`, for volatility alone: least squares on means of the one-row series over the last 1, 5 and 22
      days, and over the last bar where bars are finer than days; there with the mean of each bar of the day,
      too, and without the long means in the first rows, which lack the history. Corsi (2009), "A Simple
      Approximate Long-Memory Model of Realized Volatility".
    - `ar`, for any other kind: least squares on the last p values of the one-row series, p by BIC.
    - Both also see the part of the target that is known already, where its window is longer than its horizon.
    - `seasonal`, where bars are finer than days: the mean target of the same bar on the last 22 days.

    All are fitted on every row that training windows see, so that none changes with `seq_len`.

    Raises DataError where a row has no target history for a forecast.
    """
    target = data.target.astype(np.float64)
    _require_history(data, rows)
    everywhere = {
        "zero": np.full(len(target), -data.scaler.target_mean / data.scaler.target_std),
        "train_mean": np.full(len(target), target[data.fitting].mean()),
        "persistence": lagged(target, data.horizon),
    }
    if data.kind == "volatility":
        spans = har_spans(data.history, len(data.fitting))
        everywhere["har"] = least_squares_with_fallback(partial(har_terms, data), spans, target, data.fitting)
    else:
        everywhere["ar"] = _autoregression(data, target)
    if data.history.per_day > 1:
        everywhere["seasonal"] = seasonal(data)
    return {name: forecasts[rows] for name, forecasts in everywhere.items()}


def baseline_losses(data: Dataset, rows: Rows) -> dict[str, float]:
    """Mean squared error of each naive forecast on `rows`; raises as `baseline_forecasts` does."""
    target = data.target[rows].astype(np.float64)
    return {
        name: float(np.mean((target - forecast) ** 2))
        for name, forecast in baseline_forecasts(data, rows).items()
    }


def mean_baseline_losses(folds: Sequence[Dataset]) -> dict[str, float]:
    """The same on the validation rows of each fold, and of these the mean over folds."""
    losses = [_fold_losses(data) for data in folds]
    return {name: fmean(each[name] for each in losses) for name in losses[0]}


def _fold_losses(data: Dataset) -> dict[str, float]:
    try:
        return baseline_losses(data, data.validation)
    except DataError as error:
        raise with_fold_name(error, data.fold) from None


def har_terms(data: Dataset, spans: tuple[int, ...]) -> Floats:
    """Regressors of HAR at every row, (T, K), NaN where the history is too short; the first is a one."""
    history = data.history
    means = [trailing_mean(history.own, span) for span in spans]
    return with_intercept(*means, *partial_target_terms(data), *bar_of_day_terms(data))


def partial_target_terms(data: Dataset) -> tuple[Floats, ...]:
    """The part of the target that is known at each row, (T,); none where it begins after the row."""
    return () if data.history.begun is None else (data.history.begun,)


def bar_of_day_terms(data: Dataset) -> tuple[Floats, ...]:
    """Mean of the target and of the one-row series over training rows of the same bar of the day, each (T,);
    none in a table of daily or longer bars.
    """
    history = data.history
    if history.per_day == 1:
        return ()
    target = data.target.astype(np.float64)
    return tuple(bar_of_day_means(values, history.slots, data.fitting) for values in (target, history.own))


def seasonal(data: Dataset) -> Floats:
    """The mean target of the same bar of the day on the last 22 days, known at each row, (T,).

    The first days, which have no such past, get the mean over the training rows of the same bar.
    """
    target, slots = data.target.astype(np.float64), data.history.slots
    forecasts = bar_of_day_means(target, slots, data.fitting)
    for slot in range(int(slots.max()) + 1):
        rows = np.flatnonzero(slots == slot)
        means = trailing_mean(target[rows], _SEASONAL_DAYS)
        # The mean that ends at the last row of this bar whose target is known: it stands `horizon` rows back.
        last = np.searchsorted(rows, rows - data.horizon, side="right") - 1
        known = np.where(last >= 0, means[last], np.nan)
        forecasts[rows] = np.where(np.isnan(known), forecasts[rows], known)
    return forecasts


def _autoregression(data: Dataset, target: Floats) -> Floats:
    """Forecasts (T,) by the order with the least BIC, compared on the same rows.

    Targets over `horizon` rows overlap, so that n / horizon of the n rows count as independent. Rows whose
    history is too short for the order get the mean of the training rows.
    """
    own = data.history.own
    longest = max(AR_ORDERS)
    lags = [lagged(own, back) for back in range(longest)]
    fit = data.fitting[data.fitting >= first_known(own) + longest - 1]
    independent = max(len(fit) / data.horizon, 2.0)

    def criterion(order: int) -> tuple[float, Floats]:
        forecasts = least_squares(with_intercept(*lags[:order], *partial_target_terms(data)), target, fit)
        error = max(float(np.mean((target[fit] - forecasts[fit]) ** 2)), np.finfo(np.float64).tiny)
        return independent * np.log(error) + order * np.log(independent), forecasts

    _, best = min((criterion(order) for order in AR_ORDERS), key=lambda pair: pair[0])
    return np.where(np.isnan(best), target[data.fitting].mean(), best)


def _require_history(data: Dataset, rows: Rows) -> None:
    """Raise DataError unless every naive forecast has the past values that it needs at all `rows`."""
    needed = [data.horizon]
    if data.kind == "volatility":
        longest = min(max(har_spans(data.history, len(data.fitting))), max(HAR_DAYS))
        needed.append(first_known(data.history.own) + longest - 1)
    earliest = max(needed)
    if len(rows) == 0 or rows.min() < earliest:
        found = "no rows" if len(rows) == 0 else f"row {rows.min()}"
        raise DataError(
            f"{found} to forecast, but a naive forecast needs rows from {earliest} on (horizon "
            f"{data.horizon}); start the split later or shorten data.target.horizon"
        )
