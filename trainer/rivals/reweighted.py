"""Coefficients of linear forecasts with the lowest loss, by least squares that are weighted anew in turn."""

from collections.abc import Callable, Iterable
from itertools import accumulate, repeat

import numpy as np

from trainer.data.arrays import Floats
from trainer.losses import MSE, Loss

Pieces = Callable[[], Iterable[tuple[Floats, Floats]]]
"""Gives the terms (m, K) and targets (m,) of all rows, piece after piece."""

_MOST_ITERATIONS = 100
_LARGE, _MOST_ITERATIONS_OF_LARGE = 1_000_000, 10
"""Terms of more cells than this may be read from disk again, and take seconds in each iteration."""
_LEAST_GAIN = 1e-7
"""The share of the loss below which another iteration is not worth its time."""
_HALVINGS = 12


def coefficients(terms: Floats, target: Floats, loss: Loss) -> Floats:
    """Those of lowest mean `loss` on `terms` (n, K), without NaN, for `target` (n,): (K,)."""
    found, *_ = np.linalg.lstsq(terms, target, rcond=None)
    start = np.asarray(found, dtype=np.float64)
    if loss.name == MSE.name:
        return start
    return reweighted(lambda: [(terms, target)], start, loss, np.zeros(len(start)))


def reweighted(pieces: Pieces, start: Floats, loss: Loss, penalty: Floats) -> Floats:
    """The coefficients (K,) with the lowest Σ loss + ½ Σ penalty · c², from `start` on; `penalty` is (K,).

    Each iteration solves the least-squares problem that stands for the loss near the last coefficients, and
    goes as much of the way as lowers the loss: Green (1984), "Iteratively Reweighted Least Squares".
    """
    best, lowest, cells = start, np.inf, 0
    for number in range(_MOST_ITERATIONS):
        gram, moments = np.diag(penalty), np.zeros(len(start))
        cells = 0
        for terms, target in pieces():
            cells += terms.size
            forecasts = terms @ best
            curvature = loss.curvature(forecasts, target)
            gram = gram + terms.T @ (terms * curvature[:, None])
            moments += terms.T @ (curvature * forecasts - loss.gradient(forecasts, target))
        if not (np.isfinite(gram).all() and np.isfinite(moments).all()):
            return best
        if number == 0:
            lowest = _cost(pieces, best, loss, penalty)
        solved, *_ = np.linalg.lstsq(gram, moments, rcond=None)
        shares = accumulate(repeat(0.5, _HALVINGS), lambda share, half: share * half, initial=1.0)
        tries = (best + share * (solved - best) for share in shares)
        found = next(
            ((each, cost) for each in tries if (cost := _cost(pieces, each, loss, penalty)) < lowest), None
        )
        if found is None:
            return best
        best, before, lowest = found[0], lowest, found[1]
        if before - lowest < _LEAST_GAIN * before or (
            cells > _LARGE and number + 1 >= _MOST_ITERATIONS_OF_LARGE
        ):
            break
    return best


def _cost(pieces: Pieces, found: Floats, loss: Loss, penalty: Floats) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        rows = sum(float(loss.value(terms @ found, target).sum()) for terms, target in pieces())
    return rows + float(penalty @ found**2) / 2
