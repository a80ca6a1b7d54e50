"""The series of a table: the rows of each in time order, one series after the other.

`starts` (S,) are the positions of the first row of each of S series, ascending from 0. A table of one
asset is a panel of one series, with `starts` [0]. Code that looks from one row to another does so within one
series, through `by_series` or `series_spans`.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from trainer.data.arrays import Floats, Rows

Cell = TypeVar("Cell", bound=np.generic)
Times = npt.NDArray[np.datetime64] | Rows
"""Moments that can be compared: of rows of several series, those at one moment are equal."""

ONE_SERIES: Rows = np.zeros(1, np.int64)
ONE_SERIES.flags.writeable = False


def series_spans(starts: Rows, rows: int) -> list[slice]:
    """The rows of each series, in a table of `rows` rows."""
    edges = [*starts.tolist(), rows]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def by_series(
    starts: Rows, function: Callable[..., npt.NDArray[Cell]], *inputs: npt.NDArray[Any]
) -> npt.NDArray[Cell]:
    """`function` of the `inputs`, each (T, …), computed for each series alone, (T, …)."""
    spans = series_spans(starts, len(inputs[0]))
    return np.concatenate([function(*(values[span] for values in inputs)) for span in spans])


def rows_since_start(starts: Rows, rows: int) -> Rows:
    """The number of each row within its series, from 0: (rows,)."""
    return np.concatenate([np.arange(span.stop - span.start) for span in series_spans(starts, rows)])


def span_of_row(starts: Rows, rows: int, row: int) -> slice:
    """The rows of the series that `row` belongs to, of `rows` in all."""
    return next(span for span in series_spans(starts, rows) if row < span.stop)


def name_of_row(names: Sequence[str], starts: Rows, row: int) -> str:
    """The name of the series that `row` belongs to; empty if the series have no `names`."""
    return names[int(np.searchsorted(starts, row, "right")) - 1] if names else ""


def starts_among(starts: Rows, chosen: Rows) -> Rows:
    """The positions in `chosen`, ascending rows, at which each series begins, (S,)."""
    return np.searchsorted(chosen, starts)


def newest_rows(times: Times, chosen: Rows, most: int) -> Rows:
    """The latest of the `chosen` rows, ascending, at most `most` ≥ 1 of them, by their `times` (T,)."""
    if len(chosen) <= most:
        return chosen
    return chosen[np.sort(np.argsort(times[chosen], kind="stable")[-most:])]


def rows_until_gap(starts: Rows, times: Times, moment: np.generic, gap: int) -> Rows:
    """The rows before `moment` of each series, without the last `gap` of them; the earliest row of all if
    none is left. `times` (T,) ascend within each series.
    """
    before = [
        np.arange(span.start, span.start + int(np.searchsorted(times[span], moment)) - gap)
        for span in series_spans(starts, len(times))
    ]
    return np.concatenate(before) if any(map(len, before)) else np.array([np.argmin(times)])


def moment_numbers(times: Times) -> Rows:
    """The number of the moment of each row (T,), from 0 by time; rows of one moment have one number."""
    numbers: Rows = np.unique(times, return_inverse=True)[1].astype(np.int64)
    return numbers


def mean_by_moment(times: Times, values: Floats) -> Floats:
    """The mean of `values` (n,) over the rows of each distinct moment of `times` (n,), ascending."""
    numbers = moment_numbers(times)
    means: Floats = np.bincount(numbers, weights=values) / np.bincount(numbers)
    return means


def uncopied(rows: Rows) -> Rows | slice:
    """Ascending rows, as a slice if none is left out: it takes them from an array without a copy."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first == len(rows) - 1 else rows
