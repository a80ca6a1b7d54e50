"""Regressors from the past values at each row, and regressions on them. Pure functions on arrays."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.data.arrays import Floats, Rows
from trainer.data.panel import Times, by_series, rows_until_gap, series_spans
from trainer.data.target_history import TargetHistory
from trainer.data.windows import Dataset
from trainer.errors import RivalError
from trainer.losses import Loss
from trainer.rivals.reweighted import coefficients

HAR_DAYS = (1, 5, 22)
"""A day, a week and a month of trading days: Corsi (2009)."""
_FEWEST_PER_SPAN = 4
"""If bars are shorter than days, a mean over n rows needs this times n fitting rows; else it is left out."""
_BLOCKS, _SCORED = 5, 3
MOST_PANEL_ROWS = 200_000
"""Most rows of several series that a regression with many terms is fitted on; it then takes seconds."""


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

    Leading NaN of `values` count as rows that do not exist; a mean over a later NaN is NaN.
    """
    start = first_known(values)
    means = np.full(len(values), np.nan)
    known = values[start:]
    if len(known) >= span:
        lacks = np.isnan(known)
        sums, lacking = (_sums_over(each, span) for each in (np.where(lacks, 0.0, known), lacks))
        means[start + span - 1 :] = np.where(lacking > 0, np.nan, sums / span)
    return means


def _sums_over(values: npt.NDArray[Any], span: int) -> Floats:
    """Sum of each `span` consecutive values of (n,): (n − span + 1,)."""
    sums: Floats = np.concatenate([[0.0], np.cumsum(values)])
    differences: Floats = sums[span:] - sums[:-span]
    return differences


def trailing_means(data: Dataset, values: Floats, spans: Iterable[int]) -> list[Floats]:
    """`trailing_mean` of `values` (T,) within each series, for each of `spans`: (T,) each."""
    return [by_series(data.series_starts, partial(trailing_mean, span=span), values) for span in spans]


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


def regression(terms: Floats, target: Floats, fitting: Rows, loss: Loss) -> Floats:
    """Forecasts (T,) that are linear in `terms` (T, K), with the lowest loss on the rows of `fitting` without
    NaN.
    """
    fit = fitting[~np.isnan(terms[fitting]).any(axis=1)]
    forecasts: Floats = terms @ coefficients(terms[fit], target[fit], loss)
    return forecasts


def rows_of_some_times(data: Dataset, rows: Rows, most: int) -> Rows:
    """All `rows`, ascending, of a single series. Of several series with more than `most` rows, all rows of
    every k-th time, counted back from the last, so that at most about `most` are left.
    """
    every = -(-len(rows) // most)
    if every <= 1 or len(data.series_starts) == 1:
        return rows
    times, numbers = np.unique(data.times[rows], return_inverse=True)
    kept: Rows = rows[(len(times) - 1 - numbers) % every == 0]
    return kept


def regression_with_fallback(
    terms: Callable[[tuple[int, ...]], Floats],
    spans: tuple[int, ...],
    target: Floats,
    fitting: Rows,
    loss: Loss,
) -> Floats:
    """Forecasts (T,) by a `regression` on the `terms` of all `spans`, ascending.

    Rows whose history is too short for the longest span are forecast by a regression without that span, and
    so on down to the shortest.
    """
    forecasts = regression(terms(spans), target, fitting, loss)
    while np.isnan(forecasts).any() and len(spans) > 1:
        spans = spans[:-1]
        shorter = regression(terms(spans), target, fitting, loss)
        forecasts = np.where(np.isnan(forecasts), shorter, forecasts)
    return forecasts


def with_intercept(*terms: Floats) -> Floats:
    """Columns (T, 1 + K): 1, then each of `terms` (T,)."""
    return np.column_stack([np.ones(len(terms[0])), *terms])


def partial_target_terms(data: Dataset) -> tuple[Floats, ...]:
    """The part of the target that is known at each row, (T,); empty if the target begins after the row."""
    return () if data.history.begun is None else (data.history.begun,)


def bar_of_day_terms(data: Dataset) -> tuple[Floats, ...]:
    """Mean of the target and of the one-row series over training rows of the same bar of the day, each (T,);
    empty in a table of daily or longer bars.
    """
    history = data.history
    if history.per_day == 1:
        return ()
    target = data.target.astype(np.float64)
    return tuple(bar_of_day_means(values, history.slots, data.fitting) for values in (target, history.own))


def best_regression(data: Dataset, terms: Iterable[Floats], loss: Loss) -> Floats:
    """Forecasts (T,) by a `regression` on the one of `terms`, each (T,), that fits the training rows best.

    If bars are shorter than days, the means of each bar of the day are further regressors.
    """
    target, fitting = data.target.astype(np.float64), data.fitting

    def error(forecasts: Floats) -> float:
        return float(np.nanmean(loss.value(forecasts[fitting], target[fitting])))

    bars = bar_of_day_terms(data)
    fits = (regression(with_intercept(term, *bars), target, fitting, loss) for term in terms)
    return min(fits, key=error)


def known_returns(data: Dataset) -> Floats:
    """The one-row log returns (T,), finite from the first known one of each series on; RivalError if there
    are none.
    """
    returns = data.history.returns
    if returns is None:
        raise RivalError("no feature is a log return")
    known = np.concatenate(
        [
            returns[span][first_known(returns[span]) :]
            for span in series_spans(data.series_starts, len(returns))
        ]
    )
    if len(known) == 0 or not np.isfinite(known).all():
        raise RivalError("the returns are not finite in all rows")
    return returns


def decaying_sum(shocks: Floats, decay: float, *, before: float) -> Floats:
    """state[t] = shocks[t] + decay · state[t − 1], (T,), with `before` as the state before the first."""
    # A loop: importing scipy.signal takes longer than a million steps.
    states, state = np.empty(len(shocks)), before
    for row, shock in enumerate(shocks.tolist()):
        states[row] = state = shock + decay * state
    return states


def scored_blocks(times: Times) -> Iterator[tuple[np.generic, Rows]]:
    """The first moment and the rows of the last three of five equal blocks of the moments of `times` (n,),
    each of which is forecast from earlier rows; blocks without rows are left out.
    """
    moments, numbers = np.unique(times, return_inverse=True)
    edges = np.linspace(0, len(moments), _BLOCKS + 1).astype(int).tolist()
    for start, stop in zip(edges[-_SCORED - 1 : -1], edges[-_SCORED:], strict=True):
        if start < stop:
            yield moments[start], np.flatnonzero((numbers >= start) & (numbers < stop))


def forward_steps(times: Times, starts: Rows, gap: int) -> Iterator[tuple[Rows, Rows]]:
    """The earlier rows and the held-out rows of each block of `times` (n,). Earlier rows end `gap` rows of
    their series before the block; there is at least one.
    """
    for moment, held in scored_blocks(times):
        yield rows_until_gap(starts, times, moment, gap), held
