"""The transforms that a feature or the target may be computed with; docs/data.md lists them.

A transform maps float64 arrays of shape (T,) to one of shape (T,); its value at t uses only rows at or before
t. Rows without enough history are NaN. Nothing is repaired: the logarithm of a number that has none becomes
NaN or infinite, and the audit names the row.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from trainer.config import CALENDAR, DerivedColumn, TransformName
from trainer.data.arrays import Floats, lagged
from trainer.data.bar_volatility import garman_klass, log_parkinson, rogers_satchell
from trainer.data.clock_transforms import day_of_week, month, realized_variance, time_of_day

EWM_TAIL = 0.001
"""The weight, together, of the rows that an exponentially weighted transform counts as forgotten."""
OF_THE_CLOCK: frozenset[str] = CALENDAR | {"realized_variance"}
"""Transforms whose last input is the clock of the source; see `clock_transforms`."""


def raw(values: Floats) -> Floats:
    """x[t], unchanged."""
    return values.copy()


def lag(values: Floats, window: int) -> Floats:
    """x[t−window], the value `window` rows before."""
    return lagged(values, window)


def log(values: Floats) -> Floats:
    """The natural logarithm of x[t]; not finite if that is not positive."""
    with np.errstate(all="ignore"):
        return np.log(values)


def log1p(values: Floats) -> Floats:
    """log(1 + x[t]), for counts and volumes that may be 0; not finite if x[t] is −1 or less."""
    with np.errstate(all="ignore"):
        return np.log1p(values)


def difference(values: Floats, window: int = 1) -> Floats:
    """x[t] − x[t−window], for series that may be negative, such as spreads and rates."""
    with np.errstate(all="ignore"):
        return values - lag(values, window)


def pct_change(values: Floats, window: int = 1) -> Floats:
    """x[t] / x[t−window] − 1, the simple return; NaN if x[t−window] is not positive."""
    before = lag(values, window)
    with np.errstate(all="ignore"):
        return values / np.where(before > 0, before, np.nan) - 1


def log_return(values: Floats, window: int = 1) -> Floats:
    """log(x[t] / x[t−window]); NaN or infinite if a price is not positive."""
    logs = log(values)
    with np.errstate(all="ignore"):
        return logs - lag(logs, window)


def abs_log_return(values: Floats, window: int = 1) -> Floats:
    """|log(x[t] / x[t−window])|."""
    return np.abs(log_return(values, window))


def rolling_mean(values: Floats, window: int) -> Floats:
    """Mean of the last `window` rows, row t included."""
    # Summed lag by lag: in a running total, one bad cell would spoil all later rows.
    with np.errstate(all="ignore"):
        total: Floats = sum((lag(values, back) for back in _earlier(values, window)), start=values.copy())
        return total / window


def _earlier(values: Floats, window: int) -> range:
    """The lags 1 to `window` − 1; for a window longer than the series, up to the lag that makes all rows
    NaN.
    """
    return range(1, min(window, len(values) + 1))


def rolling_std(values: Floats, window: int) -> Floats:
    """Sample standard deviation (n − 1) of the last `window` ≥ 2 rows, row t included."""
    with np.errstate(all="ignore"):
        mean = rolling_mean(values, window)
        squares = ((lag(values, back) - mean) ** 2 for back in _earlier(values, window))
        return np.sqrt(sum(squares, start=(values - mean) ** 2) / (window - 1))


def zscore(values: Floats, window: int) -> Floats:
    """(x[t] − m) / s, with m and s the `rolling_mean` and `rolling_std` of the last `window` ≥ 2 rows.

    NaN if all these rows are equal, up to rounding.
    """
    mean, std = rolling_mean(values, window), rolling_std(values, window)
    with np.errstate(all="ignore"):
        noise = window * np.finfo(np.float64).eps * np.abs(mean)
        return (values - mean) / np.where(std > noise, std, np.nan)


def ewm_mean(values: Floats, window: int) -> Floats:
    """Σ w[k] · x[t−k] / Σ w[k] over k ≥ 0, with w[k] = (1 − α)^k and α = 2 / (window + 1).

    This is `ewm(span=window).mean()` of pandas; with a decay λ, as in J.P. Morgan & Reuters (1996),
    "RiskMetrics technical document", the span is (1 + λ) / (1 − λ). A row whose cell is NaN or infinite is
    NaN. Later rows leave that cell out of both sums and are finite again. NaN until `ewm_reach` rows with a
    number lie before row t.
    """
    return _of_ewm(values, window, "mean")


def ewm_std(values: Floats, window: int) -> Floats:
    """√(Σ w[k] · (x[t−k] − m)² / Σ w[k] / b), with the weights and the mean m of `ewm_mean`, `window` ≥ 2.

    b = 1 − Σ w[k]² / (Σ w[k])² removes the bias. This is `ewm(span=window).std()` of pandas; missing cells
    count as in `ewm_mean`.
    """
    return _of_ewm(values, window, "std")


def _of_ewm(values: Floats, window: int, statistic: str) -> Floats:
    import pandas as pd

    known = np.where(np.isfinite(values), values, np.nan)
    with np.errstate(all="ignore"):
        weighted = pd.Series(known).ewm(span=window, min_periods=ewm_reach(window) + 1)
        made = getattr(weighted, statistic)().to_numpy()
    return np.where(np.isnan(known), np.nan, made)


def ewm_reach(window: int) -> int:
    """Rows before t that count in an exponentially weighted transform, which never forgets altogether.

    All rows further back have at most the share `EWM_TAIL` of the weight: too little for a held-out row in
    it to tell a training row anything, and for the value to depend on where the table begins.
    """
    if window == 1:
        return 0
    return math.ceil(math.log(EWM_TAIL) / math.log1p(-2 / (window + 1))) - 1


TRANSFORMS: dict[TransformName, Callable[..., Floats]] = {
    "raw": raw,
    "lag": lag,
    "log": log,
    "log1p": log1p,
    "difference": difference,
    "pct_change": pct_change,
    "log_return": log_return,
    "abs_log_return": abs_log_return,
    "rolling_mean": rolling_mean,
    "rolling_std": rolling_std,
    "zscore": zscore,
    "ewm_mean": ewm_mean,
    "ewm_std": ewm_std,
    "log_parkinson": log_parkinson,
    "garman_klass": garman_klass,
    "rogers_satchell": rogers_satchell,
    "realized_variance": realized_variance,
    "time_of_day": time_of_day,
    "day_of_week": day_of_week,
    "month": month,
}


def lookback(series: DerivedColumn, day_rows: int) -> Sequence[int]:
    """The lags that a transform reads, ascending; 0 is row t itself. `day_rows` is the most rows of a day."""
    window = series.window or 1
    match series.transform:
        case "difference" | "pct_change" | "log_return" | "abs_log_return":
            return (0, window)
        case "rolling_mean" | "rolling_std" | "zscore":
            return range(window)
        case "ewm_mean" | "ewm_std":
            return range(ewm_reach(window) + 1)
        case "lag":
            return (window,)
        case "realized_variance":
            return range(day_rows + 1)
        case "raw" | "log" | "log1p" | "log_parkinson" | "garman_klass" | "rogers_satchell":
            return (0,)
        case "time_of_day" | "day_of_week" | "month":
            return (0,)
        case "equals" | "one_hot":
            return (0,)
        case "cross_rank" | "cross_zscore" | "cross_demean":
            return (0,)
