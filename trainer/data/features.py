"""Computes the features and the target of a study from the columns of its table, with causal transforms.

A transform maps float64 arrays of shape (T,) to one of shape (T,); its value at t uses only rows at or before
t. Rows without enough history are NaN. Nothing is repaired: the logarithm of a number that has none becomes
NaN or infinite, and the audit names the row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from trainer.config import DataConfig, DerivedColumn, Target, TransformName
from trainer.data.arrays import Floats, Rows, lagged
from trainer.data.panel import by_series
from trainer.data.source import Table, columns_of

if TYPE_CHECKING:
    import pandas as pd


def raw(values: Floats) -> Floats:
    """The values, unchanged."""
    return values.copy()


def lag(values: Floats, window: int) -> Floats:
    """The value `window` rows before."""
    return lagged(values, window)


def log_return(values: Floats, window: int = 1) -> Floats:
    """log(x[t] / x[t-window]); NaN or infinite if a price is not positive."""
    with np.errstate(all="ignore"):
        logs = np.log(values)
        return logs - lag(logs, window)


def abs_log_return(values: Floats, window: int = 1) -> Floats:
    """|log(x[t] / x[t-window])|."""
    return np.abs(log_return(values, window))


def log_parkinson(high: Floats, low: Floats) -> Floats:
    """Logarithm of the volatility of one row, computed from its high and low: 0.5 · log(log(high/low)² / (4
    log 2)).

    Parkinson (1980), "The extreme value method for estimating the variance of the rate of return". Minus
    infinity if high equals low; NaN if high is below low or a price is not positive.
    """
    with np.errstate(all="ignore"):
        ratio = np.where((low > 0) & (high >= low), high / low, np.nan)
        variance: Floats = np.log(ratio) ** 2 / (4 * np.log(2))
        return 0.5 * np.log(variance)


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
    """Sample standard deviation (n - 1) of the last `window` ≥ 2 rows, row t included."""
    with np.errstate(all="ignore"):
        mean = rolling_mean(values, window)
        squares = ((lag(values, back) - mean) ** 2 for back in _earlier(values, window))
        return np.sqrt(sum(squares, start=(values - mean) ** 2) / (window - 1))


TRANSFORMS: dict[TransformName, Callable[..., Floats]] = {
    "raw": raw,
    "log_return": log_return,
    "abs_log_return": abs_log_return,
    "log_parkinson": log_parkinson,
    "rolling_mean": rolling_mean,
    "rolling_std": rolling_std,
    "lag": lag,
}


@dataclass(frozen=True)
class FeaturesAndTarget:
    """Features and target of every row of the table, and which rows can be used.

    `features` is (T, F) float64, `target` (T,): the target at row t is forecast from the features up to t.
    `usable` are the rows of each series after its warm-up and before its last rows, which have no target yet;
    in good data all their cells are finite. `inputs` are the arrays that each feature is computed from; the
    last entry is the target's. `reach` is the largest number of rows before t that row t is computed from.
    Each series is computed from its own rows alone.
    """

    features: "pd.DataFrame"
    target: "pd.Series"
    spans: tuple[slice, ...]
    """The rows of each series."""
    usable: tuple[slice, ...]
    reach: int
    inputs: tuple[tuple[Floats, ...], ...]
    unshifted: Floats
    """The target before it is shifted: row t holds the value of time t."""
    target_reach: int
    """Rows before t that the target of row t is computed from; none if it is not above 0."""
    warm_up: int
    """Rows before the first usable row, in the series with the longest warm-up; it may be shorter."""

    @property
    def rows(self) -> Rows:
        """All usable rows, as positions in the table."""
        return np.concatenate([np.arange(span.start, span.stop) for span in self.usable])

    @property
    def first(self) -> int:
        """The first usable row of the table."""
        return int(self.usable[0].start)


def target_shift(target: Target) -> int:
    """Rows by which the target is shifted: its horizon, or 0 for a raw column that is already shifted."""
    is_shifted = is_raw_column(target) and target.already_shifted is not False
    return 0 if is_shifted else target.horizon


def is_raw_column(target: Target) -> bool:
    """Whether the target is an untransformed column, so that `already_shifted` must say what its rows
    mean.
    """
    return target.transform == "raw" and target.column is not None


def lookback(series: DerivedColumn) -> Sequence[int]:
    """The lags that a transform reads, ascending; 0 is row t itself."""
    window = series.window or 1
    match series.transform:
        case "raw" | "log_parkinson":
            return (0,)
        case "log_return" | "abs_log_return":
            return (0, window)
        case "rolling_mean" | "rolling_std":
            return range(window)
        case "lag":
            return (window,)


def build_features(config: DataConfig, table: Table) -> FeaturesAndTarget:
    """Compute the features and the target. Bad cells stay non-finite and raise no error."""
    import pandas as pd

    columns: dict[str, Floats] = {str(name): table.frame[name].to_numpy(np.float64) for name in table.frame}
    features: dict[str, Floats] = {}
    reaches: dict[str, int] = {}
    inputs: list[tuple[Floats, ...]] = []
    for feature in config.features:
        inputs.append(_inputs(feature, columns, features))
        reaches[feature.name] = _reach(feature, reaches)
        features[feature.name] = _transform(feature, inputs[-1], table.series_starts)
    inputs.append(_inputs(config.target, columns, features))
    unshifted = _transform(config.target, inputs[-1], table.series_starts)
    target = by_series(table.series_starts, partial(_moved_up, target_shift(config.target)), unshifted)
    target_reach = _reach(config.target, reaches) - target_shift(config.target)
    warm_ups = [_warm_up(config, _within(columns, span), reaches, target_reach) for span in table.spans]
    return FeaturesAndTarget(
        features=pd.DataFrame(features, index=table.frame.index),
        target=pd.Series(target, index=table.frame.index, name="target"),
        spans=tuple(table.spans),
        usable=tuple(
            slice(min(span.start + rows, span.stop), span.stop - _tail(config.target, target[span]))
            for span, rows in zip(table.spans, warm_ups, strict=True)
        ),
        target_reach=target_reach,
        warm_up=max(warm_ups),
        reach=max(target_reach, *reaches.values()),
        inputs=tuple(inputs),
        unshifted=unshifted,
    )


def _moved_up(rows: int, values: Floats) -> Floats:
    """The value `rows` ≥ 0 rows after each row, (T,); NaN in the last rows."""
    return lagged(values[::-1], rows)[::-1]


def _within(columns: Mapping[str, Floats], span: slice) -> dict[str, Floats]:
    return {name: values[span] for name, values in columns.items()}


def _warm_up(
    config: DataConfig, columns: Mapping[str, Floats], reaches: Mapping[str, int], target_reach: int
) -> int:
    """Rows of one series before the first one that has all features and a target."""
    empty: dict[str, int] = {}
    for feature in config.features:
        empty[feature.name] = _empty(feature, columns, empty)
    needed = [_empty(config.target, columns, empty) + target_reach]
    return max(0, *needed, *(empty[name] + reaches[name] for name in empty))


def _inputs(
    series: DerivedColumn, columns: Mapping[str, Floats], features: Mapping[str, Floats]
) -> tuple[Floats, ...]:
    if series.of is not None:
        return (features[series.of],)
    return tuple(columns[name] for name in columns_of(series))


def _transform(series: DerivedColumn, inputs: tuple[Floats, ...], starts: Rows) -> Floats:
    window = {} if series.window is None else {"window": series.window}
    return by_series(starts, partial(TRANSFORMS[series.transform], **window), *inputs)


def _empty(series: DerivedColumn, columns: Mapping[str, Floats], empty: Mapping[str, int]) -> int:
    """Number of leading NaN in the columns that a series is computed from."""
    if series.of is not None:
        return empty[series.of]
    return max(count_leading_nan(columns[name]) for name in columns_of(series))


def _reach(series: DerivedColumn, reaches: Mapping[str, int]) -> int:
    """Rows that a series looks back in the columns: its own lookback plus that of the feature it reads."""
    return lookback(series)[-1] + (0 if series.of is None else reaches[series.of])


def count_leading_nan(values: Floats) -> int:
    """Number of NaN at the beginning."""
    held = ~np.isnan(values)
    return int(np.argmax(held)) if held.any() else len(values)


def _tail(target: Target, values: Floats) -> int:
    """Number of rows at the end whose target lies after the table; at most the horizon."""
    return min(count_leading_nan(values[::-1]), target.horizon)
