"""The past of the target at each row, as one-row values, and the bar of the day of each row.

Targets over several rows overlap. Autoregressions and HAR therefore use the one-row values that the target is
computed from: Corsi (2009), "A Simple Approximate Long-Memory Model of Realized Volatility".
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trainer.config import CHANGES, DataConfig, DerivedColumn, Feature
from trainer.data.arrays import Floats, Rows, lagged
from trainer.data.constant_columns import correlation
from trainer.data.cross_section import cross_demean
from trainer.data.panel import ONE_SERIES, by_series, moment_numbers, series_spans
from trainer.data.transforms import TRANSFORMS, log_return

if TYPE_CHECKING:
    import pandas as pd

    from trainer.data.features import FeaturesAndTarget
    from trainer.data.source import Table


_RETURNS: frozenset[str] = CHANGES - {"abs_log_return"}
_OF_PRICES: frozenset[str] = CHANGES - {"difference"}
"""Changes of a column that has log returns, too."""
_FEWEST_TO_COMPARE = 20
_MOST_SLOTS = 1440
"""Minutes of a day; if there are more times of day than that, rows are grouped by the hour."""
_SLOTS_PER_BAR = 2
"""Most times of day per bar: clock changes give each bar two. With more, times are irregular."""


@dataclass(frozen=True)
class TargetHistory:
    """Arrays of T rows, aligned with those of a Dataset, neither scaled nor clipped.

    `own` (T,) is the one-row series of the target in its own unit; its value at t is known at t. Leading
    values are NaN if the table does not reach back far enough. `returns` (T,) are one-row log returns of the
    asset, None if neither the target nor a feature gives them. `slots` (T,) is the bar of the day of each
    row, from 0; all are 0 for daily or longer bars. `per_day` is the number of bars of a usual day, 1 for
    daily or longer bars. `begun` (T,) is the part of the target that is already known at its row: the same
    transform over the rows of its window up to t; None if the window is not longer than the horizon.
    """

    own: Floats
    returns: Floats | None
    slots: npt.NDArray[np.int64]
    per_day: int
    begun: Floats | None = None

    def of(self, rows: slice | Rows) -> "TargetHistory":
        """The history at some of the rows."""
        own = self.own[rows]
        returns = own if self.returns is self.own else self.returns
        return replace(
            self,
            own=own,
            returns=returns if returns is None or returns is own else returns[rows],
            slots=np.zeros(len(own), np.int64) if self.per_day == 1 else self.slots[rows],
            begun=None if self.begun is None else self.begun[rows],
        )


def target_history(config: DataConfig, table: "Table", built: "FeaturesAndTarget") -> TargetHistory:
    """The history at the usable rows of a table."""
    own, begun = _own(config, table, built), _begun(config, table, built)
    returns = _returns(config, table, built, own)
    if config.target.relative is not None:
        own = _relative(config, table, own)
        begun = None if begun is None else _relative(config, table, begun)
    slots, per_day = bars_of_day(table.times, table.offsets, table.series_starts)
    return TargetHistory(own, returns, slots, per_day, begun).of(built.rows)


def _relative(config: DataConfig, table: "Table", values: Floats) -> Floats:
    """The values less their mean over all series at the same time; 0 where there are too few series."""
    relative = cross_demean(values, moment_numbers(table.times.asi8), config.target.fewest_series)
    return np.where(np.isfinite(values) & ~np.isfinite(relative), 0.0, relative)


def bars_of_day(
    times: "pd.DatetimeIndex", offsets: npt.NDArray[np.int64] | None = None, starts: Rows = ONE_SERIES
) -> tuple[npt.NDArray[np.int64], int]:
    """The bar of the day of each time (T,), from 0, and the bars of a usual day (the median over the days of
    all series).

    Days and bars follow the source's clock, which is `offsets` seconds from UTC, so that a session keeps its
    bars when clocks change. Irregular times are grouped by the hour; else each would be a bar of its own.
    """
    if offsets is not None:
        times = times + offsets.astype("timedelta64[s]")
    days = times.normalize().asi8
    counts = [np.unique(days[span], return_counts=True)[1] for span in series_spans(starts, len(days))]
    per_day = max(1, int(np.median(np.concatenate(counts))))
    if per_day == 1:
        return np.zeros(len(times), np.int64), 1
    clock = times.asi8 - days
    names, slots = np.unique(clock, return_inverse=True)
    if len(names) > min(_MOST_SLOTS, _SLOTS_PER_BAR * per_day):
        slots = times.hour.to_numpy()
    return slots.astype(np.int64), per_day


def _own(config: DataConfig, table: "Table", built: "FeaturesAndTarget") -> Floats:
    """The one-row series of the target, (rows of the table,)."""
    from trainer.data.features import target_shift

    target = config.target
    if target.transform == "raw" and target.column is not None and target_shift(target) == 0:
        # Row t holds the value of t + horizon, so the last value known at t is in row t - horizon.
        return by_series(table.series_starts, partial(lagged, rows=target.horizon), built.unshifted)
    features = {feature.name: feature for feature in config.features}
    series, values = _unrolled(target, features)
    if series.transform in CHANGES:
        return by_series(table.series_starts, TRANSFORMS[series.transform], _input(series, table, built))
    if series.transform in ("rolling_std", "ewm_std") and _is_return(series, features):
        return np.abs(_input(series, table, built))
    if values is not None:
        return built.features[values].to_numpy(np.float64)
    if series is not target:  # a mean of a column
        return _input(series, table, built)
    return built.unshifted


def _begun(config: DataConfig, table: "Table", built: "FeaturesAndTarget") -> Floats | None:
    """The part of the target that is known at each row, (rows of the table,); None if there is none."""
    target = config.target
    known = (target.window or 1) - target.horizon
    fewest = 2 if target.transform == "rolling_std" else 1
    if target.transform not in CHANGES | {"rolling_mean", "rolling_std"} or known < fewest:
        return None
    transform = partial(TRANSFORMS[target.transform], window=known)
    return by_series(table.series_starts, transform, _input(target, table, built))


def _unrolled(series: DerivedColumn, features: Mapping[str, Feature]) -> tuple[DerivedColumn, str | None]:
    """The series that `series` is computed from by means and lags alone, and its name if it is a feature."""
    name: str | None = None
    while series.transform in ("rolling_mean", "ewm_mean", "lag", "raw"):
        if series.of is None:
            return (series if series.transform == "raw" else DerivedColumn(column=series.column)), name
        name, series = series.of, features[series.of]
    return series, name


def _input(series: DerivedColumn, table: "Table", built: "FeaturesAndTarget") -> Floats:
    """The values that a series with one input is computed from."""
    values = built.features[series.of] if series.of is not None else table.frame[series.column]
    return values.to_numpy(np.float64)


def _is_return(series: DerivedColumn, features: Mapping[str, Feature]) -> bool:
    return series.of is not None and features[series.of].transform in _RETURNS


def _returns(config: DataConfig, table: "Table", built: "FeaturesAndTarget", own: Floats) -> Floats | None:
    """One-row log returns: the target's own, else those that the target is computed from, else those of the
    feature whose absolute returns correlate most with `own`: a feature can be the return of another asset.
    They are compared in the first half of the moments, which is never used for a test.
    """
    target = config.target
    if target.kind == "return":
        return own
    features = {feature.name: feature for feature in config.features}
    below, _ = _unrolled(target, features)
    source = [] if below.of is None else [features[below.of]]
    for series in (below, *source):
        if series.transform in _OF_PRICES:
            return by_series(table.series_starts, log_return, _input(series, table, built))
    found = [
        by_series(table.series_starts, log_return, _input(feature, table, built))
        for feature in config.features
        if feature.transform in _OF_PRICES
    ]
    moments, numbers = np.unique(table.times.asi8, return_inverse=True)
    early = numbers < len(moments) // 2
    return max(found, key=lambda returns: _agreement(np.abs(returns[early]), own[early]), default=None)


def _agreement(sizes: Floats, own: Floats) -> float:
    """Correlation of two series (n,) where both are known; 0 if it is undefined."""
    known = np.isfinite(sizes) & np.isfinite(own)
    x, y = sizes[known], own[known]
    return 0.0 if len(x) < _FEWEST_TO_COMPARE else correlation(x, y)
