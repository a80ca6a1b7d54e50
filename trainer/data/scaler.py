"""Standardises and clips features and target by the moments of the training rows."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from trainer.config import DataConfig
from trainer.data.arrays import Floats, Rows
from trainer.data.constant_columns import constant_message, constant_series, is_constant
from trainer.data.features import FeaturesAndTarget
from trainer.data.split import (
    MIN_TRAIN,
    FoldRows,
)
from trainer.errors import ColumnError

CLIP_STDS = 6.0
"""A clip that follows the spread is raised to this many robust standard deviations of the training target. Of
the returns of S&P 500, NASDAQ and WTI over 1, 5, 10, 21 and 63 rows at most 0.5 % lie beyond them."""


MAX_CLIP_RAISE = 10.0
"""Largest factor by which a clip is raised. A target that needs more is in percent or another wrong unit: its
clip stays, and the audit reports the share that is clipped."""


@dataclass(frozen=True)
class SeriesMoments:
    """The moments of each of S series: of features (S, F), and of the target (S,)."""

    feature_mean: Floats
    feature_std: Floats
    target_mean: Floats
    target_std: Floats


@dataclass(frozen=True)
class Scaler:
    """Moments of the training rows, which standardise features and target, and the bounds of clipping.

    The standard deviations divide by n. `feature_clip` is in training standard deviations, `target_clip` in
    the target's own unit, None if the target is not clipped. The moments are those of all series together;
    with `data.scale: series` each series is standardised by its own, those in `series`.
    """

    feature_mean: Floats
    feature_std: Floats
    target_mean: float
    target_std: float
    feature_clip: float
    target_clip: float | None
    series: SeriesMoments | None = None

    def feature_moments(self, series: Rows) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the features at rows of the series numbers (n,): (n, F), or (F,) if
        they are the same for all.
        """
        if self.series is None:
            return self.feature_mean, self.feature_std
        return self.series.feature_mean[series], self.series.feature_std[series]

    def moments_of(self, feature: int, series: Rows) -> tuple[Any, Any]:
        """Mean and standard deviation of one feature, by its number, at rows of the series numbers (n,):
        (n,), or numbers if they are the same for all.
        """
        if self.series is None:
            return self.feature_mean[feature], self.feature_std[feature]
        return self.series.feature_mean[series, feature], self.series.feature_std[series, feature]

    def target_moments(self, series: Rows) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the target at rows of the series numbers (n,): (n,)."""
        if self.series is None:
            mean, std = (np.broadcast_to(each, len(series)) for each in (self.target_mean, self.target_std))
            return mean, std
        return self.series.target_mean[series], self.series.target_std[series]

    def of_one(self, number: int) -> "Scaler":
        """The scaler of one series, by its number."""
        if self.series is None:
            return self
        return replace(
            self,
            feature_mean=self.series.feature_mean[number],
            feature_std=self.series.feature_std[number],
            target_mean=float(self.series.target_mean[number]),
            target_std=float(self.series.target_std[number]),
            series=None,
        )


def fitted_scaler(config: DataConfig, built: FeaturesAndTarget, split: FoldRows, series: Rows) -> Scaler:
    """The scaler of a fold; `series` (n,) is the number of the series of each of its `fitting` rows.

    Raises ColumnError if a feature or the target cannot be standardised.
    """
    constant = set(constant_series(config, built, split.fitting))
    edges = np.searchsorted(series, np.arange(len(built.spans) + 1))
    several = sum(not feature.is_indicator for feature in config.features) > 1
    found, own = [], []
    for feature in config.features:
        column, pooled = built.features[feature.name].to_numpy(np.float64)[split.fitting], (0.0, 1.0)
        if not feature.is_indicator:
            pooled = _moments(column, feature.name, feature.name in constant, by_row=several)
        found.append(pooled)
        if config.scale == "series":
            own.append(_moments_by_series(column, edges, pooled, is_indicator=feature.is_indicator))
    target = built.target.to_numpy(np.float64)[split.fitting]
    bound = _widest_bound(config, target, edges)
    mean, std = _moments(clipped(target, bound), "the target", None in constant, by_row=False)
    means, stds = np.array(found).T.copy()
    scaler = Scaler(means, stds, mean, std, config.feature_clip, bound)
    if config.scale == "pooled":
        return scaler
    own.append(_moments_by_series(clipped(target, bound), edges, (mean, std), is_indicator=False))
    all_means, all_stds = (np.column_stack(each) for each in zip(*own, strict=True))  # (S, F + 1)
    moments = SeriesMoments(all_means[:, :-1], all_stds[:, :-1], all_means[:, -1], all_stds[:, -1])
    return replace(scaler, series=moments)


def _moments_by_series(
    column: Floats, edges: Rows, pooled: tuple[float, float], *, is_indicator: bool
) -> tuple[Floats, Floats]:
    """Mean and standard deviation (S,) of a column in the fitting rows of each series, which begin and end at
    `edges` (S + 1,); the `pooled` ones for a series with fewer than `MIN_TRAIN` of them, for one in which the
    column is constant, and for an indicator.
    """
    means, stds = (np.full(len(edges) - 1, each) for each in pooled)
    for number, (start, stop) in enumerate(pairwise(edges.tolist())):
        own = column[start:stop]
        if len(own) >= MIN_TRAIN and not is_indicator and not is_constant(own):
            means[number], stds[number] = _mean_and_std_by_row(own)
    return means, stds


def clipped(target: Floats, bound: float | None) -> Floats:
    """The target (n,) within ±`bound`; unchanged for None."""
    return target if bound is None else np.clip(target, -bound, bound)


def _widest_bound(config: DataConfig, target: Floats, edges: Rows) -> float | None:
    """The largest of the clip bounds of the series, whose fitting rows begin and end at `edges` (S + 1,).

    That of all rows together would cut the usual values of a series that moves more than the others.
    """
    own = [target[start:stop] for start, stop in pairwise(edges.tolist()) if stop - start >= MIN_TRAIN]
    bounds = [clip_bound(config, each) for each in own or [target]]
    return max((bound for bound in bounds if bound is not None), default=None)


def clip_bound(config: DataConfig, training: Floats) -> float | None:
    """Clip bound of the target in its own unit, given its training rows; None if it is not clipped.

    The spread is the interquartile range divided by that of a standard normal, so that bad ticks do not
    change it.
    """
    clip = config.target.clip
    if clip is None or not config.target.clip_follows_spread or not len(training):
        return clip
    low, high = np.percentile(training, [25, 75])
    raised = CLIP_STDS * float(high - low) / 1.349
    return raised if clip < raised <= MAX_CLIP_RAISE * clip else clip


def _moments(values: Floats, name: str, is_made_of_constants: bool, *, by_row: bool) -> tuple[float, float]:
    """Mean and standard deviation of a column (n,); see `_mean_and_std_by_row` for `by_row`.

    Raises ColumnError if the column cannot be standardised.
    """
    with np.errstate(all="ignore"):
        mean, std = _mean_and_std_by_row(values) if by_row else (float(values.mean()), float(values.std()))
    if is_made_of_constants or bool(is_constant(values)) or std == 0:
        raise ColumnError(f"{name} {constant_message(values)}")
    if not np.isfinite(std):
        raise ColumnError(
            f"{name} reaches {np.abs(values).max():g} in the training rows, too large to standardise; "
            "correct the values or change the unit"
        )
    return mean, std


def _mean_and_std_by_row(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation of (n,), added value by value as NumPy adds the rows of a table; of a
    column alone it adds pairs, with other last bits.
    """
    mean = np.add.accumulate(values)[-1] / len(values)
    return float(mean), float(np.sqrt(np.add.accumulate((values - mean) ** 2)[-1] / len(values)))
