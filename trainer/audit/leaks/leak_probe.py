"""A ridge regression on the inputs of the model, which finds leaks within milliseconds.

Its regressors are the windowed features and the target's own history. If it forecasts better than is
believable, so will the GRU; refits without single features show which column causes it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.data.arrays import Floats, Rows
from trainer.data.panel import by_series
from trainer.data.split import MIN_TRAIN
from trainer.data.windows import Dataset
from trainer.losses import MSE, mean_loss
from trainer.rivals.history_regression import history_terms, ridge_forecast, rows_with_history
from trainer.rivals.reference import reference_loss
from trainer.rivals.skill import skill


@dataclass(frozen=True)
class LeakProbe:
    """The data of one study, prepared for ridge regressions on any of its features.

    `terms` (T, K) is the target's own history, 0 if it is too short. Losses and skill are on the
    validation rows, in units of the standardised target; skill is over the loss `reference`.
    """

    data: Dataset
    terms: Floats
    train: Rows
    reference: float
    leading: frozenset[str]
    """Features that are declared to lead."""

    @classmethod
    def of(cls, data: Dataset, leading: Collection[str] = ()) -> "LeakProbe | None":
        """The probe of `data`; its skill is over the best naive or the declared leaders' forecast, if better.

        None if fewer than `MIN_TRAIN` rows can be trained on. Raises DataError if no naive forecast exists.
        """
        terms = history_terms(data)
        train = rows_with_history(data, terms, data.train)
        if len(train) < MIN_TRAIN:
            return None
        return cls(data, np.nan_to_num(terms), train, reference_loss(data, leading, MSE), frozenset(leading))

    def moved(self, rows: int) -> "LeakProbe | None":
        """The probe of the same features on a target that is rotated in time by `rows`, with its history.

        Each series is rotated by the same share of its rows. Unknown values of its first rows
        become its mean.
        """
        data = self.data

        def roll(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            by = rows * len(values) // len(data.target)
            by -= by % data.history.per_day  # so that each bar keeps its time of day
            return np.roll(np.where(np.isnan(values), np.nanmean(values), values), by)

        def rolled(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return by_series(data.series_starts, roll, values)

        history = data.history
        returns = None if history.returns is None else rolled(history.returns)
        history = replace(history, own=rolled(history.own), returns=returns)
        return LeakProbe.of(replace(data, target=rolled(data.target), history=history))

    def skill(self, features: Sequence[int]) -> float:
        """Skill of a ridge regression on these features' windows and the target's history."""
        data = self.data
        forecast = ridge_forecast(data, self.terms, features, self.train, data.validation)
        return skill(mean_loss(forecast, data.target[data.validation], MSE), self.reference)


def leaking_features(probe: LeakProbe, ceiling: float) -> list[int]:
    """The features without which the probe's skill falls to the ceiling; empty if history alone exceeds it.

    Leaves out the feature that forecasts best alone, then the next best too, until the skill is believable:
    with two copies of a leak, leaving out one changes nothing. Features that need not be left out are then
    put back. Declared leaders are never named.
    """
    everything = list(range(len(probe.data.feature_names)))
    names = probe.data.feature_names
    suspects = [feature for feature in everything if names[feature] not in probe.leading]
    if probe.skill(_without(everything, suspects)) > ceiling:
        return []
    alone = {feature: probe.skill([feature]) for feature in suspects}
    named: list[int] = []
    for feature in sorted(suspects, key=lambda f: -alone[f]):
        if probe.skill(_without(everything, named)) <= ceiling:
            break
        named.append(feature)
    for feature in tuple(named):
        fewer = _without(named, [feature])
        if probe.skill(_without(everything, fewer)) <= ceiling:
            named = fewer
    return named


def _without(features: Sequence[int], left_out: Sequence[int]) -> list[int]:
    return [feature for feature in features if feature not in left_out]
