"""Which configuration of its study a trial tries: the first, the second, …

The number of a trial does not say: a trial that is taken up again, because its worker was killed, has a
number too. What a trial draws and how its training is seeded follow the ordinal, so that a seeded study tries
the same configurations whether or not workers were killed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import optuna
from optuna.trial import FrozenTrial

from search.queue import queued_params
from search.retry import RETRY_OF, ROOT

BY_ORDINAL = {"seeded_by": "ordinal"}
"""The user attributes of a trial that is created to be drawn: older ones drew by their number."""


def is_retry(trial: FrozenTrial) -> bool:
    """Whether a trial takes up the configuration of another."""
    return RETRY_OF in trial.user_attrs


def first_of(trial: FrozenTrial) -> int:
    """The number of the trial that tried this configuration first."""
    return int(trial.user_attrs.get(ROOT, trial.number))


@dataclass
class _Known:
    """The ordinals by the number of a trial, and the highest."""

    of: list[int] = field(default_factory=list)
    last: int = -1


_KNOWN: WeakKeyDictionary[optuna.Study, _Known] = WeakKeyDictionary()
"""How a trial was created never changes: 10,000 trials are not looked at again."""


def ordinal_of(study: optuna.Study, trials: Sequence[FrozenTrial], number: int) -> int:
    """The ordinal (0-based) of the configuration of trial `number`; `trials` are all of the study, by number.

    It depends only on how the trials up to `number` were created, so all workers agree on it at any time.
    """
    known = _KNOWN.setdefault(study, _Known())
    for trial in trials[len(known.of) : number + 1]:
        if is_retry(trial):
            known.of.append(known.of[first_of(trial)])
            continue
        by_number = queued_params(trial) is None and not _follows_ordinal(trial.user_attrs)
        known.last = trial.number if by_number else known.last + 1
        known.of.append(known.last)
    return known.of[number]


def _follows_ordinal(attributes: Mapping[str, Any]) -> bool:
    return BY_ORDINAL.items() <= attributes.items()
