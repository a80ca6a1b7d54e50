"""Which configuration of its study a trial tries: the first, the second, …

The number of a trial does not say: a trial that is taken up again, because its worker was killed, has a
number too. What a trial draws and how its training is seeded follow the ordinal, so that a seeded study tries
the same configurations whether or not workers were killed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import optuna
from optuna.trial import FrozenTrial

from search.sampling.queue import queued_params
from search.sampling.retry import retry_origin

_FROM = "ordinals_from"
"""The user attribute of a study that says from which trial on ordinals count; those before drew by number."""


def start_ordinals(study: optuna.Study) -> None:
    """Let the ordinals of a study begin with its next trial, unless they have begun."""
    if _FROM not in study.user_attrs:
        study.set_user_attr(_FROM, len(study.get_trials(deepcopy=False)))


@dataclass
class _Known:
    """The ordinals by the number of a trial, the highest, and from which trial on they count."""

    begins: int | None
    of: list[int] = field(default_factory=list)
    last: int = -1


_KNOWN: WeakKeyDictionary[optuna.Study, _Known] = WeakKeyDictionary()
"""How a trial was created never changes: 10,000 trials are not looked at again."""


def configuration_ordinal(study: optuna.Study, trials: Sequence[FrozenTrial], number: int) -> int:
    """The ordinal (0-based) of the configuration of trial `number`; `trials` are all of the study, by number.

    It depends only on how the trials up to `number` were created, so all workers agree on it at any time.
    Without `start_ordinals` it is the number.
    """
    if study not in _KNOWN:
        _KNOWN[study] = _Known(study.user_attrs.get(_FROM))
    known = _KNOWN[study]
    for trial in trials[len(known.of) : number + 1]:
        origin = retry_origin(trial)
        if origin.is_retry:
            known.of.append(known.of[origin.first])
            continue
        is_older = known.begins is None or trial.number < known.begins
        drew_by_number = is_older and queued_params(trial) is None
        known.last = trial.number if drew_by_number else known.last + 1
        known.of.append(known.last)
    return known.of[number]
