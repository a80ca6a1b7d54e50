"""Regressors from the past values at each row, and least squares on them. Pure functions on arrays."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from trainer.data.target_history import TargetHistory

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

HAR_DAYS = (1, 5, 22)
"""A day, a week and a month of trading days: Corsi (2009)."""
_FEWEST_PER_SPAN = 4
"""In a table of bars shorter than days, a mean is used only if there are this many fitting rows for each of
its rows."""


def har_spans(history: TargetHistory, fitted: int) -> tuple[int, ...]:
    """Rows of each mean that HAR uses, ascending: the last bar, then 1, 5 and 22 days of bars.

    `fitted` is the number of rows that HAR is fitted on. If bars are shorter than days, means over many rows
    are left out when `fitted` is small.
    """
    spans = {1, *(days * history.per_day for days in HAR_DAYS)}
    shortest = max(HAR_DAYS)
    return tuple(sorted(span for span in spans if span <= max(shortest, fitted // _FEWEST_PER_SPAN)))


def trailing_mean(values: Floats, span: int) -> Floats:
    """Mean of the last `span` values at each row of (T,); NaN in the first rows, which have fewer.

    Leading NaN of `values` count as rows that do not exist.
    """
    start = first_known(values)
    means = np.full(len(values), np.nan)
    known = values[start:]
    if len(known) >= span:
        sums = np.concatenate([[0.0], np.cumsum(known)])
        means[start + span - 1 :] = (sums[span:] - sums[:-span]) / span
    return means


def lagged(values: Floats, rows: int) -> Floats:
    """The value `rows` ≥ 0 rows earlier, (T,); NaN in the first rows."""
    return np.concatenate([np.full(min(rows, len(values)), np.nan), values[: max(len(values) - rows, 0)]])


def first_known(values: Floats) -> int:
    """The first row of (T,) that is finite; T if none is."""
    known = np.isfinite(values)
    return int(np.argmax(known)) if known.any() else len(values)


def bar_of_day_means(values: Floats, slots: Rows, fitting: Rows) -> Floats:
    """At each row of (T,), the mean of `values` over the fitting rows of the same bar of the day.

    A bar that no fitting row has gets the mean over all fitting rows.
    """
    size = int(slots.max()) + 1
    known = fitting[~np.isnan(values[fitting])]
    counts = np.bincount(slots[known], minlength=size)
    sums = np.bincount(slots[known], weights=values[known], minlength=size)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), values[known].mean())
    result: Floats = means[slots]
    return result


def least_squares(terms: Floats, target: Floats, fitting: Rows) -> Floats:
    """Forecasts (T,) by ordinary least squares on `terms` (T, K), fitted where `fitting` has no NaN."""
    fit = fitting[~np.isnan(terms[fitting]).any(axis=1)]
    coefficients, *_ = np.linalg.lstsq(terms[fit], target[fit], rcond=None)
    forecasts: Floats = terms @ coefficients
    return forecasts


def least_squares_with_fallback(
    terms: Callable[[tuple[int, ...]], Floats], spans: tuple[int, ...], target: Floats, fitting: Rows
) -> Floats:
    """Forecasts (T,) by least squares on the `terms` of all `spans`, ascending.

    Rows whose history is too short for the longest span are forecast by a regression without it, and so on.
    """
    forecasts = least_squares(terms(spans), target, fitting)
    while np.isnan(forecasts).any() and len(spans) > 1:
        spans = spans[:-1]
        forecasts = np.where(np.isnan(forecasts), least_squares(terms(spans), target, fitting), forecasts)
    return forecasts


def with_intercept(*terms: Floats) -> Floats:
    """Columns (T, 1 + K): 1, then each of `terms` (T,)."""
    return np.column_stack([np.ones(len(terms[0])), *terms])
