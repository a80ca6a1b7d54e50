"""Finds constant columns. Rounding noise does not count as variation: 0.3 and 0.1 · 3 are one value."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trainer.config import DataConfig, DerivedColumn
from trainer.data.arrays import Floats
from trainer.data.features import FeaturesAndTarget, target_shift
from trainer.data.transforms import lookback

if TYPE_CHECKING:
    import pandas as pd


_EPS = float(np.finfo(np.float64).eps)
_WIDEST = 1e-5
"""A column whose half width exceeds this share of its largest value varies by more than rounding, in any
table of fewer than ten million rows. Most columns do, and need no further test and no copy."""
_ULPS_32 = 4 * float(np.finfo(np.float32).eps)
"""Largest relative difference that rounding to float32 can cause: two roundings, each by up to half a unit up
or down; a unit is at most eps."""


def is_constant(values: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """For each column of (n, …), n > 0, whether its values are equal up to rounding; (…).

    A column with a non-finite value is not constant. The bound on the variance is scikit-learn's
    (`sklearn.preprocessing._data._is_constant_feature`): n · eps · var + n² · eps² · mean², for sums in
    float64. Numbers that were float32 before carry more noise: such a column, unless all its numbers are
    whole, is constant if it varies by at most four units of float32.
    """
    columns = values.reshape(len(values), -1)
    low, high = columns.min(axis=0).astype(np.float64), columns.max(axis=0).astype(np.float64)
    largest = np.maximum(np.abs(low), np.abs(high))
    with np.errstate(invalid="ignore"):  # inf − inf in a column with infinities
        narrow = np.isfinite(largest) & (high / 2 - low / 2 <= _WIDEST * largest)
    narrow[narrow] = _is_noise(columns[:, narrow].astype(np.float64), largest[narrow])
    found: npt.NDArray[np.bool_] = narrow.reshape(values.shape[1:])
    return found


def _is_noise(columns: Floats, largest: Floats) -> npt.NDArray[np.bool_]:
    """Whether each column of finite numbers, (n, K), varies only by rounding; (K,)."""
    scaled = columns / np.where(largest > 0, largest, 1.0)  # squares would overflow or underflow
    mean, variance = scaled.mean(axis=0), scaled.var(axis=0)
    noise = len(columns) * _EPS * variance + (len(columns) * _EPS * mean) ** 2
    with np.errstate(over="ignore"):
        was_float32 = (columns.astype(np.float32) == columns).all(axis=0)
    counts = (columns == np.round(columns)).all(axis=0)
    few_units = np.ptp(scaled, axis=0) <= _ULPS_32
    found: npt.NDArray[np.bool_] = (variance <= noise) | (was_float32 & ~counts & few_units)
    return found


def correlation(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> float:
    """The correlation of two series (n,), −1 to 1; 0 if one of them is constant."""
    return 0.0 if is_constant(x) or is_constant(y) else float(np.corrcoef(x, y)[0, 1])


def constant_series(
    config: DataConfig, built: FeaturesAndTarget, rows: npt.NDArray[np.int64]
) -> list[str | None]:
    """Names of the features that are constant in `rows` of the table (ascending); None names the target.

    One that is 1 or 0 is never constant: it has no scale. A series that is computed from constants counts as
    constant: its values may be rounding noise about 0, for which a relative bound does not work.
    """
    constant: list[str | None] = []
    shift = target_shift(config.target)
    series: list[tuple[str | None, DerivedColumn, pd.Series]] = [
        *((feature.name, feature, built.features[feature.name]) for feature in config.features),
        (None, config.target, built.target),
    ]
    for (name, made, values), inputs in zip(series, built.inputs, strict=True):
        if made.is_indicator:
            continue
        read = _read_rows(built.spans, rows, shift if name is None else 0, lookback(made, built.day_rows)[-1])
        if (
            (made.of is not None and made.of in constant)
            or _finite_is_constant(values.to_numpy(np.float64)[rows])
            or all(_finite_is_constant(column[read]) for column in inputs)
        ):
            constant.append(name)
    return constant


def _read_rows(
    spans: Sequence[slice], rows: npt.NDArray[np.int64], shift: int, back: int
) -> npt.NDArray[np.int64]:
    """The rows that a transform reads, up to `back` rows back, for the values `shift` rows after `rows`: of
    each series those from the first of its `rows` on, never beyond its ends.
    """
    read = []
    for span in spans:
        made_at = rows[(rows >= span.start) & (rows < span.stop)] + shift
        if len(made_at):
            first = int(made_at[0])
            read += [np.arange(max(first - back, span.start), first), made_at[made_at < span.stop]]
    return np.concatenate(read)


def _finite_is_constant(values: Floats) -> bool:
    known = values[np.isfinite(values)]
    return len(known) > 0 and bool(is_constant(known))


def constant_message(values: Floats) -> str:
    """The predicate of a sentence about a series whose training rows `values`, (n,), are constant."""
    noise = " but for rounding" if values.min() != values.max() else ""
    return (
        f"is {values[0]:g} in all {len(values)} training rows{noise}; a constant teaches nothing, choose "
        "another column, transform or clip"
    )
