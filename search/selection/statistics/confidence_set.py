"""Which forecasts cannot be distinguished from the best one? The model confidence set."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.stationary_bootstrap import block_length, require_finite_rows

MAX_MODELS = 100
"""The test compares each pair in each draw: 100 models already take 80 MB per table."""


@dataclass(frozen=True)
class ConfidenceSet:
    """Names that are `included` at confidence 1 − `size`, best p value first, and the p value of every name.

    A name is left out if its p value is `size` or less: another one is better by more than chance.
    """

    included: tuple[str, ...]
    p_values: Mapping[str, float]
    size: float


def confidence_set(
    losses: Mapping[str, NDArray[np.floating]],
    *,
    size: float = 0.1,
    horizon: int = 1,
    seed: int = 0,
    draws: int = 1000,
) -> ConfidenceSet:
    """Model confidence set: the names in `losses`, name to (n,), that may be best, at confidence 1 − `size`.

    Hansen, Lunde & Nason (2011, "The model confidence set", range statistic T_R), by `arch`, under the
    stationary bootstrap with the longest `block_length` among the models' differences to their mean. Names
    with identical losses count as one model.

    Raises ValueError for no or more than 100 names, fewer than 20 rows or 3 · horizon, other lengths,
    numbers that are not finite, or a `size` that is not between 0 and 1.
    """
    from arch.bootstrap import MCS

    if not 0 < size < 1:
        raise ValueError(f"size is {size:g}; give a share between 0 and 1, for example 0.1")
    table, place = _distinct(losses)
    if table.shape[1] == 1:
        p_values = np.ones(1)
    else:
        gaps = table - table.mean(axis=1, keepdims=True)
        block = max(block_length(gap, horizon) for gap in gaps.T)
        test = MCS(table, size, reps=draws, block_size=block, seed=seed)
        test.compute()
        p_values = test.pvalues["Pvalue"].sort_index().to_numpy()
    named = {name: float(p_values[at]) for name, at in zip(losses, place, strict=True)}
    kept = sorted((name for name, p in named.items() if p > size), key=lambda name: -named[name])
    return ConfidenceSet(tuple(kept), named, size)


def _distinct(
    losses: Mapping[str, NDArray[np.floating]],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The distinct columns of losses, (n, distinct), and the index of each name's column."""
    if not 1 <= len(losses) <= MAX_MODELS:
        raise ValueError(f"there are {len(losses)} series of losses; give 1 to {MAX_MODELS}")
    columns = [require_finite_rows(f"losses of {name!r}", rows) for name, rows in losses.items()]
    shapes = sorted({column.shape for column in columns})
    if len(shapes) > 1 or len(shapes[0]) != 1:
        raise ValueError(f"the losses have shapes {shapes}; give each as (n,) on the same rows")
    table, place = np.unique(np.stack(columns, axis=1), axis=1, return_inverse=True)
    return table, place.reshape(-1)
