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
"""`seasonal` averages the same bar of this many past days: a month of trading days."""


def baseline_forecasts(data: Dataset, rows: Rows) -> dict[str, Floats]:
    """Naive forecasts of `rows`, each of shape (len(rows),), in units of the standardised, clipped target.

    - `zero` forecasts 0 in the target's own unit, `train_mean` the mean of the training rows, `persistence`
      the last target known at t.
    - `har`, only for volatility: least squares on means of the one-row series over the last 1, 5 and 22 days.
      If bars are shorter than days, also on the last bar and on the mean of the same bar of the day; the
      first rows, whose history is short, are forecast without the long means. Corsi (2009), "A Simple
      Approximate Long-Memory Model of Realized Volatility".
    - `ar`, for any other kind: least squares on the last p values of the one-row series, p by BIC.
    - Both also use the part of the target that is already known, if its window is longer than its horizon.
    - `seasonal`, if bars are shorter than days: the mean target of the same bar on the last 22 days.

    All are fitted on every row that training windows may contain, so that none depends on `seq_len`.

    Raises DataError if a row has too little history of the target for a forecast.
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
    """Mean over the folds of `baseline_losses` on the validation rows of each."""
    losses = [_fold_losses(data) for data in folds]
    return {name: fmean(each[name] for each in losses) for name in losses[0]}


def _fold_losses(data: Dataset) -> dict[str, float]:
    try:
        return baseline_losses(data, data.validation)
    except DataError as error:
        raise with_fold_name(error, data.fold) from None


def har_terms(data: Dataset, spans: tuple[int, ...]) -> Floats:
    """Regressors of HAR at every row, (T, K), NaN if the history is too short; the first column is 1."""
    history = data.history
    means = [trailing_mean(history.own, span) for span in spans]
    return with_intercept(*means, *partial_target_terms(data), *bar_of_day_terms(data))


def partial_target_terms(data: Dataset) -> tuple[Floats, ...]:
    """The part of the target that is already known at each row, (T,); empty if no part is."""
    return () if data.history.begun is None else (data.history.begun,)


def bar_of_day_terms(data: Dataset) -> tuple[Floats, ...]:
    """Means of the target and of the one-row series over the training rows of the same bar of the day, each
    (T,); empty for daily or longer bars.
    """
    history = data.history
    if history.per_day == 1:
        return ()
    target = data.target.astype(np.float64)
    return tuple(bar_of_day_means(values, history.slots, data.fitting) for values in (target, history.own))


def seasonal(data: Dataset) -> Floats:
    """The mean target of the same bar on the last 22 days whose target is known at the row, (T,).

    In the first days, before there are 22, it is the mean over the training rows of the same bar.
    """
    target, slots = data.target.astype(np.float64), data.history.slots
    forecasts = bar_of_day_means(target, slots, data.fitting)
    for slot in range(int(slots.max()) + 1):
        rows = np.flatnonzero(slots == slot)
        means = trailing_mean(target[rows], _SEASONAL_DAYS)
        # The mean that ends at the last row of this bar whose target is known, at least `horizon` rows back.
        last = np.searchsorted(rows, rows - data.horizon, side="right") - 1
        known = np.where(last >= 0, means[last], np.nan)
        forecasts[rows] = np.where(np.isnan(known), forecasts[rows], known)
    return forecasts


def _autoregression(data: Dataset, target: Floats) -> Floats:
    """Forecasts (T,) by the autoregression of lowest BIC; all orders are compared on the same rows.

    Targets over `horizon` rows overlap, so that only n / horizon of n rows count as independent. Rows whose
    history is too short for the order are forecast by the mean of the training rows.
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
    """Raise DataError unless all `rows` have the past values that every naive forecast needs."""
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
