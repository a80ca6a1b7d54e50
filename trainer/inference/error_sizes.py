"""How large the errors of the last rows were: a scale of bounds that widens in a storm and narrows in calm.

|error| of rows t − horizon, t − horizon − 1, … ──► weighted mean ──► size at row t

Dividing a residual by an estimate of its own spread is locally weighted conformal prediction (Lei, G'Sell,
Rinaldo, Tibshirani & Wasserman 2018, section 5.2). The estimate is the exponentially weighted mean of J.P.
Morgan's RiskMetrics (1996), here of absolute errors. On the validation rows of the three shipped studies of
volatility, each block calibrated by the blocks before it, it halves the distance between the coverage of a
block and its level; docs/trust.md has the table.
"""

from functools import partial

import numpy as np

from trainer.config import DataConfig
from trainer.data.arrays import Floats, Rows, lagged
from trainer.data.features import is_raw_column, target_shift
from trainer.data.panel import by_series

_DECAY = 0.97
"""What a row's weight is of that of the row after it, at a horizon of one row: RiskMetrics' monthly decay."""
_SPAN, _MOST_SPAN = 100, 1000
"""Rows that are looked back on, per row of the horizon, and at most. 0.97¹⁰⁰ = 5 % of the weight would lie
behind them."""


def rows_behind(horizon: int) -> int:
    """How many rows are looked back on. Targets over `horizon` rows overlap, and so many more are needed."""
    return min(_SPAN * horizon, _MOST_SPAN)


def recent_sizes(errors: Floats, series_starts: Rows, horizon: int) -> Floats:
    """The weighted mean (T,) of the absolute `errors` (T,) that are known at each row, series by series.

    `errors` are NaN where forecast or target is missing; the error of row t is known at t + `horizon`. NaN
    where fewer than half of the rows looked back on have an error, or all of these are 0.
    """
    return by_series(series_starts, partial(_sizes_of_series, horizon=horizon), errors)


def _sizes_of_series(errors: Floats, horizon: int) -> Floats:
    if not len(errors):
        return errors
    span, known = rows_behind(horizon), np.isfinite(errors)
    weights = (_DECAY ** (_SPAN / span)) ** np.arange(span)
    counts, weight, sums = (
        np.convolve(values, window)[: len(errors)]
        for values, window in (
            (known.astype(float), np.ones(span)),
            (known.astype(float), weights),
            (np.where(known, errors, 0.0), weights),
        )
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        sizes = np.where((counts > span / 2 - 0.5) & (sums > 0), sums / weight, np.nan)
    return lagged(sizes, horizon)


def knows_past_targets(config: DataConfig) -> bool:
    """Whether every table that can be forecast from has the columns of the target, as features read them."""
    target = config.target
    if is_raw_column(target) and target_shift(target) == 0:
        return False  # the column holds what comes, and new rows have none
    read = {name for feature in config.features for name in feature.columns}
    return set(target.columns) <= read


def absolute_errors(target: Floats, clip: float | None, rows: Rows, forecasts: Floats) -> Floats:
    """|target − forecast| (T,) of a table's rows with `target` (T,), NaN where either is missing; `forecasts`
    (n,) are of `rows`. Targets are clipped to ±`clip`, as those of the training are.
    """
    found = target[rows]
    errors = np.full(len(target), np.nan)
    errors[rows] = np.abs((found if clip is None else np.clip(found, -clip, clip)) - forecasts)
    return np.where(np.isfinite(errors), errors, np.nan)
