"""Retries: which trials are tried again, and how the new trial records where its parameters are from.

Optuna's own retry callback also copies the constraint and the rungs of the dead trial, from which the sampler
would learn what never happened; here only the parameters are copied.
"""

from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial

from search.sampling.queue import REQUESTED, queued_params
from search.verdict import CRASHED, SIGNAL, WORKER_DIED, Judgement

_RETRY_OF, _ROOT, _ATTEMPT = "retry_of", "retry_root", "retry_attempt"


@dataclass(frozen=True)
class RetryOrigin:
    """Where a trial's parameters come from; a trial that is no retry is its own root, attempt 0."""

    number: int
    retry_of: int | None = None
    root: int | None = None
    attempt: int = 0

    @property
    def is_retry(self) -> bool:
        """Whether the trial tries the parameters of another one again."""
        return self.retry_of is not None

    @property
    def first(self) -> int:
        """The number of the trial that had these parameters first; its seed is theirs too."""
        return self.number if self.root is None else self.root


def retry_origin(trial: optuna.Trial | FrozenTrial) -> RetryOrigin:
    """Read the attributes that `enqueue_retry` has set."""
    attributes = trial.user_attrs
    return RetryOrigin(
        trial.number, attributes.get(_RETRY_OF), attributes.get(_ROOT), attributes.get(_ATTEMPT, 0)
    )


def should_retry(judgement: Judgement, attempt: int, retries: int) -> bool:
    """Whether the parameters are to be tried again.

    Always after a signal, which says nothing about the parameters. After a crash or the death of the worker,
    which they may have caused, `retries` times. Never otherwise: the verdict would be the same.
    """
    if SIGNAL in judgement.reasons:
        return True
    return bool({CRASHED, WORKER_DIED} & set(judgement.reasons)) and attempt < retries


def enqueue_retry(study: optuna.Study, trial: optuna.Trial) -> None:
    """Enqueue the parameters of `trial` once, however often this is called for it."""
    trials = study.get_trials(deepcopy=False)
    if any(other.user_attrs.get(_RETRY_OF) == trial.number for other in trials):
        return
    origin = retry_origin(trial)
    queued = queued_params(trials[trial.number]) or {}
    ancestry = {_RETRY_OF: trial.number, _ROOT: origin.first, _ATTEMPT: origin.attempt + 1}
    asked_for = {key: value for key, value in trial.user_attrs.items() if key == REQUESTED}
    study.enqueue_trial(
        {**queued, **trial.params},  # a worker that died early may not have drawn all of them
        user_attrs={**ancestry, **asked_for},
    )
