"""Rows of a panel as values by time.

Rows of one moment depend on one another: the market moves all series at once. Whatever takes successive rows
for successive times (standard errors, bootstraps, blocks) works on one value per moment instead.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.data.arrays import Floats, Rows

SPAN_SHARE = 0.95
"""`Moments.horizon` is the number of moments that this share of the targets does not exceed. The longest
target would let one series with a long gap decide for all."""


@dataclass(frozen=True)
class Moments:
    """The m distinct times of n rows, ascending within each fold; `times` and `folds` are (m,).

    `number` (n,) is the moment of each row. `horizon` is how many moments a target spans: at least its number
    of rows, and more if the series trade at different times.
    """

    times: npt.NDArray[np.datetime64]
    folds: Rows
    number: Rows
    horizon: int

    def means(self, values: Floats) -> Floats:
        """Values (n, …) of rows as values (m, …) of moments, whose mean is the mean of all rows.

        The value of a moment is the sum over its rows, times m / n: a moment with more series counts for
        more. The rows of a single series are returned as they are.
        """
        m, n = len(self.times), len(self.number)
        if m == n and np.array_equal(self.number, np.arange(n)):
            return values
        flat = values.reshape(n, -1)
        sums = np.stack([np.bincount(self.number, column, m) for column in flat.T], axis=1, dtype=np.float64)
        means: Floats = (sums * (m / n)).reshape(m, *values.shape[1:])
        return means


def moments_of(
    times: npt.NDArray[np.datetime64], series: Rows, horizon: int, folds: Rows | None = None
) -> Moments:
    """The moments of rows at `times` (n,), of the numbered `series` (n,) and, if given, `folds` (n,).

    `horizon` is that of the target, in rows of its series.
    """
    distinct, at = np.unique(times, return_inverse=True)
    of_fold = np.zeros(len(at), np.int64) if folds is None else folds
    keys, number = np.unique(of_fold * len(distinct) + at, return_inverse=True)
    return Moments(
        times=distinct[keys % max(len(distinct), 1)],
        folds=keys // max(len(distinct), 1),
        number=number,
        horizon=target_span(at, series, horizon),
    )


def target_span(at: Rows, series: Rows, horizon: int) -> int:
    """How many moments SPAN_SHARE of the targets do not exceed, at least `horizon`; `at` (n,) is the place of
    each row's time among all of them.
    """
    rows = np.unique(np.stack([series, at]), axis=1)  # by series, then time
    if len(rows[0]) == 0 or rows[0, 0] == rows[0, -1]:
        return horizon
    ends = rows[:, horizon:]
    within = ends[0] == rows[0, : ends.shape[1]]
    spans = (ends[1] - rows[1, : ends.shape[1]])[within]
    return max(horizon, int(np.quantile(spans, SPAN_SHARE, method="higher"))) if len(spans) else horizon
