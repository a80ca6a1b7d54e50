"""Ridge regression whose penalty is chosen on the training rows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from trainer.data.arrays import Floats, Rows
from trainer.data.constant_columns import is_constant
from trainer.data.panel import uncopied
from trainer.losses import MSE

_PENALTIES = np.logspace(-4, 6, 21)
"""Penalties per row and standardised regressor that are tried."""


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
    def of(cls, x: Floats, y: Floats) -> "_Fit":
        mean = float(y.mean())
        rows, columns = x.shape
        if rows < columns:
            # The same solution from the smaller matrix: with X Xᵀ = U S Uᵀ it is Xᵀ U (S + λ)⁻¹ Uᵀ y.
            values, left = np.linalg.eigh(x @ x.T)  # (n,), (n, n)
            vectors, projected = x.T @ left, left.T @ (y - mean)
        else:
            values, vectors = np.linalg.eigh(x.T @ x)  # (p,), (p, p)
            projected = vectors.T @ (x.T @ (y - mean))
        return cls(mean, np.maximum(values, 0.0), vectors, projected, rows / columns)

    def coefficients(self) -> Floats:
        """Coefficients for each penalty, in the rotated space: (penalties, k)."""
        weights = _PENALTIES[:, None] * self.share
        result: Floats = self.projected / (self.values + weights)
        return result

    def forecasts(self, x: Floats, coefficients: Floats) -> Floats:
        """Forecasts of rows x (m, p), for `coefficients` (k,) or (penalties, k): (m,) or (m, penalties)."""
        result: Floats = self.mean + (x @ self.vectors) @ coefficients.T
        return result


def ridge(x: Floats, y: Floats, x_new: Floats, steps: Iterable[tuple[Rows, Rows]]) -> Floats:
    """Forecasts (m,) for `x_new` (m, p) of `fit_ridge`."""
    return fit_ridge(x, y, steps)(x_new)


def fit_ridge(x: Floats, y: Floats, steps: Iterable[tuple[Rows, Rows]]) -> Callable[[Floats], Floats]:
    """Ridge regression on `x` (n, p) and `y` (n,); from rows (m, p) to forecasts (m,).

    Regressors are standardised by `x`. The penalty is the one with the lowest squared error on the held-out
    rows of the `steps` of `forward_steps`, which are forecast from the earlier rows of their step: targets
    over several rows overlap, so that rows must not be held out at random. Hoerl & Kennard (1970), "Ridge
    Regression".
    """
    mean, std = x.mean(axis=0), x.std(axis=0)
    std[is_constant(x)] = 1.0
    x = (x - mean) / std
    errors = np.zeros(len(_PENALTIES))
    for earlier, later in steps:
        train, held = uncopied(earlier), uncopied(later)
        fit = _Fit.of(x[train], y[train])
        forecasts = fit.forecasts(x[held], fit.coefficients())
        errors += MSE.value(forecasts, y[held, None]).sum(axis=0)
    whole = _Fit.of(x, y)
    best = whole.coefficients()[int(errors.argmin())]
    return lambda x_new: whole.forecasts((x_new - mean) / std, best)
