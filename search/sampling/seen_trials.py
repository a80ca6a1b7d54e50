"""What a sampler sees while it draws one trial: one list of the study's trials, kept on record.

Optuna's samplers read the storage several times during one draw, and other workers write to it meanwhile:
what a sampler has seen could not be known afterwards. Here it reads one list. From that list samplers use

    tpe      finished trials; of running ones the values drawn so far, also those only announced
    gp       the same, of finished trials those that are COMPLETE
    cmaes    COMPLETE trials, with the optimiser's state in their system attributes
    grid     how the trials before it were created, and their values
    random, qmc   nothing: each draw depends on the ordinal alone

The list is read before the trial is created, so that what is in it is written with the trial. A finished
trial does not change (but for one that is voided later), so that the record needs the length of the list,
which of its trials were not finished, and how much of each running one could be seen.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, cast

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from search.process_identity import WORKER
from search.sampling.queue import FIXED

SAMPLER_SAW = "ballast:sampler_saw"
"""The system attribute of a trial with what its sampler saw: `describe_seen`, and `versions` of packages."""
_TRIALS, _RUNNING, _WAITING, _VOIDED = "trials", "running", "waiting", "voided"
_ANNOUNCED = ("tpe:relative_params:", "gp:relative_params:")
"""Beginnings of the attributes, in numbered parts, in which a sampler announces the values that it has drawn
before Optuna stores them as the trial's."""
VOIDED = "voided"
"""The reason code of a trial that somebody has voided after it ended."""


class _OneList:
    """Optuna's storage, but every read of a study's trials gives the same list; writes pass through."""

    def __init__(self, inner: BaseStorage, trials: Sequence[FrozenTrial]) -> None:
        self._inner, self._trials = inner, trials

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The trials of the list; samplers do not change them, so none is copied."""
        return [trial for trial in self._trials if states is None or trial.state in states]


@contextmanager
def seeing_only(study: optuna.Study, trials: list[FrozenTrial]) -> Iterator[None]:
    """In the block, the samplers of `study` see `trials` and nothing that is written meanwhile."""
    storage = study._storage
    study._storage = cast(BaseStorage, _OneList(storage, trials))
    study._thread_local.cached_all_trials = trials
    try:
        yield
    finally:
        study._storage = storage


def describe_seen(trials: Iterable[FrozenTrial]) -> dict[str, Any]:
    """The trials of a list that were not finished, for the record.

    `trials` is the length of the list; all of its trials were finished except `running`, by number how many
    values and how many parts of the announced values could be seen, and `waiting`; `voided` are those that
    had been voided. Numbers are written as `"3,7-12"`. Keys without any trial are left out.
    """
    count, running, waiting, voided = 0, {}, [], []
    for trial in trials:
        count += 1
        if trial.state is TrialState.RUNNING:
            running[str(trial.number)] = [len(trial.params), len(_announced(trial))]
        elif trial.state is TrialState.WAITING:
            waiting.append(trial.number)
        elif VOIDED in trial.user_attrs.get("reasons", ""):
            voided.append(trial.number)
    found = {_RUNNING: running, _WAITING: to_ranges(waiting), _VOIDED: to_ranges(voided)}
    return {_TRIALS: count, **{key: value for key, value in found.items() if value}}


def seen_by(number: int, known: Sequence[FrozenTrial], trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The list that the sampler of trial `number` sees: the known trials, those that were created after the
    known ones were read, as they started, and itself. `trials` are the study's as they are after that.
    """
    later = trials[len(known) : number + 1]
    seen = [*known, *(as_started(trial) if WORKER in trial.user_attrs else trial for trial in later)]
    seen[number] = as_started(trials[number])
    return seen


def trials_as_seen(
    number: int,
    trials: Sequence[FrozenTrial],
    saw: Mapping[str, Any],
    keys: Sequence[str],
    voided: Mapping[int, FrozenTrial] = MappingProxyType({}),
) -> list[FrozenTrial]:
    """The list that the sampler of trial `number` saw, from all trials of the study as they are now.

    `saw` is from `describe_seen`, `keys` are the searched settings in the order in which they are drawn, and
    `voided` has, by number, each voided trial as it was before.
    """
    seen = list(trials[: saw[_TRIALS]])
    for other, (values, parts) in saw.get(_RUNNING, {}).items():
        seen[int(other)] = as_started(trials[int(other)], keys, values, parts)
    for other in _from_ranges(saw.get(_WAITING, "")):
        seen[other] = as_started(trials[other], state=TrialState.WAITING)
    known = {*_from_ranges(saw.get(_VOIDED, ""))}
    for other, before in voided.items():
        if other < len(seen) and other not in known and seen[other].state.is_finished():
            seen[other] = before
    return seen_by(number, seen, trials)


def as_started(
    trial: FrozenTrial,
    keys: Sequence[str] = (),
    values: int = 0,
    parts: int = 0,
    state: TrialState = TrialState.RUNNING,
) -> FrozenTrial:
    """The trial before it ended, with the first `values` of its values and `parts` of those announced."""
    drawn = [key for key in keys if key in trial.params][:values]
    attributes = [key for key in (FIXED,) if key in trial.system_attrs] + _announced(trial)[:parts]
    return FrozenTrial(
        number=trial.number,
        trial_id=trial._trial_id,
        state=state,
        value=None,
        datetime_start=trial.datetime_start,
        datetime_complete=None,
        params={key: trial.params[key] for key in drawn},
        distributions={key: trial.distributions[key] for key in drawn},
        user_attrs=trial.user_attrs,
        system_attrs={key: trial.system_attrs[key] for key in attributes},
        intermediate_values={},
    )


def _announced(trial: FrozenTrial) -> list[str]:
    """The attributes in which values are announced, in the order in which they are written."""
    keys = [key for key in trial.system_attrs if key.startswith(_ANNOUNCED)]
    return sorted(keys, key=lambda key: int(key.rpartition(":")[2]))


def to_ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as text: `"3,7-12"`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _from_ranges(text: str) -> Iterator[int]:
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
