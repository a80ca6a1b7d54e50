"""GP and CMA-ES in a space with conditions.

Both model a fixed set of settings. Optuna takes those that every trial has and draws the others at random, so
that they would never learn where a conditional setting is good. Here the model has all settings: a trial in
which one is idle stands in the middle of its range, from which idle settings cannot be told apart.
`python -m benchmarks.conditional_spaces` compares both ways.
"""

import copy
import math
from collections.abc import Mapping
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import CmaEsSampler, GPSampler
from optuna.trial import FrozenTrial

from search.config.space import Choices, Dimension, to_distributions


class ConditionalGPSampler(GPSampler):
    """Optuna's GP sampler, whose model has every setting of the space."""

    def __init__(self, space: Mapping[str, Dimension], **options: Any) -> None:
        super().__init__(**options)
        self._space = space

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every setting that has several values."""
        return _several(to_distributions(self._space))

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A value of every setting; those of idle ones are not used."""
        return super().sample_relative(_filled(study, self._space), trial, search_space)


class ConditionalCmaEsSampler(CmaEsSampler):
    """Optuna's CMA-ES, whose distribution has every number of the space."""

    def __init__(self, space: Mapping[str, Dimension], **options: Any) -> None:
        super().__init__(**options)
        self._space = space

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every number that has several values."""
        several = _several(to_distributions(self._space))
        return {key: each for key, each in several.items() if not isinstance(each, CategoricalDistribution)}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A value of every number; those of idle ones are not used."""
        return super().sample_relative(_filled(study, self._space), trial, search_space)


def _several(distributions: Mapping[str, BaseDistribution]) -> dict[str, BaseDistribution]:
    return {key: each for key, each in sorted(distributions.items()) if not each.single()}


def middle(dimension: Dimension) -> Any:
    """The middle of a range, of a log range on its scale; the first choice."""
    if isinstance(dimension, Choices):
        return dimension.choices[0]
    low, high = dimension.low, dimension.high
    return dimension.nearest(math.sqrt(low * high) if dimension.log else (low + high) / 2)


def _filled(study: optuna.Study, space: Mapping[str, Dimension]) -> optuna.Study:
    return cast(optuna.Study, _FilledStudy(study, space))


class _FilledStudy:
    """A study as a sampler sees it, whose ended trials have a value of every setting."""

    def __init__(self, study: optuna.Study, space: Mapping[str, Dimension]) -> None:
        self._study = study
        self._distributions = to_distributions(space)
        self._middles = {key: middle(dimension) for key, dimension in space.items()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        trials = self._study._get_trials(*args, **kwargs)
        return [self._with_all(trial) if trial.state.is_finished() else trial for trial in trials]

    def _with_all(self, trial: FrozenTrial) -> FrozenTrial:
        filled = copy.copy(trial)
        filled.params = {**self._middles, **trial.params}
        filled.distributions = {**self._distributions, **trial.distributions}
        return filled
