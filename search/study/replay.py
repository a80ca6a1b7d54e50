"""Asks the sampler of a recorded study again, under what it saw then, and compares what it suggests.

Each trial is drawn by the function that drew it (`search.sampling.ask.draw`), from the list of trials that
its sampler saw, which is on record. Nothing is trained and nothing is written.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from search.config.resolved_study import ResolvedStudy
from search.config.schema import SamplerName
from search.config.space import to_distributions
from search.machine import machine_facts
from search.process_identity import WORKER
from search.record.continuation import resolve_from_store
from search.sampling.ask import draw
from search.sampling.optuna_storage import direct_storage
from search.sampling.queue import queued_params
from search.sampling.samplers import sampler_versions
from search.sampling.seen_trials import SAMPLER_SAW, as_started, to_ranges, trials_as_seen
from search.study.orphans import require_not_orphaned
from search.study.trial_import import import_origin
from storage import query, tables
from storage.engine import Store
from storage.verdicts import CONCLUSIVE

Answer = Literal["same", "different", "not asked", "cannot tell"]

_LOOKS_AT_NO_RESULT: frozenset[SamplerName] = frozenset({"random", "qmc", "grid"})
"""Samplers whose draws depend only on how the trials before were created, which never changes."""


@dataclass(frozen=True)
class Difference:
    """A setting whose value on record is not the one that is drawn again."""

    key: str
    recorded: Any
    replayed: Any


@dataclass(frozen=True)
class ReplayedTrial:
    """Whether the sampler suggests the same values for a trial again.

    `same`: every value, to the bit. `different`: `differences` has those that are not. `not asked`: all
    values came from the queue or from the trial that is tried again, and are those that ran. `cannot tell`:
    `why` says what is missing or has changed.
    """

    number: int
    answer: Answer
    why: str = ""
    differences: Sequence[Difference] = ()

    def sentence(self) -> str:
        """The answer for people."""
        values = "; ".join(
            f"{each.key} was {each.recorded!r}, is drawn as {each.replayed!r}" for each in self.differences
        )
        return f"trial {self.number}: {self.answer}" + "".join(
            f": {text}" for text in (values, self.why) if text
        )

    def to_json(self) -> dict[str, Any]:
        """The shape of one trial in `replay --json`."""
        return {
            "trial": self.number,
            "answer": self.answer,
            "why": self.why or None,
            "differences": [
                {"key": each.key, "recorded": each.recorded, "replayed": each.replayed}
                for each in self.differences
            ],
        }


@dataclass(frozen=True)
class Replay:
    """The answers for the trials of a study that were asked about, by number."""

    study: str
    sampler: SamplerName
    trials: Sequence[ReplayedTrial] = field(repr=False)

    @property
    def is_same(self) -> bool:
        """Whether no suggestion differs."""
        return not self.counts["different"]

    @property
    def counts(self) -> dict[Answer, int]:
        """How many trials have each answer."""
        answers: tuple[Answer, ...] = ("same", "different", "not asked", "cannot tell")
        found = [trial.answer for trial in self.trials]
        return {answer: found.count(answer) for answer in answers}

    def sentence(self) -> str:
        """The result in one sentence."""
        counts = self.counts
        asked = counts["same"] + counts["different"]
        what = f"{asked} of {len(self.trials)} trials of {self.study!r} were drawn again by {self.sampler}"
        if counts["different"]:
            answer = f"{counts['different']} of them differently"
        else:
            answer = "every suggestion is the same" if asked else "so nothing was compared"
        rest: dict[Answer, str] = {
            "not asked": "had no value to draw (queued, or tried again)",
            "cannot tell": "cannot be replayed",
        }
        others = [f"{counts[key]} {text}" for key, text in rest.items() if counts[key]]
        return "; ".join([f"{what}, {answer}", *others])

    def exceptions(self) -> tuple[list[str], list[str]]:
        """A sentence for each trial that differs, and one for each reason why others cannot be replayed."""
        differing = [trial.sentence() for trial in self.trials if trial.answer == "different"]
        unknown: dict[str, list[int]] = {}
        for trial in self.trials:
            if trial.answer == "cannot tell":
                unknown.setdefault(trial.why, []).append(trial.number)
        return differing, [f"cannot replay {to_ranges(each)}: {why}" for why, each in unknown.items()]

    def to_json(self) -> dict[str, Any]:
        """The shape that `replay --json` promises."""
        return {
            "study": self.study,
            "sampler": self.sampler,
            "same": self.is_same,
            "counts": self.counts,
            "trials": [trial.to_json() for trial in self.trials],
        }


def replay_study(
    store: Store,
    name: str,
    trial: int | None = None,
    on_trial: Callable[[int, int], None] = lambda done, total: None,
) -> Replay:
    """Draw the trials of a study again, or one of them. `on_trial` hears how many of how many are done.

    Raises StudyUnknown, TrialUnknown, and RequestError for a study whose record has no settings to resolve or
    that Optuna does not know any more.
    """
    rows = query.trials(store, name) if trial is None else [query.trial(store, name, trial)]
    resolved = resolve_from_store(store, name)
    require_not_orphaned(store, name)
    study = optuna.load_study(study_name=name, storage=direct_storage(store))
    replayer = _Replayer(resolved, study, query.study(store, name).versions)
    done = []
    for row in rows:
        done.append(replayer.replay(row))
        on_trial(len(done), len(rows))
    return Replay(name, resolved.file.study.sampler, done)


class _Replayer:
    """Draws the trials of one study again. `versions` are those of packages when the study was started."""

    def __init__(self, resolved: ResolvedStudy, study: optuna.Study, versions: Mapping[str, str]) -> None:
        self._section, self._space, self._versions = resolved.file.study, resolved.space, versions
        self._keys = [*to_distributions(self._space)]
        self._trials = study.get_trials(deepcopy=False)
        self._storage = _StorageOfOneTrial(study)
        self._study = optuna.Study(study.study_name, cast(BaseStorage, self._storage))

    def replay(self, row: tables.Trial) -> ReplayedTrial:
        """The answer for one trial on record."""
        number, frozen = row.number, self._trials[row.number]
        saw = frozen.system_attrs.get(SAMPLER_SAW)
        queued = queued_params(frozen) or {}
        is_known = self._section.sampler in _LOOKS_AT_NO_RESULT or row.params.keys() <= queued.keys()
        why_not = _why_not_drawn_here(row, frozen)
        if why_not is None and saw is None and not is_known:
            why_not = "what its sampler saw is not on record"
        if why_not is not None:
            return ReplayedTrial(number, "cannot tell", why_not)
        drawn = self._draw(number, {"trials": number} if saw is None else saw)
        # A worker that died early has not drawn all values.
        recorded = {**dict.fromkeys(drawn), **row.params} if row.verdict in CONCLUSIVE else row.params
        # In Optuna's tables and in the record; one sentence for a key that differs in both.
        differences = (*_differences(frozen.params, drawn), *_differences(recorded, drawn))
        found = [*{each.key: each for each in differences}.values()]
        if not found:
            return ReplayedTrial(number, "not asked" if recorded.keys() <= queued.keys() else "same")
        changed = self._what_changed(row, {} if saw is None else saw)
        return ReplayedTrial(number, "cannot tell" if changed else "different", changed, found)

    def _draw(self, number: int, saw: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values that the sampler chooses for a trial."""
        trials = trials_as_seen(number, self._trials, saw, self._keys)
        self._storage.trial = as_started(self._trials[number])
        self._study.sampler = RandomSampler()  # no sampler whose space could come from a longer list
        return draw(self._study, self._section, self._space, trials, number).params

    def _what_changed(self, row: tables.Trial, saw: Mapping[str, Any]) -> str:
        """Other versions and another machine than those that drew the trial, in words; empty if none."""
        before = saw.get("versions", self._versions)
        changed = [
            f"{name} was {before[name]}, is {now}"
            for name, now in sampler_versions(self._section.sampler).items()
            if before.get(name, now) != now
        ]
        machine = None if row.source_study is not None else row.machine  # a copy has that of its source
        if machine is not None and machine != machine_facts():
            changed.append(
                f"it was drawn on another machine ({', '.join(machine.values())}), which may round otherwise"
            )
        return ", ".join(changed)


def _why_not_drawn_here(row: tables.Trial, frozen: FrozenTrial) -> str | None:
    """Why no sampler of this study drew the trial's values; None if one did."""
    if (origin := import_origin(frozen)) is not None:
        return f"it was imported: trial {origin[1]} of {origin[0]!r}"
    if WORKER not in frozen.user_attrs:
        return "no worker of Ballast drew it"
    if not row.params:
        return "its worker died before it had drawn a value"
    return None


def _differences(recorded: Mapping[str, Any], drawn: Mapping[str, Any]) -> Iterator[Difference]:
    """The settings on record that are not drawn with the same value, to the bit and of the same type."""
    for key, value in recorded.items():
        if json.dumps(value) != json.dumps(drawn.get(key)):
            yield Difference(key, value, drawn.get(key))


class _StorageOfOneTrial:
    """Stands in for Optuna's storage while a trial is drawn again: it keeps what is written to that trial.

    `study` is the study on record, which is only read.
    """

    trial: FrozenTrial

    def __init__(self, study: optuna.Study) -> None:
        self._id, self._directions, self._user_attrs = study._study_id, study.directions, study.user_attrs
        self._system_attrs = study._storage.get_study_system_attrs(self._id)

    def get_study_id_from_name(self, name: str) -> int:
        """The id on record."""
        return self._id

    def get_study_directions(self, study_id: int) -> Sequence[StudyDirection]:
        """Those on record."""
        return self._directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Those on record."""
        return self._user_attrs

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Those on record."""
        return self._system_attrs

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The trial that is drawn."""
        return self.trial

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        """Those of the trial that is drawn."""
        return dict(self.trial.system_attrs)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keep an attribute of the trial that is drawn."""
        self.trial.system_attrs[key] = value

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Do nothing: the trial keeps its values itself."""
