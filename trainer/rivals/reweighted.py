"""Coefficients of linear forecasts with the lowest loss, by least squares that are weighted anew in turn."""

from collections.abc import Callable, Iterable

import numpy as np

from trainer.data.arrays import Floats
from trainer.losses import MSE, Loss

Pieces = Callable[[], Iterable[tuple[Floats, Floats]]]
"""Gives the terms (m, K) and targets (m,) of all rows, piece after piece."""

_MOST_ITERATIONS = 100
_LARGE, _MOST_ITERATIONS_OF_LARGE = 200_000, 10
"""Terms of more cells than this get fewer iterations: each takes long, or reads them from disk again."""
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
    goes as much of the way as lowers the loss: Green (1984), "Iteratively Reweighted Least Squares". If the
    loss is not finite there, the coefficients stay.
    """
    best, lowest = start, _cost(pieces, start, loss, penalty)
    for number in range(_MOST_ITERATIONS):
        gram, moments, cells = _problem(pieces, best, loss, penalty)
        if not (np.isfinite(gram).all() and np.isfinite(moments).all()):
            break
        solved, *_ = np.linalg.lstsq(gram, moments, rcond=None)
        tries = (best + 0.5**halving * (solved - best) for halving in range(_HALVINGS))
        costs = ((each, _cost(pieces, each, loss, penalty)) for each in tries)
        found = next(((each, cost) for each, cost in costs if cost < lowest), None)
        if found is None:
            break
        before, (best, lowest) = lowest, found
        is_long_enough = cells > _LARGE and number + 1 >= _MOST_ITERATIONS_OF_LARGE
        if before - lowest < _LEAST_GAIN * before or is_long_enough:
            break
    return best


def _problem(pieces: Pieces, near: Floats, loss: Loss, penalty: Floats) -> tuple[Floats, Floats, int]:
    """The matrix (K, K) and the right side (K,) of the least-squares problem that stands for the loss near
    some coefficients, and the number of cells of all terms.
    """
    gram, moments, cells = np.diag(penalty), np.zeros(len(near)), 0
    with np.errstate(over="ignore", invalid="ignore"):
        for terms, target in pieces():
            forecasts = terms @ near
            curvature = loss.curvature(forecasts, target)
            gram = gram + terms.T @ (terms * curvature[:, None])
            moments += terms.T @ (curvature * forecasts - loss.gradient(forecasts, target))
            cells += terms.size
    return gram, moments, cells


def _cost(pieces: Pieces, found: Floats, loss: Loss, penalty: Floats) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        rows = sum(float(loss.value(terms @ found, target).sum()) for terms, target in pieces())
    return rows + float(penalty @ found**2) / 2
