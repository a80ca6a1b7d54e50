"""Checks whether the features of a row explain the target of the same row: then the target is not shifted."""

from dataclasses import replace

import numpy as np

from trainer.audit.audit_findings import AuditFinding
from trainer.audit.series_findings import in_series
from trainer.data.arrays import Floats, Rows
from trainer.data.split import MIN_HELD_OUT, MIN_TRAIN
from trainer.data.windows import Dataset
from trainer.losses import MSE, mean_loss

MAX_UNEXPLAINED = 0.1
"""The check goes on only if the own row leaves at most this share of the target's variance unexplained."""
_DISTINCT = 0.5
"""The own row must leave at most this share of what the rows around it leave unexplained. All near rows
explain a highly persistent target, such as a price, equally well; only its own row explains it exactly."""
_MOST_PAIRED = 10
"""Most features for which products of pairs are formed and nearest neighbours are searched."""
_NEIGHBOURS = 5
_MOST_ROWS = 2000
"""Number of newest validation rows that are judged, and of newest training rows that neighbours come from."""
_MOST_TRAINED = 20_000
"""Number of newest training rows that a regression is fitted on."""


def own_row_findings(data: Dataset) -> list[AuditFinding]:
    """A finding for each series in which the features of row t explain nearly all of the target of row t, and
    clearly more than the features of row t - 1 and of row t + horizon, the time that the target is declared
    to belong to.

    Fits on training rows and judges on validation rows: values, and their changes for series that drift, such
    as prices. In honest data the features of row t + horizon know what has happened by then, so that they
    explain the target at least as well as those of row t.
    """
    return [finding for _, one in data.each_series() for finding in _series_findings(one)]


def _series_findings(data: Dataset) -> list[AuditFinding]:
    if not len(data.train) or not len(data.validation):
        return []
    data = _newest(data)
    y, x = data.target.astype(np.float64), data.features.astype(np.float64)
    for target, features in ((y, x), (_changes(y), _changes(x))):
        own, around = _unexplained(data, target, features)
        if own <= MAX_UNEXPLAINED and own <= _DISTINCT * around:
            return in_series(data.series_of(0), [_finding(data.horizon, own, around)])
    return []


def _finding(horizon: int, own: float, around: float) -> AuditFinding:
    rows = "1 row" if horizon == 1 else f"{horizon} rows"
    message = (
        f"target: the features of its own row explain {1 - own:.1%} of it, and those of the row before, or "
        f"{rows} later, where it is said to be, at most {1 - around:.1%}; it seems to be of today: see the "
        "worked row of ballast check, set data.target.already_shifted to false if the column stands on its "
        "own row, or look for a feature that is of a later one"
    )
    return AuditFinding("target_of_own_row", "error", "target", own, MAX_UNEXPLAINED, message)


def _newest(data: Dataset) -> Dataset:
    """The data from the oldest to the newest row that is used, so that memory and time stay bounded."""
    train, held = data.train[-_MOST_TRAINED:], data.validation[-_MOST_ROWS:]
    start = max(min(int(train[0]), int(held[0])) - 1, 0)
    stop = max(int(train[-1]), int(held[-1])) + 1 + data.horizon
    return replace(
        data,
        features=data.features[start:stop],
        target=data.target[start:stop],
        train=train - start,
        validation=held - start,
    )


def _changes(values: Floats) -> Floats:
    """Changes from row to row, (T, ...); NaN in the first row."""
    return np.concatenate([np.full_like(values[:1], np.nan), np.diff(values, axis=0)])


def _unexplained(data: Dataset, y: Floats, x: Floats) -> tuple[float, float]:
    """Shares of the variance of the validation targets that remain unexplained: by the features of the own
    row, and by the best of the rows around it. 1 if too few rows are complete, or if the first decides alone.
    """
    steps = (0, -1, data.horizon)
    train, held = (_whole(data, y, x, rows, steps) for rows in (data.train, data.validation))
    if len(train) < MIN_TRAIN or len(held) < MIN_HELD_OUT:
        return 1.0, 1.0
    own = _left(y, x, train, held, 0)
    if own > MAX_UNEXPLAINED:
        return own, 1.0
    return own, min(_left(y, x, train, held, step) for step in steps[1:])


def _whole(data: Dataset, y: Floats, x: Floats, rows: Rows, steps: tuple[int, ...]) -> Rows:
    """The `rows` whose target is finite, and whose features at each of `steps` rows later are finite and not
    clipped.
    """
    rows = rows[(rows + min(steps) >= 0) & (rows + max(steps) < len(y))]
    is_free = np.isfinite(x) & (np.abs(data.features) < data.scaler.feature_clip)  # (T, features)
    kept = np.isfinite(y[rows])
    for step in steps:
        kept &= is_free[rows + step].all(axis=1)
    return rows[kept]


def _left(y: Floats, x: Floats, train: Rows, held: Rows, step: int) -> float:
    """Share of the variance of the held-out targets that the features `step` rows later leave unexplained."""
    forecasts = [_regression(x[train + step], y[train], x[held + step])]
    if x.shape[1] <= _MOST_PAIRED:
        recent = train[-_MOST_ROWS:]
        forecasts.append(_neighbours(x[recent + step], y[recent], x[held + step]))
    spread = mean_loss(MSE.best_constant(y[train]), y[held], MSE)
    if spread == 0:
        return 1.0
    return min(mean_loss(forecast, y[held], MSE) / spread for forecast in forecasts)


def _regression(x: Floats, y: Floats, x_held: Floats) -> Floats:
    """Least squares on the features, their sizes, squares and products, (n, p) to forecasts (m,)."""
    coefficients, *_ = np.linalg.lstsq(_regressors(x), y, rcond=None)
    forecast: Floats = _regressors(x_held) @ coefficients
    return forecast


def _regressors(x: Floats) -> Floats:
    one, other = np.triu_indices(x.shape[1] if x.shape[1] <= _MOST_PAIRED else 0)
    return np.hstack([np.ones((len(x), 1)), x, np.abs(x), x[:, one] * x[:, other]])


def _neighbours(x: Floats, y: Floats, x_held: Floats) -> Floats:
    """Forecasts (m,): the mean target of the nearest training rows, for relations that are not polynomial."""
    squares = (x**2).sum(axis=1) - 2 * x_held @ x.T  # (m, n), without the term that is equal for all n
    nearest = np.argpartition(squares, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
    means: Floats = y[nearest].mean(axis=1)
    return means
