"""What the rows of a panel are worth, measured on the errors of a naive forecast."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainer.data.arrays import Rows
from trainer.data.moments import target_span
from trainer.data.windows import Dataset
from trainer.losses import Loss
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.skill import EffectiveRows


def effective_validation_rows(folds: Sequence[Dataset], baseline: str, loss: Loss) -> EffectiveRows | None:
    """Of the validation rows of all folds; `baseline` is the naive forecast. None for a single series, whose
    rows are worth what their number and the horizon say.
    """
    if len(folds[0].series_starts) == 1:
        return None
    errors = [
        data.in_units(loss).gradient(
            baseline_forecasts(data, data.validation, loss)[baseline], data.target[data.validation]
        )
        for data in folds
    ]
    return least_effective_rows(
        np.concatenate(errors),
        np.concatenate([data.times[data.validation] for data in folds]),
        np.concatenate([data.series_numbers[data.validation] for data in folds]),
        folds[0].horizon,
    )


def least_effective_rows(
    errors: npt.NDArray[np.floating], times: npt.NDArray[np.datetime64], series: Rows, horizon: int
) -> EffectiveRows:
    """`effective_rows` of errors (n,); of several outputs, (n, outputs), those that are worth least: the
    tails of series that fall together are more alike than their medians.
    """
    columns = errors.reshape(len(errors), -1).T
    found = [effective_rows(each, times, series, horizon) for each in columns]
    return min(found, key=lambda each: each.uncorrelated)


def effective_rows(
    errors: npt.NDArray[np.floating], times: npt.NDArray[np.datetime64], series: Rows, horizon: int
) -> EffectiveRows:
    """What the rows are worth, measured on the `errors` (n,) of a naive forecast in them: the gradients of
    its losses, which of the squared error are twice its errors.

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
    horizon = target_span(at, series, horizon)
    return EffectiveRows(len(names), rows, len(distinct), float(worth), horizon)
