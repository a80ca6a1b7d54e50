"""Computes the features and the target of a study from the columns of its table, with causal transforms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trainer.config import CALENDAR, DataConfig, DerivedColumn, Target
from trainer.data.arrays import Floats, Rows, lagged
from trainer.data.clock_transforms import most_rows_of_a_day
from trainer.data.cross_section import CROSS, cross_demean
from trainer.data.panel import by_series, moment_numbers
from trainer.data.source import Table, columns_of
from trainer.data.transforms import OF_THE_CLOCK, TRANSFORMS, lookback
from trainer.data.unseen_series import unseen_series
from trainer.errors import ColumnError

if TYPE_CHECKING:
    import pandas as pd


Mask = npt.NDArray[np.bool_]


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
    day_rows: int
    """Most rows of a day of the source's clock, if a transform depends on it; else 1."""
    inputs: tuple[tuple[Floats, ...], ...]
    unshifted: Floats
    """The target before it is shifted: row t holds the value of time t."""
    target_reach: int
    """Rows before t that the target of row t is computed from; none if it is not above 0."""
    warm_up: int
    """Rows before the first usable row, in the series with the longest warm-up; it may be shorter."""
    unseen: frozenset[int]
    """The positions of the series that `split.unseen_series` holds back."""
    missing: Mask
    """Rows (T,) with a feature or a target that compares series, at a moment with too few of them. They are
    in no split; windows that hold one have the feature's mean in its place."""
    missing_values: Mask
    """Rows (T,) at whose time `unshifted` has too few series to be compared with."""

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


def build_features(config: DataConfig, table: Table) -> FeaturesAndTarget:
    """Compute the features and the target. Bad cells stay non-finite and raise no error."""
    import pandas as pd

    columns: dict[str, Floats] = {str(name): table.frame[name].to_numpy(np.float64) for name in table.frame}
    clock = _clock(config, table)
    day_rows = _day_rows(config, table, clock)
    rows = _TableRows(table.series_starts, clock, _moments(config, table))
    features: dict[str, Floats] = {}
    reaches: dict[str, int] = {}
    inputs: list[tuple[Floats, ...]] = []
    for feature in config.features:
        inputs.append(_inputs(feature, columns, features, clock))
        reaches[feature.name] = _reach(feature, reaches, day_rows)
        features[feature.name] = _transform(feature, inputs[-1], rows)
    inputs.append(_inputs(config.target, columns, features, clock))
    unshifted = _transform(config.target, inputs[-1], rows)
    missing, target_missing = _missing(config, inputs, features, unshifted)
    if config.target.relative is not None:
        relative = cross_demean(unshifted, rows.moments, config.target.fewest_series)
        target_missing |= np.isfinite(unshifted) & ~np.isfinite(relative)
        unshifted = relative
    shift = target_shift(config.target)
    target = by_series(table.series_starts, partial(_moved_up, shift), unshifted)
    ahead = by_series(table.series_starts, partial(_moved_up, shift), target_missing.astype(np.float64))
    target_reach = _reach(config.target, reaches, day_rows) - shift
    warm_ups = [_warm_up(config, _within(columns, span), reaches, target_reach) for span in table.spans]
    return FeaturesAndTarget(
        features=pd.DataFrame(features, index=table.frame.index, copy=False),
        target=pd.Series(target, index=table.frame.index, name="target"),
        spans=tuple(table.spans),
        usable=tuple(
            _usable_rows(span, rows, _tail(config, target[span]))
            for span, rows in zip(table.spans, warm_ups, strict=True)
        ),
        target_reach=target_reach,
        warm_up=max(warm_ups),
        reach=max(target_reach, *reaches.values()),
        day_rows=day_rows,
        inputs=tuple(inputs),
        unshifted=unshifted,
        unseen=unseen_series(config, table.source, table.series_names),
        missing=missing | (ahead == 1),
        missing_values=target_missing,
    )


def _usable_rows(span: slice, warm_up: int, tail: int) -> slice:
    """The rows of a series without its warm-up and its last rows; an empty slice if none is left."""
    start = min(span.start + warm_up, span.stop)
    return slice(start, max(start, span.stop - tail))


@dataclass(frozen=True)
class _TableRows:
    """What transforms know of the rows besides their values; see `_clock` and `_moments`."""

    starts: Rows
    clock: Floats
    moments: Rows


def _moments(config: DataConfig, table: Table) -> Rows:
    """The number of the moment of each row, (T,); empty if nothing compares series.

    Raises ColumnError if something does and the table has one series.
    """
    named = [(f"feature {feature.name}", feature) for feature in config.features]
    crossing = [
        f"{who} ({series.transform})"
        for who, series in [*named, ("the target", config.target)]
        if series.transform in CROSS
    ]
    if config.target.relative is not None:
        crossing.append(f"the target (relative: {config.target.relative})")
    if crossing and len(table.series_starts) < 2:
        name = "the column of the series" if table.symbols is None else table.symbols[0]
        raise ColumnError(
            f"{crossing[0]} compares the series of a panel, and {table.source} is read as one; set "
            f"data.series: {name}, or data.layout"
        )
    return moment_numbers(table.times.asi8) if crossing else np.zeros(0, np.int64)


def _missing(
    config: DataConfig,
    inputs: Sequence[tuple[Floats, ...]],
    features: Mapping[str, Floats],
    unshifted: Floats,
) -> tuple[Mask, Mask]:
    """The rows (T,) at which a feature, and those at which the unshifted target, lacks series to compare.

    Such a cell is not finite though the value that is compared is.
    """
    missing = [np.zeros(len(unshifted), bool) for _ in range(2)]
    compared: dict[str, Floats] = {}
    named = [(feature.name, feature, features[feature.name]) for feature in config.features]
    for (name, series, values), made_of in zip([*named, ("", config.target, unshifted)], inputs, strict=True):
        if series.transform in CROSS:
            compared[name] = made_of[0]
        elif series.of in compared:
            compared[name] = compared[series.of]
        if name in compared:
            missing[name == ""] |= np.isfinite(compared[name]) & ~np.isfinite(values)
    return missing[0], missing[1]


def _clock(config: DataConfig, table: Table) -> Floats:
    """The clock of the source at each row, (T,), in seconds since 1970; empty if no transform needs it."""
    if not any(series.transform in OF_THE_CLOCK for series in (*config.features, config.target)):
        return np.zeros(0)
    seconds: Floats = table.times.as_unit("ns").asi8 / 1e9
    return seconds if table.offsets is None else seconds + table.offsets


def _day_rows(config: DataConfig, table: Table, clock: Floats) -> int:
    if all(series.transform != "realized_variance" for series in (*config.features, config.target)):
        return 1
    return max(most_rows_of_a_day(clock[span]) for span in table.spans)


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
    series: DerivedColumn, columns: Mapping[str, Floats], features: Mapping[str, Floats], clock: Floats
) -> tuple[Floats, ...]:
    if series.transform in CALENDAR:
        return (clock,)
    if series.of is not None:
        return (features[series.of],)
    return tuple(columns[name] for name in columns_of(series))


def _transform(series: DerivedColumn, inputs: tuple[Floats, ...], rows: _TableRows) -> Floats:
    if series.transform == "raw" or series.is_indicator:  # an indicator is compared when the table is read
        return inputs[0]  # not copied, or a table of raw columns would be in memory twice
    if series.transform in CROSS:
        return CROSS[series.transform](inputs[0], rows.moments, series.fewest_series)
    keys = {key: getattr(series, key, None) for key in ("window", "floor", "part")}
    given = {key: value for key, value in keys.items() if value is not None}
    if series.transform == "realized_variance":
        inputs = (*inputs, rows.clock)
    return by_series(rows.starts, partial(TRANSFORMS[series.transform], **given), *inputs)


def _empty(series: DerivedColumn, columns: Mapping[str, Floats], empty: Mapping[str, int]) -> int:
    """Number of leading NaN in the columns that a series is computed from."""
    if series.of is not None:
        return empty[series.of]
    return max((count_leading_nan(columns[name]) for name in columns_of(series)), default=0)


def _reach(series: DerivedColumn, reaches: Mapping[str, int], day_rows: int) -> int:
    """Rows that a series looks back in the columns: its own lookback plus that of the feature it reads."""
    return lookback(series, day_rows)[-1] + (0 if series.of is None else reaches[series.of])


def count_leading_nan(values: Floats) -> int:
    """Number of NaN at the beginning."""
    held = ~np.isnan(values)
    return int(np.argmax(held)) if held.any() else len(values)


def _tail(config: DataConfig, values: Floats) -> int:
    """Number of rows at the end whose target lies after the table; at most the horizon.

    A column that is already shifted has values there; those after `data.until` are not known yet.
    """
    if config.until is not None:
        return min(config.target.horizon, len(values))
    return min(count_leading_nan(values[::-1]), config.target.horizon)
