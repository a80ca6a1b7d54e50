"""Optuna's samplers by the names that a study file uses."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial

from search.config.conditions import is_conditional
from search.config.schema import SamplerName, StudySection
from search.config.space import Dimension, to_distributions
from search.sampling.conditional_samplers import ConditionalCmaEsSampler, ConditionalGPSampler
from search.sampling.grid_sampler import SharedGridSampler
from search.sampling.tell import silence_optuna_warnings
from search.seeds import sampler_seed
from search.version import version_of

_PACKAGES: Mapping[SamplerName, tuple[str, ...]] = {"gp": ("torch",), "cmaes": ("cmaes",)}
"""The packages whose version decides what a sampler draws, beside those of every sampler."""


class RecordingRandomSampler(RandomSampler):
    """Optuna's random sampler, which the others also use; it records the parameters that it has drawn."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self.drawn: set[str] = set()

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw a value and record its parameter."""
        self.drawn.add(param_name)
        return super().sample_independent(study, trial, param_name, param_distribution)


class SobolSampler(QMCSampler):
    """Optuna's Sobol sequence; configuration n of a study gets point n.

    Optuna takes the next point from a counter in the study, which two workers can read at the same moment,
    and draws the first trial at random.
    """

    def __init__(
        self, space: Mapping[str, Dimension], seed: int, ordinal: int, independent_sampler: BaseSampler
    ) -> None:
        # It is one sequence: its seed must not change from trial to trial.
        super().__init__(
            seed=seed,
            scramble=True,
            independent_sampler=independent_sampler,
            warn_independent_sampling=False,
        )
        self._space, self._ordinal = to_distributions(space), ordinal

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The whole space, from the first trial on."""
        return self._space

    def _find_sample_id(self, study: optuna.Study, search_space: dict[str, BaseDistribution]) -> int:
        return self._ordinal


def make_sampler(section: StudySection, space: Mapping[str, Dimension], ordinal: int) -> BaseSampler:
    """The sampler that draws configuration `ordinal` of a study; it learns from the storage alone.

    Each configuration has its own seed. With the study's seed, a continued run and every further worker
    would repeat the first suggestions.
    """
    seed = sampler_seed(section.seed, ordinal)
    startup, at_random = section.startup_trials, RecordingRandomSampler(seed)
    with silence_optuna_warnings():
        match section.sampler:
            case "tpe":
                tpe = TPESampler(seed=seed, n_startup_trials=startup, group=is_conditional(space))
                tpe._random_sampler = at_random
                return tpe
            case "random":
                return at_random
            case "gp" | "cmaes" if is_conditional(space):
                kind = ConditionalGPSampler if section.sampler == "gp" else ConditionalCmaEsSampler
                return kind(
                    space,
                    seed=seed,
                    n_startup_trials=startup,
                    independent_sampler=at_random,
                    warn_independent_sampling=False,
                )
            case "gp":
                return GPSampler(seed=seed, n_startup_trials=startup, independent_sampler=at_random)
            case "cmaes":
                return CmaEsSampler(
                    seed=seed,
                    n_startup_trials=startup,
                    independent_sampler=at_random,
                    warn_independent_sampling=False,
                )
            case "qmc":
                return SobolSampler(space, section.seed, ordinal, at_random)
            case "grid":
                return SharedGridSampler(space, section.seed)


@cache
@cache
def sampler_versions(sampler: SamplerName) -> Mapping[str, str]:
    """The versions, by package, of what decides a sampler's draws."""
    return {
        name: version_of(name)
        for name in ("ballast", "optuna", "numpy", "scipy", *_PACKAGES.get(sampler, ()))
    }


def randomly_drawn_params(sampler: BaseSampler) -> set[str]:
    """The parameters that a sampler of `make_sampler` has drawn at random so far."""
    if isinstance(sampler, TPESampler):
        sampler = sampler._random_sampler
    elif isinstance(sampler, GPSampler | CmaEsSampler | QMCSampler):
        sampler = sampler._independent_sampler
    return sampler.drawn if isinstance(sampler, RecordingRandomSampler) else set()
