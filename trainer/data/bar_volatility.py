"""Estimates the volatility of one bar from its open, high, low and close.

Each function maps float64 prices, (T,), to the logarithm of the volatility of each bar, (T,): 0.5 · log(v),
where v is an estimate of the variance of the log return over the bar. Volatilities below `floor` are raised
to it; without a floor, a bar whose v is 0 gives minus infinity. A bar with a price that is not positive, or
with a price outside its low and high, gives NaN, also with a floor.
"""

import numpy as np
import numpy.typing as npt

from trainer.config import DataConfig
from trainer.data.arrays import Floats

_LOG_VOLATILITY = frozenset(("log_parkinson", "garman_klass", "rogers_satchell"))
"""Transforms that give the logarithm of the volatility of one row."""
_LEVELS = frozenset(("raw", "lag", "rolling_mean"))
"""Transforms that keep the unit of what they are computed from."""


def is_log_volatility(config: DataConfig) -> bool:
    """Whether the target is the logarithm of a volatility, or a mean or an earlier value of one."""
    features = {feature.name: feature for feature in config.features}
    series = config.target
    while series.of is not None and series.transform in _LEVELS:
        series = features[series.of]  # type: ignore[assignment]  # a feature is derived as a target is
    return series.transform in _LOG_VOLATILITY


def log_parkinson(high: Floats, low: Floats, floor: float | None = None) -> Floats:
    """V = log(high/low)² / (4 log 2).

    Parkinson (1980), "The extreme value method for estimating the variance of the rate of return". 0 if high
    equals low.
    """
    with np.errstate(all="ignore"):
        ratio = np.where((low > 0) & (high >= low), high / low, np.nan)
        variance: Floats = np.log(ratio) ** 2 / (4 * np.log(2))
    return _log_volatility(variance, floor)


def garman_klass(
    open: Floats,  # the names of the settings
    high: Floats,
    low: Floats,
    close: Floats,
    floor: float | None = None,
) -> Floats:
    """V = 0.5 · log(high/low)² − (2 log 2 − 1) · log(close/open)².

    Garman & Klass (1980), "On the estimation of security price volatilities from historical data". 0 if high
    equals low.
    """
    with np.errstate(all="ignore"):
        variance: Floats = 0.5 * np.log(high / low) ** 2 - (2 * np.log(2) - 1) * np.log(close / open) ** 2
    return _log_volatility(np.where(_is_bar(open, high, low, close), variance, np.nan), floor)


def rogers_satchell(
    open: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    floor: float | None = None,
) -> Floats:
    """V = log(high/close) · log(high/open) + log(low/close) · log(low/open).

    Rogers & Satchell (1991), "Estimating variance from high, low and closing prices", which allows for drift.
    0 also for a bar that opens at one end of its range and closes at the other.
    """
    with np.errstate(all="ignore"):
        above = np.log(high / close) * np.log(high / open)
        variance: Floats = above + np.log(low / close) * np.log(low / open)
    return _log_volatility(np.where(_is_bar(open, high, low, close), variance, np.nan), floor)


def _log_volatility(variance: Floats, floor: float | None) -> Floats:
    with np.errstate(all="ignore"):
        logs: Floats = 0.5 * np.log(variance)
    return logs if floor is None else np.maximum(logs, np.log(floor))


def _is_bar(first: Floats, high: Floats, low: Floats, last: Floats) -> npt.NDArray[np.bool_]:
    """Whether open and close lie within low and high, and all are positive."""
    found: npt.NDArray[np.bool_] = (low > 0) & (np.maximum(first, last) <= high)
    return found & (np.minimum(first, last) >= low)
