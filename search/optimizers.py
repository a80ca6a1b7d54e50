"""Optuna's samplers and pruners by the names that a study file uses."""

from collections.abc import Mapping, Sequence

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, PatientPruner
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    GridSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial, TrialState

from search.config.schema import StudySection
from search.seeds import sampler_seed
from search.space import Dimension, grid_of
from search.telling import quiet


class Grid(GridSampler):
    """A grid for ask-and-tell: Optuna's calls `study.stop`, which works inside `optimize` alone.

    The runner asks `is_exhausted` instead.
    """

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Do nothing."""


def make_sampler(section: StudySection, space: Mapping[str, Dimension], number: int) -> BaseSampler:
    """The sampler that draws the parameters of trial `number`: all that it has learnt is in the storage.

    Its seed is the trial's own. With the study's seed, a run that is continued and every further worker would
    repeat the first suggestions.
    """
    seed = sampler_seed(section.seed, number)
    startup = section.startup_trials
    with quiet():
        match section.sampler:
            case "tpe":
                return TPESampler(seed=seed, n_startup_trials=startup)
            case "random":
                return RandomSampler(seed=seed)
            case "gp":
                return GPSampler(seed=seed, n_startup_trials=startup)
            case "cmaes":
                return CmaEsSampler(seed=seed, n_startup_trials=startup, warn_independent_sampling=False)
            case "qmc":
                # A Sobol sequence is one sequence: its seed must not change when the study goes on. That of
                # the random draws before its first trial ends must.
                return QMCSampler(
                    seed=section.seed,
                    scramble=True,
                    independent_sampler=RandomSampler(seed=seed),
                    warn_independent_sampling=False,
                )
            case "grid":
                return Grid(grid_of(space), seed=section.seed)


def make_pruner(section: StudySection, epochs: int) -> BasePruner:
    """The pruner of a study whose trials report once per epoch, for `epochs` epochs at most."""
    median = MedianPruner(n_startup_trials=section.startup_trials, n_warmup_steps=section.pruner_warmup)
    match section.pruner:
        case "median":
            return median
        case "patient":
            with quiet():
                return PatientPruner(median, patience=section.pruner_patience)
        case "hyperband":
            return HyperbandPruner(min_resource=min(section.pruner_warmup or 1, epochs), max_resource=epochs)
        case "none":
            return NopPruner()
