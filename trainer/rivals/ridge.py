"""Ridge regression whose penalty is chosen on the training rows, which need not fit in memory."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from trainer.data.arrays import Floats, Rows
from trainer.data.constant_columns import is_constant
from trainer.data.panel import uncopied
from trainer.losses import MSE, Loss
from trainer.rivals.reweighted import reweighted

Read = Callable[[Rows], Floats]
"""Gives the regressors (n, p) of some rows (n,)."""

PIECE_CELLS = 25_000_000
"""Regressors of at most so many cells are in memory at once: 200 MB. More are read in pieces of 25 MB."""
_PENALTIES = np.logspace(-4, 6, 21)
"""Penalties per row and standardised regressor that are tried."""


def piece_size(rows: int, columns: int) -> int:
    """Rows whose regressors are read at once, of some `rows` with so many regressors: all, if they fit."""
    return max(1, rows if rows * columns <= PIECE_CELLS else PIECE_CELLS // (8 * columns))


def pieces(rows: Rows, size: int) -> Iterator[Rows]:
    """`rows` (n,) in order, in pieces of at most `size`; at least one piece."""
    for start in range(0, max(len(rows), 1), size):
        yield rows[start : start + size]


def in_pieces(predict: Callable[[Floats], Floats], read: Read, rows: Rows) -> Floats:
    """Forecasts (n,) of `rows` (n,) by `predict`, from the regressors that `read` gives."""
    size = piece_size(len(rows), read(rows[:1]).shape[1])
    return np.concatenate([predict(read(part)) for part in pieces(rows, size)])


class _Regressors:
    """The regressors of n training rows, standardised. They stay in memory if they are a single piece."""

    def __init__(self, read: Read, rows: int) -> None:
        self.read, every = read, np.arange(rows)
        self.columns = read(every[:1]).shape[1]
        self._size = piece_size(rows, self.columns)
        constant, firsts, total = np.ones(self.columns, np.bool_), [], np.zeros(self.columns)
        for _, x in self._unscaled(every):
            constant &= is_constant(x)
            firsts.append(x[0])
            total += x.sum(axis=0)
        self.mean = total / rows
        squares = np.zeros(self.columns)
        for _, x in self._unscaled(every):
            squares += ((x - self.mean) ** 2).sum(axis=0)
        self.std = np.sqrt(squares / rows)
        self.std[constant & is_constant(np.stack(firsts))] = 1.0
        self._kept = self.standardised(read(every)) if self._size == rows else None

    def standardised(self, x: Floats) -> Floats:
        """Regressors (m, p) of any rows, standardised by the training rows."""
        scaled: Floats = x - self.mean
        scaled /= self.std
        return scaled

    def of(self, rows: Rows) -> Iterator[tuple[Rows, Floats]]:
        """Some of the training rows and their standardised regressors, piece by piece."""
        if self._kept is not None:
            yield rows, self._kept[uncopied(rows)]
            return
        for part, x in self._unscaled(rows):
            yield part, self.standardised(x)

    def _unscaled(self, rows: Rows) -> Iterator[tuple[Rows, Floats]]:
        for part in pieces(rows, self._size):
            yield part, self.read(part)


@dataclass(frozen=True)
class _Fit:
    """A decomposed least-squares problem; each further penalty costs one division.

    n rows and p regressors give k = min(n, p) directions: `values` (k,), `vectors` (p, k).
    """

    mean: float
    values: Floats
    vectors: Floats
    projected: Floats
    share: float
    """Rows per regressor."""

    @classmethod
    def of(cls, regressors: _Regressors, rows: Rows, y: Floats) -> "_Fit":
        mean, columns = float(y[rows].mean()), regressors.columns
        if len(rows) < columns:
            # The same solution from the smaller matrix: with X Xᵀ = U S Uᵀ it is Xᵀ U (S + λ)⁻¹ Uᵀ y.
            x = np.concatenate([part for _, part in regressors.of(rows)])
            values, left = np.linalg.eigh(x @ x.T)  # (n,), (n, n)
            vectors, projected = x.T @ left, left.T @ (y[rows] - mean)
        else:
            squares, products = np.zeros((columns, columns)), np.zeros(columns)
            for part, x in regressors.of(rows):
                squares += x.T @ x
                products += x.T @ (y[part] - mean)
            values, vectors = np.linalg.eigh(squares)  # (p,), (p, p)
            projected = vectors.T @ products
        return cls(mean, np.maximum(values, 0.0), vectors, projected, len(rows) / columns)

    def coefficients(self) -> Floats:
        """Coefficients for each penalty, in the rotated space: (penalties, k)."""
        weights = _PENALTIES[:, None] * self.share
        result: Floats = self.projected / (self.values + weights)
        return result

    def forecasts(self, x: Floats, coefficients: Floats) -> Floats:
        """Forecasts of rows x (m, p), for `coefficients` (k,) or (penalties, k): (m,) or (m, penalties)."""
        result: Floats = self.mean + self.rotated(x) @ coefficients.T
        return result

    def rotated(self, x: Floats) -> Floats:
        """Rows x (m, p) in the directions of the fit: (m, k)."""
        result: Floats = x @ self.vectors
        return result


def ridge(x: Floats, y: Floats, x_new: Floats, steps: Iterable[tuple[Rows, Rows]]) -> Floats:
    """Forecasts (m,) for `x_new` (m, p) of `fit_ridge` on the regressors `x` (n, p), by least squares."""
    return fit_ridge(lambda rows: x[uncopied(rows)], y, steps, MSE)(x_new)


def fit_ridge(
    read: Read, y: Floats, steps: Iterable[tuple[Rows, Rows]], loss: Loss
) -> Callable[[Floats], Floats]:
    """Ridge regression on n training rows with the target `y` (n,); from regressors (m, p) to forecasts (m,).

    `read` gives the regressors of some of the rows 0 … n − 1. They are standardised by all n. The penalty is
    the one with the lowest loss on the held-out rows of the `steps` of `forward_steps`, which are
    forecast from the earlier rows of their step: targets over several rows overlap, so that rows must not be
    held out at random. Hoerl & Kennard (1970), "Ridge Regression".

    The penalties are compared by least squares. With another loss, the coefficients are then those of the
    lowest loss under the chosen penalty, which counts as much beside its curvature.
    """
    regressors = _Regressors(read, len(y))
    errors = np.zeros(len(_PENALTIES))
    for earlier, later in steps:
        fit = _Fit.of(regressors, earlier, y)
        coefficients = fit.coefficients()
        for held, x in regressors.of(later):
            errors += loss.value(fit.forecasts(x, coefficients), y[held, None]).sum(axis=0)
    whole = _Fit.of(regressors, np.arange(len(y)), y)
    chosen = int(errors.argmin())
    best = whole.coefficients()[chosen]
    if loss.name != MSE.name:
        penalty = float(_PENALTIES[chosen]) * whole.share
        whole, best = _with_lowest_loss(whole, regressors, y, loss, best, penalty)
    return lambda x_new: whole.forecasts(regressors.standardised(x_new), best)


def _with_lowest_loss(
    fit: _Fit, regressors: _Regressors, y: Floats, loss: Loss, best: Floats, penalty: float
) -> tuple[_Fit, Floats]:
    """The fit with the constant, and the coefficients (k,), of the lowest penalised loss, from `best` on."""

    def pieces_of_terms() -> Iterator[tuple[Floats, Floats]]:
        for part, x in regressors.of(np.arange(len(y))):
            yield np.column_stack([fit.rotated(x), np.ones(len(part))]), y[part]

    start = np.append(best, fit.mean)
    curvature = [loss.curvature(terms @ start, target) for terms, target in pieces_of_terms()]
    typical = 1 / float((1 / np.concatenate(curvature)).mean())  # a single exact forecast must not decide
    penalties = np.append(np.full(len(best), penalty * typical), 0.0)
    found = reweighted(pieces_of_terms, start, loss, penalties)
    return replace(fit, mean=float(found[-1])), found[:-1]
