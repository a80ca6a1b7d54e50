"""The next trial, signed by the worker that asks for it before anybody could see it without an owner."""

from collections.abc import Mapping

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import BaseSampler, CmaEsSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.trial import TrialState, create_trial

from search.config.schema import StudySection
from search.optimizers import make_sampler
from search.queue import clamp_waiting, suggest, waiting_trials
from search.space import Dimension, to_distributions
from search.telling import quiet
from search.worker import WORKER


def ask(
    study: optuna.Study, section: StudySection, space: Mapping[str, Dimension], worker: str
) -> optuna.Trial:
    """A trial whose parameters are all chosen: one that waits in the queue, else a new one.

    What `Study.ask` does, in the order that survives a kill: a new trial is created with its owner in one
    transaction, a waiting one is signed before it is taken. Two workers may sign the same waiting trial; the
    one that takes it signs again.
    """
    storage = study._storage
    study._thread_local.cached_all_trials = None  # as Study.ask: look at the storage once a trial
    trial_id = _take_waiting(study, storage, space, worker)
    if trial_id is None:
        signed = create_trial(state=TrialState.RUNNING, user_attrs={WORKER: worker})
        trial_id = storage.create_new_trial(study._study_id, template_trial=signed)
    with quiet():
        study.sampler = _successor(study.sampler, make_sampler(section, space, _number(study, trial_id)))
        trial = optuna.Trial(study, trial_id)
        for name, distribution in to_distributions(space).items():
            suggest(trial, name, distribution)
    return trial


def _successor(old: BaseSampler, new: BaseSampler) -> BaseSampler:
    """`new`, with what `old` has found all trials to have in common: 10,000 are not looked at again."""
    if isinstance(new, TPESampler | CmaEsSampler) and type(old) is type(new):
        new._search_space = old._search_space
    return new


def _number(study: optuna.Study, trial_id: int) -> int:
    """From the list that Optuna keeps for its samplers: to ask for it alone would be one read more."""
    trials = study._get_trials(deepcopy=False, use_cache=True)
    return next(trial.number for trial in reversed(trials) if trial._trial_id == trial_id)


def _take_waiting(
    study: optuna.Study, storage: BaseStorage, space: Mapping[str, Dimension], worker: str
) -> int | None:
    for waiting in waiting_trials(study):
        trial_id = waiting._trial_id
        try:
            clamp_waiting(storage, waiting, space)
            storage.set_trial_user_attr(trial_id, WORKER, worker)
            if storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                storage.set_trial_user_attr(trial_id, WORKER, worker)
                return trial_id
        except UpdateFinishedTrialError:
            continue  # another worker has taken and ended it since we looked
    return None
