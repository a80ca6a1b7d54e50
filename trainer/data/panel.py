"""The series of a table: the rows of each in time order, one series after the other.

`starts` (S,) are the positions of the first row of each of S series, ascending from 0. A table of one
asset is a panel of one series, with `starts` [0]. Code that looks from one row to another does so within one
series, through `by_series` or `series_spans`.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from trainer.data.arrays import Floats, Rows

ONE_SERIES: Rows = np.zeros(1, np.int64)
ONE_SERIES.flags.writeable = False


def series_spans(starts: Rows, rows: int) -> list[slice]:
    """The rows of each series, in a table of `rows` rows."""
    edges = [*starts.tolist(), rows]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def by_series(starts: Rows, function: Callable[..., Floats], *inputs: Floats) -> Floats:
    """Apply `function` to the `inputs`, each (T,), of each series separately: (T,)."""
    spans = series_spans(starts, len(inputs[0]))
    return np.concatenate([function(*(values[span] for values in inputs)) for span in spans])


def rows_since_start(starts: Rows, rows: int) -> Rows:
    """The number of each row within its series, from 0: (rows,)."""
    return np.concatenate([np.arange(span.stop - span.start) for span in series_spans(starts, rows)])
