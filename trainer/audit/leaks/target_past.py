"""Regressors from what is known of the target at each row, and the surprises of series: the part that these
regressors do not explain.

A surprise is the residual of a least-squares regression on what was known before: Granger (1969),
"Investigating Causal Relations by Econometric Models and Cross-spectral Methods". Series are centred; before
the first row they count as 0, their mean.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from trainer.data.arrays import Floats, Rows, lagged

_LAGS = 10
_MEANS = (22, 66)
"""Regressors: the last ten values, and the means of a month and a quarter of trading days."""
_ROWS_PER_LAG = 25
"""Rows that each lag needs; a row of a mean needs half as many. Short series get fewer regressors."""
_MOVE_LAGS = 3
_MOVE_MEANS = (5, 22)
"""The same for the returns of the asset, if the target is a volatility, which stays high for weeks after
falls: Corsi and Renò (2012), "Discrete-Time Volatility Forecasting with Persistent Leverage Effect and the
Link with Continuous-Time Volatility Modeling"."""
_SERIES_LAGS = 5
_FORETOLD = 1e-3
"""A series with surprises below this share of its spread is predictable; these are the rounding of a file."""
_SAME_ROW = 0.25
"""Least correlation of returns' sizes with the volatility of the same row; the asset's own have 0.5 and
more."""
_LITTLE = 0.1
"""Largest correlation of returns' sizes with later volatility; returns one row too early have 0.4 and
more."""


def remove_daily_pattern(values: Floats, slots: Rows) -> Floats:
    """A series (n,) minus its mean over the rows of the same `slots` (n,), the bar of the day: (n,)."""
    counts = np.bincount(slots)
    means = np.bincount(slots, weights=values) / np.maximum(counts, 1)
    return values - means[slots]


def known_basis(own: Floats, moves: Floats | None) -> Floats:
    """An orthonormal basis (n, P) of what is known at each row of the target and of the asset's returns.

    `own` (n,) is centred. `moves` (n,) are the returns of the asset if the target is its volatility, which
    falls lead honestly (Black 1976); else None.
    """
    n = len(own)
    columns = [np.ones(n), *_past(own, min(_LAGS, max(1, n // _ROWS_PER_LAG)), _MEANS)]
    if moves is not None:
        falls, sizes, squares = np.minimum(moves, 0.0), np.abs(moves), moves**2
        falls, sizes, squares = (values - values.mean() for values in (falls, sizes, squares))
        columns += [
            *_past(moves, _MOVE_LAGS, ()),
            *_past(sizes, _MOVE_LAGS, ()),
            *_past(falls, 1, _MOVE_MEANS),
            *_past(squares, 1, _MOVE_MEANS),
        ]
    scaled = np.column_stack([column / (np.abs(column).max() or 1.0) for column in columns])
    left, strengths, _ = np.linalg.svd(scaled, full_matrices=False)
    basis: Floats = left[:, strengths > 1e-9 * strengths[0]]
    return basis


def _past(values: Floats, lags: int, means: Iterable[int]) -> list[Floats]:
    """Values of a centred series at the last `lags` rows, and its means over the last rows, (n,) each."""
    sums = np.cumsum(values)
    spans = [span for span in means if span * _ROWS_PER_LAG // 2 <= len(values)]
    return [
        *(lagged(values, back, fill=0.0) for back in range(lags)),
        *((sums - lagged(sums, span, fill=0.0)) / span for span in spans),
    ]


def residuals_of(values: Floats, basis: Floats) -> Floats:
    """Residuals of series (n,) or (n, k) after projection on a basis with orthonormal columns."""
    left: Floats = values - basis @ (basis.T @ values)
    return left


def surprises(values: Floats, basis: Floats) -> Floats:
    """What neither a basis (n, P) nor its own past explains of a centred series (n,), (n,); 0 if it is
    predictable.
    """
    lags = _lags_of(values)
    rest, past = residuals_of(values, basis), residuals_of(lags, basis)
    coefficients, *_ = np.linalg.lstsq(past, rest, rcond=None)
    left: Floats = rest - past @ coefficients
    return np.zeros_like(left) if left.std() <= _FORETOLD * values.std() else left


def is_predictable(values: Floats, basis: Floats, clipped: npt.NDArray[np.bool_]) -> bool:
    """Whether a centred series (n,) is a linear sum of what is known, except where it or its past was
    clipped.

    `clipped` is (n,). Clipping changes a few volatile rows of such a series; that is no surprise.
    """
    touched = np.convolve(clipped, np.ones(_SERIES_LAGS + 1))[: len(clipped)] > 0
    touched[: max(_MEANS)] = True  # means that reach before the first row are not known
    rows = ~touched
    if rows.sum() < len(rows) // 2:
        return False
    terms = np.column_stack([basis, _lags_of(values)])[rows]
    coefficients, *_ = np.linalg.lstsq(terms, values[rows], rcond=None)
    left = values[rows] - terms @ coefficients
    return bool(left.std() <= _FORETOLD * values[rows].std())


def _lags_of(values: Floats) -> Floats:
    """The last values of a centred series before each row, (n, _SERIES_LAGS)."""
    return np.column_stack([lagged(values, back, fill=0.0) for back in range(1, _SERIES_LAGS + 1)])


def target_surprises(own: Floats, basis: Floats, ahead: int = 1) -> Floats:
    """What the basis (n, P) at t does not explain of the target at t + `ahead`, at row t + `ahead`, (n,).

    The first `ahead` rows are 0.
    """
    coefficients, *_ = np.linalg.lstsq(basis[:-ahead], own[ahead:], rcond=None)
    return np.concatenate([np.zeros(ahead), own[ahead:] - basis[:-ahead] @ coefficients])


def same_row_correlation(values: Floats, own: Floats, basis: Floats) -> float:
    """Correlation of the surprises of a series (n,) with those of the target in the same row, −1 to 1."""
    before = np.vstack([np.zeros(basis.shape[1]), basis[:-1]])
    before = np.linalg.qr(before)[0]
    return _correlation(surprises(values, before), target_surprises(own, basis))


def matching_returns(own: Floats, returns: Floats | None, guessed: Iterable[Floats]) -> Floats | None:
    """The returns (n,) of the asset whose volatility is `own` (n,): `returns`, or the first of `guessed` that
    fits; else None.

    The sizes of such returns correlate with the volatility of their own row and hardly with later ones. This
    excludes returns on the wrong row; a guess must also correlate well with its own row.
    """
    basis = known_basis(own, None)
    target = target_surprises(own, basis)
    for moves in [*([] if returns is None else [returns]), *guessed]:
        sizes = np.abs(moves) - np.abs(moves).mean()
        today = abs(same_row_correlation(sizes, own, basis))
        news = surprises(sizes, basis)
        later = max(abs(_correlation(news[:-k], target[k:])) for k in range(1, _SERIES_LAGS + 1))
        if later < max(today / 2, _LITTLE if moves is returns else 0.0) and (
            moves is returns or today >= _SAME_ROW
        ):
            return moves
    return None


def _correlation(one: Floats, other: Floats) -> float:
    power = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / power if power > 0 else 0.0
