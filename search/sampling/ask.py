"""Asks Optuna for the next trial; the trial has its worker on record from the moment it exists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import BaseSampler, CmaEsSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.config.conditions import is_complete, why_idle
from search.config.schema import SamplerName, StudySection
from search.config.space import Dimension, to_distributions
from search.process_identity import WORKER
from search.sampling.configuration_ordinals import configuration_ordinal
from search.sampling.queue import clamp_waiting, queued_params, suggest_value
from search.sampling.retry import retry_origin
from search.sampling.samplers import make_sampler, randomly_drawn_params, sampler_versions
from search.sampling.seen_trials import SAMPLER_SAW, describe_seen, seeing_only, seen_by
from search.sampling.tell import silence_optuna_warnings


@dataclass(frozen=True)
class AskedTrial:
    """A trial whose parameters are all chosen, and who chose each of them, in words."""

    trial: optuna.Trial
    drawn_by: Mapping[str, str]


def ask(
    study: optuna.Study, section: StudySection, space: Mapping[str, Dimension], worker: str
) -> AskedTrial:
    """A trial whose parameters are all chosen: one that waits in the queue, else a new one. Settings that are
    idle with its values are not among them.

    Does what `Study.ask` does, in an order that survives a kill: a new trial is created in one transaction
    with its worker and with what its sampler is about to see; a waiting one gets its worker before it starts.
    Two workers may write their names to the same waiting trial; the one that starts it writes its name again.
    """
    storage = study._storage
    known = study.get_trials(deepcopy=False)
    saw = {**describe_seen(known), "versions": sampler_versions(section.sampler)}
    trial_id = _take_waiting(known, storage, space, worker, saw)
    if trial_id is None:
        template = create_trial(
            state=TrialState.RUNNING, user_attrs={WORKER: worker}, system_attrs={SAMPLER_SAW: saw}
        )
        trial_id = storage.create_new_trial(study._study_id, template_trial=template)
    # A request for this trial alone would not tell the trials that others have created before it.
    trials = study.get_trials(deepcopy=False)
    number = next(trial.number for trial in reversed(trials) if trial._trial_id == trial_id)
    trial = draw(study, section, space, seen_by(number, known, trials), number)
    random = randomly_drawn_params(study.sampler)
    return AskedTrial(trial, {name: _who_drew(trial, name, section.sampler, random) for name in trial.params})


def draw(
    study: optuna.Study,
    section: StudySection,
    space: Mapping[str, Dimension],
    trials: list[FrozenTrial],
    number: int,
) -> optuna.Trial:
    """Trial `number` of `trials`, with all parameters chosen but those that are idle. The sampler sees these
    trials and no others, so that the same trials give the same parameters again.
    """
    with silence_optuna_warnings():
        sampler = make_sampler(section, space, configuration_ordinal(study, trials, number))
        study.sampler = _successor(study.sampler, sampler)
        trial = optuna.Trial(study, trials[number]._trial_id)
        distributions = to_distributions(space)
        with seeing_only(study, trials):
            if retry_origin(trials[number]).is_retry:
                _draw_over(study, trials, trial, space, distributions)
            chosen: dict[str, Any] = {}
            for name, distribution in distributions.items():
                if why_idle(space, chosen, name) is None:
                    chosen[name] = suggest_value(trial, name, distribution)
    return trial


def _successor(old: BaseSampler, new: BaseSampler) -> BaseSampler:
    """`new`, with the search space that `old` has computed: 10,000 trials are not read again.

    It is the same as a new one would compute. The groups of a conditional space are not kept: their order
    depends on the order in which trials ended, and Optuna reads all trials again anyway.
    """
    if isinstance(new, TPESampler | CmaEsSampler) and type(old) is type(new):
        new._search_space = old._search_space
    return new


def _draw_over(
    study: optuna.Study,
    trials: list[FrozenTrial],
    trial: optuna.Trial,
    space: Mapping[str, Dimension],
    distributions: Mapping[str, BaseDistribution],
) -> None:
    """Repeat the draws that a killed trial had made, so that the other values come out as before."""
    frozen = trial._cached_frozen_trial
    kept, asked = queued_params(frozen) or {}, queued_params(trials[retry_origin(frozen).first]) or {}
    if is_complete(space, kept):
        return
    for name, distribution in distributions.items():
        if name in kept and name not in asked and name not in trial.relative_params:
            study.sampler.sample_independent(study, frozen, name, distribution)


def _who_drew(trial: optuna.Trial, name: str, sampler: SamplerName, random: set[str]) -> str:
    """Who chose a value, as recorded here: the answer depends on no rule or version of Optuna."""
    if name in (queued_params(trial) or {}):
        return "asked for in the queue"
    if trial.distributions[name].single():
        return "its only value"
    if name not in random:
        return f"drawn by {sampler}"
    if sampler == "random":
        return "drawn at random"
    return f"drawn at random ({_why_at_random(trial, name, sampler)})"


def _why_at_random(trial: optuna.Trial, name: str, sampler: SamplerName) -> str:
    if name in trial.relative_params:
        return f"what {sampler} chose lies outside the range"
    if sampler == "cmaes" and isinstance(trial.distributions[name], CategoricalDistribution):
        return "cmaes does not draw choices"
    if trial.relative_params:
        return f"not every trial before has a value that {sampler} could learn from"
    return f"start-up of {sampler}"


def _take_waiting(
    known: Sequence[FrozenTrial],
    storage: BaseStorage,
    space: Mapping[str, Dimension],
    worker: str,
    saw: Mapping[str, Any],
) -> int | None:
    """Start the first of the known trials that waits; returns its id, or None if there is none."""
    for waiting in known:
        trial_id = waiting._trial_id
        if waiting.state is not TrialState.WAITING:
            continue
        try:
            clamp_waiting(storage, waiting, space)
            storage.set_trial_user_attr(trial_id, WORKER, worker)
            if storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                storage.set_trial_user_attr(trial_id, WORKER, worker)
                if not is_complete(space, queued_params(waiting) or {}):
                    storage.set_trial_system_attr(trial_id, SAMPLER_SAW, saw)
                return trial_id
        except UpdateFinishedTrialError:
            continue  # another worker has started and ended it in the meantime
    return None
