"""Rows of a panel as values by time, and how many independent rows they are worth.

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
        horizon=_target_span(at, series, horizon),
    )


def _target_span(at: Rows, series: Rows, horizon: int) -> int:
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


def series_of_rows(series_starts: Rows, rows: Rows) -> Rows:
    """The number of the series of each of `rows`, from 0, given the first row of each series."""
    return np.searchsorted(series_starts, rows, side="right") - 1


@dataclass(frozen=True)
class EffectiveRows:
    """What the rows of a panel are worth.

    `rows` of `series` series lie at `times` distinct times. `uncorrelated` is how many rows without any
    correlation between series would let a useless forecast show as much skill by chance. `horizon` is how
    many moments a target spans.
    """

    series: int
    rows: int
    times: int
    uncorrelated: float
    horizon: int

    @property
    def independent(self) -> float:
        """How many independent rows these are worth: overlapping targets count once."""
        return self.uncorrelated / self.horizon

    @property
    def text(self) -> str:
        """`7,000 rows on 1,800 dates, worth about 2,300 independent rows`."""
        return (
            f"{self.rows:,} rows of {self.series:,} series at {self.times:,} times, worth about "
            f"{_rounded(self.independent):,} independent rows"
        )


def effective_rows(
    errors: npt.NDArray[np.floating], times: npt.NDArray[np.datetime64], series: Rows, horizon: int
) -> EffectiveRows:
    """What the rows are worth, measured on the `errors` (n,) of a naive forecast in them.

    A useless forecast that moves all series together, each with its own sensitivity vᵢ, shows a skill of
    Σₜ(Σᵢ vᵢ eᵢₜ)² / (Σᵢ vᵢ² nᵢ · Σ e²) by chance, where independent rows would give 1/n. The largest such
    skill over all v is an eigenvalue; its inverse is `uncorrelated`. It is one row per time if all series
    move as one, and all rows if each moves for itself. nᵢ, the rows of series i, count as at least their
    mean, so that a series of a few rows does not decide.

    Random correlations between S series on m times make it smaller by up to (1 + √(S/m))²: it errs to the
    side of fewer rows. A row that several folds hold out counts once, with its mean error.
    """
    distinct, at = np.unique(times, return_inverse=True)
    names, of = np.unique(series, return_inverse=True)
    cell = at * len(names) + of
    counts = np.bincount(cell, minlength=len(distinct) * len(names))
    sums = np.bincount(cell, errors.astype(np.float64), len(counts))
    table = (sums / np.maximum(counts, 1)).reshape(len(distinct), len(names))
    held = (counts > 0).reshape(table.shape).sum(axis=0)
    rows, total = int(held.sum()), float(np.square(table).sum())
    scaled = table / np.sqrt(np.maximum(held, held.mean()))
    products = scaled.T @ scaled if len(names) <= len(distinct) else scaled @ scaled.T
    largest = float(np.linalg.eigvalsh(products)[-1])
    worth = rows if len(names) == 1 or largest <= 0 else min(total / largest, rows)
    horizon = _target_span(at, series, horizon)
    return EffectiveRows(len(names), rows, len(distinct), float(worth), horizon)


def _rounded(count: float) -> int:
    """To two digits that count: 2,347 is 2,300."""
    return int(float(f"{count:.2g}")) if count >= 100 else round(count)
