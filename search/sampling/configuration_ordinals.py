"""The ordinal of a trial: which configuration of its study it tries, the first, the second, …

It is not the number of the trial: a retry has a number of its own. The draws and the seed of a trial depend
on its ordinal, so that a seeded study tries the same configurations even if workers are killed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import optuna
from optuna.trial import FrozenTrial

from search.sampling.queue import queued_params
from search.sampling.retry import retry_origin

_FROM = "ordinals_from"
"""The user attribute of a study with the first trial that has an ordinal; earlier ones used their number."""


def start_ordinals(study: optuna.Study) -> None:
    """Count ordinals from the study's next trial on, unless they are counted already."""
    if _FROM not in study.user_attrs:
        study.set_user_attr(_FROM, len(study.get_trials(deepcopy=False)))


@dataclass
class _OrdinalCache:
    """The ordinals by trial number, the highest of them, and the trial from which they are counted."""

    counted_from: int | None
    ordinals: list[int] = field(default_factory=list)
    highest: int = -1


_CACHES: WeakKeyDictionary[optuna.Study, _OrdinalCache] = WeakKeyDictionary()
"""How a trial was created never changes, so that 10,000 trials need not be read again."""


def configuration_ordinal(study: optuna.Study, trials: Sequence[FrozenTrial], number: int) -> int:
    """The ordinal (0-based) of the configuration of trial `number`; `trials` are all of the study, by number.

    It depends only on how the trials up to `number` were created, so all workers agree on it at any time.
    Without `start_ordinals` it is the number.
    """
    if study not in _CACHES:
        _CACHES[study] = _OrdinalCache(study.user_attrs.get(_FROM))
    cache = _CACHES[study]
    for trial in trials[len(cache.ordinals) : number + 1]:
        origin = retry_origin(trial)
        if origin.is_retry:
            cache.ordinals.append(cache.ordinals[origin.first])
            continue
        is_older = cache.counted_from is None or trial.number < cache.counted_from
        drew_by_number = is_older and queued_params(trial) is None
        cache.highest = trial.number if drew_by_number else cache.highest + 1
        cache.ordinals.append(cache.highest)
    return cache.ordinals[number]
