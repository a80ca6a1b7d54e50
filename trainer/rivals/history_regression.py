"""Linear forecasts from the target's own history and the windows of chosen features.

They measure how much a column adds to the history, and serve as reference if features are declared to lead.
"""

from collections.abc import Sequence

import numpy as np

from trainer.data.arrays import Floats, Rows, lagged
from trainer.data.panel import rows_since_start, starts_among
from trainer.data.windows import Dataset
from trainer.losses import MSE
from trainer.rivals.flat_windows import MOST_ROWS, flat_windows, latest_rows
from trainer.rivals.har import har_terms
from trainer.rivals.naive import seasonal_means
from trainer.rivals.regressors import forward_steps, har_spans, partial_target_terms, trailing_mean
from trainer.rivals.ridge import fit_ridge, in_pieces

_LAGS = 10
"""Number of latest values of the one-row series that are regressors."""
_MEANS = (10, 22, 66)
"""Rows over which means of the one-row series are taken, up to a quarter of trading days."""
_ROWS_PER_SPAN = 4
"""A mean is used only if there are this many fitting rows for each of its rows."""
_MOST_PAIRED = 20
"""Most features for which products of pairs are formed: 190 products, as many regressors as a few windows."""


def history_terms(data: Dataset) -> Floats:
    """Regressors (T, K) computed from the target's own history, all known at their row.

    They are the last values of the one-row series, its means over the last rows, and the distance of its last
    value from the mean; for volatility also the terms of HAR and the means of negative returns (Corsi & Renò
    2012); if bars are shorter than days also `seasonal`. NaN if the history is too short.
    """
    usual = float(np.nanmean(data.history.own[data.fitting]))  # of a series without fitting rows
    return np.vstack([_terms_of_series(one, len(data.fitting), usual) for _, one in data.each_series()])


def _terms_of_series(data: Dataset, fitted: int, usual: float) -> Floats:
    own, returns = data.history.own, data.history.returns
    spans = sorted({*_MEANS, max(data.horizon, 2)})
    terms = [lagged(own, back) for back in range(_LAGS)]
    terms += [trailing_mean(own, span) for span in spans if span * _ROWS_PER_SPAN <= fitted]
    fitting = own[data.fitting]
    terms.append(np.abs(own - (np.nanmean(fitting) if np.isfinite(fitting).any() else usual)))
    if data.kind == "volatility":
        har = har_spans(data.history, fitted)
        terms += list(har_terms(data, har)[:, 1:].T)
        if returns is not None:
            falls = np.minimum(returns, 0.0)
            terms += [trailing_mean(falls, span) for span in har]
    else:
        terms += partial_target_terms(data)
    if data.history.per_day > 1:
        terms.append(seasonal_means(data))
    return np.column_stack(terms)


def rows_with_history(data: Dataset, terms: Floats, rows: Rows) -> Rows:
    """The `rows` that have all `terms` and a full window."""
    number = rows_since_start(data.series_starts, len(data.target))
    return rows[(number[rows] >= data.seq_len - 1) & np.isfinite(terms[rows]).all(axis=1)]


def history_and_windows(data: Dataset, terms: Floats, features: Sequence[int], rows: Rows) -> Floats:
    """Regressors from the history and from the windows of some features, (rows, K + seq_len · F + F + pairs).

    Beside its window, each feature adds the absolute last value, and each pair of features the product of
    their last values: a linear sum misses a value whose sign is in another column, or whose weight depends on
    the volatility.
    """
    if not features:
        return terms[rows]
    last = data.features[rows][:, list(features)].astype(np.float64)  # (rows, F)
    one, other = np.triu_indices(len(features) if len(features) <= _MOST_PAIRED else 0, 1)
    flat = flat_windows(data, rows, features)
    return np.hstack([terms[rows], flat, np.abs(last), last[:, one] * last[:, other]])


def ridge_forecast(
    data: Dataset,
    terms: Floats,
    features: Sequence[int],
    train: Rows,
    rows: Rows,
    target: Floats | None = None,
) -> Floats:
    """Forecasts of `rows` by ridge regression on the history and the windows of some features, fitted on
    `train`; of several series on at most `MOST_ROWS` of them.

    `target` (T,) replaces the target of the data.
    """
    values = data.target.astype(np.float64) if target is None else target

    def read(chosen: Rows) -> Floats:
        return history_and_windows(data, terms, features, chosen)

    train = latest_rows(data, train, read(rows[:1]).shape[1], most=MOST_ROWS)
    steps = forward_steps(data.times[train], starts_among(data.series_starts, train), data.horizon)
    predict = fit_ridge(lambda chosen: read(train[chosen]), values[train], steps, MSE)
    return in_pieces(predict, read, rows)
