"""Decides whether new rows are too unlike the training rows, so that `predict` must refuse them.

Markets drift, and a crash is exactly when a forecast is wanted: such rows are accepted. A column in another
unit, or at a level far outside the training range, makes every forecast meaningless: such rows are refused.
docs/models.md has the measurements behind the thresholds.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field, FiniteFloat, field_validator

from trainer.config import Section
from trainer.data.arrays import Floats, Rows
from trainer.data.constant_columns import is_constant
from trainer.data.features import FeaturesAndTarget
from trainer.data.panel import ONE_SERIES, series_spans, starts_among
from trainer.data.windows import Dataset

WIDENED = 0.5
"""The range of the training rows is widened by this share of its width on each side."""
YEAR = 250
"""Rows of a stretch: a year of trading days. At most half of them may lie outside the widened range."""
HALF = 0.5
MONTH = 22
"""Rows of a stretch whose mean movement is compared with the smallest such mean in training."""
QUIET_SHARE = 0.1
"""Below this share of that movement, the unit of the column has changed; no market gets that quiet."""
MAX_SPACING_RATIO = 2.0
"""Rows may be this many times closer together or further apart than in training."""
QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
_MEDIAN = "0.5"


class FeatureStatistics(Section):
    """Statistics of one feature in the training rows, before scaling, in the feature's own unit.

    `mean` and `std` (population) are the scaler's. `quietest` is the smallest mean of |x[t] − x[t−1]| over
    any MONTH of steps within a series; 0 if the feature did not change for a month, or if no series has one.
    """

    name: str
    mean: FiniteFloat
    std: Annotated[FiniteFloat, Field(gt=0)]
    min: FiniteFloat
    max: FiniteFloat
    quantiles: Mapping[str, FiniteFloat]
    quietest: FiniteFloat
    is_indicator: bool = Field(default=False, exclude_if=operator.not_)
    """Whether the feature is 1 or 0 and not scaled: it may be the same in all rows, or another one."""

    @field_validator("quantiles")
    @classmethod
    def _has_the_median(cls, quantiles: Mapping[str, float]) -> Mapping[str, float]:
        if _MEDIAN not in quantiles:
            raise ValueError("the median is missing")
        return quantiles


@dataclass(frozen=True)
class InputDrift:
    """Why a feature, or the spacing of the times, differs from training.

    `until` is the last row (0-based) of the worst stretch, `found` the number measured there, and `limit` the
    bound that it exceeds.
    """

    feature: str
    message: str
    until: int
    found: float
    limit: float


def feature_statistics(
    name: str, values: Floats, starts: Rows, *, mean: float, std: float
) -> FeatureStatistics:
    """Statistics of the training rows `values`, (n,), finite, of the series that begin at `starts`."""
    parts = [values[span] for span in series_spans(starts, len(values))]
    return FeatureStatistics(
        name=name,
        mean=mean,
        std=std,
        min=float(values.min()),
        max=float(values.max()),
        quantiles={f"{q:g}": float(np.quantile(values, q)) for q in QUANTILES},
        quietest=min((float(_movement(part).min()) for part in parts if len(part) > MONTH), default=0.0),
        is_indicator=mean == 0 and std == 1 and bool(np.isin(values, (0, 1)).all()),
    )


def share_outside(look: FeatureStatistics, values: Floats) -> float:
    """Share of `values`, (n,), outside the range of the training rows; 0 to 1."""
    if look.is_indicator:
        return 0.0
    return float(((values < look.min) | (values > look.max)).mean())


def training_statistics(built: FeaturesAndTarget, data: Dataset) -> tuple[FeatureStatistics, ...]:
    """The look of each feature in the rows that the scaler of `data`, made of `built`, is fitted on."""
    rows = built.features.to_numpy(np.float64)[built.rows][data.fitting]  # (rows, features)
    starts = starts_among(data.series_starts, data.fitting)
    moments = zip(data.scaler.feature_mean.tolist(), data.scaler.feature_std.tolist(), strict=True)
    return tuple(
        feature_statistics(name, values, starts, mean=mean, std=std)
        for name, values, (mean, std) in zip(data.feature_names, rows.T, moments, strict=True)
    )


def input_drifts(
    looks: Sequence[FeatureStatistics], spaced: float, features: Floats, times: npt.NDArray[np.datetime64]
) -> list[InputDrift]:
    """The ways in which rows of `features` (n, F) of one series, finite, at `times` (n,) are unlike the
    training rows.

    `looks` are the statistics of the training rows, which were `spaced` seconds apart. `predict` refuses rows
    that drift, and the audit warns of them.
    """
    found = [feature_drift(look, values) for look, values in zip(looks, features.T, strict=True)]
    found.append(spacing_drift(spaced, times))
    return [odd for odd in found if odd is not None]


def feature_drift(look: FeatureStatistics, values: Floats) -> InputDrift | None:
    """Why the rows `values`, (n,), finite, are unlike the training rows; None if they are not."""
    if look.is_indicator:
        return None
    return _elsewhere(look, values) or _too_quiet(look, values)


def row_spacing(times: npt.NDArray[np.datetime64], starts: Rows = ONE_SERIES) -> float:
    """Median seconds between neighbouring rows of a series, of times (n,) that ascend within each series."""
    moments = times.astype("datetime64[ns]").astype(np.int64)
    steps = [np.diff(moments[span]) for span in series_spans(starts, len(moments))]
    return float(np.median(np.concatenate(steps)) / 1e9)


def training_spacing(data: Dataset) -> float:
    """Median seconds between neighbouring rows of a series among those that the scaler is fitted on."""
    return row_spacing(data.times[data.fitting], starts_among(data.series_starts, data.fitting))


def spacing_drift(trained: float, times: npt.NDArray[np.datetime64]) -> InputDrift | None:
    """Why the spacing of `times` differs from training; None if it does not, or for a single row."""
    if len(times) < 2:
        return None
    found = row_spacing(times)
    if trained / MAX_SPACING_RATIO <= found <= trained * MAX_SPACING_RATIO:
        return None
    message = f"rows are {_duration(found)} apart, {_duration(trained)} in training (medians)"
    limit = trained * MAX_SPACING_RATIO if found > trained else trained / MAX_SPACING_RATIO
    return InputDrift("the times", message, len(times) - 1, found, limit)


def _elsewhere(look: FeatureStatistics, values: Floats) -> InputDrift | None:
    """Most rows of a year lie far outside the training range: another unit, or a level that has drifted."""
    margin = WIDENED * (look.max - look.min)
    low, high = look.min - margin, look.max + margin
    shares = _means_over(((values < low) | (values > high)).astype(np.float64), YEAR)
    worst = int(shares.argmax())
    if shares[worst] <= HALF:
        return None
    stretch = min(YEAR, len(values))
    median = float(np.median(values[worst : worst + stretch]))
    message = (
        f"{look.name} lies outside {low:.4g} to {high:.4g} in {shares[worst]:.0%} of {stretch} rows (their "
        f"median is {median:.4g}, and {look.quantiles[_MEDIAN]:.4g} in training)"
    )
    return InputDrift(look.name, message, worst + stretch - 1, float(shares[worst]), HALF)


def _too_quiet(look: FeatureStatistics, values: Floats) -> InputDrift | None:
    """A signed feature in a larger unit stays within the training range, but hardly moves in it."""
    if len(values) <= MONTH:
        return None
    moved = _movement(values)
    worst = int(moved.argmin())
    if moved[worst] >= QUIET_SHARE * look.quietest:
        return None
    message = (
        f"{look.name} moves by {moved[worst]:.3g} a row over {MONTH} rows, and never by less than "
        f"{look.quietest:.3g} in training"
    )
    return InputDrift(look.name, message, worst + MONTH, float(moved[worst]), QUIET_SHARE * look.quietest)


def _movement(values: Floats) -> Floats:
    """Mean of |x[t] − x[t−1]| over each MONTH of steps; 0 where the values differ only by rounding."""
    moved = _means_over(np.abs(np.diff(values)), MONTH)
    rows = np.lib.stride_tricks.sliding_window_view(values, len(values) - len(moved) + 1)
    moved[is_constant(rows.T)] = 0.0
    return moved


def _means_over(values: Floats, stretch: int) -> Floats:
    """Mean of each stretch of rows, or of all rows if there are fewer."""
    windows = np.lib.stride_tricks.sliding_window_view(values, min(stretch, len(values)))
    means: Floats = windows.mean(axis=1)
    return means


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"
