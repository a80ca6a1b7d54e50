"""Configurations that wait in Optuna's queue; they are clamped before they run.

Optuna only warns of a queued value outside its range, and runs it.
"""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from search.config.space import Dimension, clamp_to_space

FIXED = "fixed_params"  # where Optuna keeps a queued trial's parameters
REQUESTED = "enqueued"
"""The user attribute with the requested values of a configuration that was clamped."""


def queued_params(trial: FrozenTrial | optuna.Trial) -> dict[str, Any] | None:
    """The values that were queued by a user or for a retry; None if the sampler draws the whole trial."""
    frozen = trial._cached_frozen_trial if isinstance(trial, optuna.Trial) else trial
    return frozen.system_attrs.get(FIXED)


def waiting_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The waiting trials, oldest first."""
    return study.get_trials(deepcopy=False, states=(TrialState.WAITING,))


def clamp_waiting(storage: BaseStorage, waiting: FrozenTrial, space: Mapping[str, Dimension]) -> None:
    """Move a waiting configuration into the space; the trial keeps the requested values."""
    requested = queued_params(waiting) or {}
    inside, clamps = clamp_to_space(space, requested)
    if clamps:
        storage.set_trial_user_attr(waiting._trial_id, REQUESTED, dict(requested))
        storage.set_trial_system_attr(waiting._trial_id, FIXED, dict(inside))


def requested_params(trial: optuna.Trial) -> dict[str, Any]:
    """The requested values of a trial: its parameters, but the original ones if they were clamped; and the
    queued values of settings that are idle with its other values.
    """
    return {**(queued_params(trial) or {}), **trial.params, **trial.user_attrs.get(REQUESTED, {})}


def was_queued(trial: optuna.Trial) -> bool:
    """Whether the parameters were queued and not drawn by the sampler."""
    return queued_params(trial) is not None


def suggest_value(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Have Optuna choose the value of one dimension, and return it."""
    match distribution:
        case FloatDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_float(name, low, high, log=log, step=step)
        case IntDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_int(name, low, high, log=log, step=step)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
        case _:
            raise TypeError(f"{name} has a distribution of an unknown kind, {distribution}")
