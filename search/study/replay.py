"""Asks the sampler of a recorded study again, under what it saw then, and compares what it suggests.

Each trial is drawn by the function that drew it (`search.sampling.ask.draw`), from the list of trials that
its sampler saw, which is on record. Nothing is trained and nothing is written.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial

from search.config.schema import SamplerName
from search.machine import machine_facts
from search.process_identity import WORKER
from search.record.continuation import resolve_from_store
from search.sampling.loss_first import load_optuna_study
from search.sampling.optuna_storage import direct_storage
from search.sampling.queue import queued_params
from search.sampling.redraw import Redraw
from search.sampling.retell import CONSTRAINT_KEY
from search.sampling.samplers import sampler_versions
from search.sampling.seen_trials import SAMPLER_SAW, to_ranges
from search.sampling.tell import OtherObjectives, tell_message
from search.study.orphans import require_not_orphaned
from search.study.trial_import import import_origin
from storage import query, tables, voids
from storage.engine import Store
from storage.verdicts import CONCLUSIVE, Verdict

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
    study = load_optuna_study(name, direct_storage(store))
    section = resolved.file.study
    voided = _before_they_were_voided(store, study, section.sampler)
    redraw = Redraw(study, section, resolved.space, voided)
    replayer = _Replayer(redraw, section.sampler, query.study(store, name).versions)
    done = []
    for row in rows:
        done.append(replayer.replay(row))
        on_trial(len(done), len(rows))
    return Replay(name, section.sampler, done)


def _before_they_were_voided(
    store: Store, study: optuna.Study, sampler: SamplerName
) -> Mapping[int, FrozenTrial]:
    """Each voided trial as Optuna knew it before, by number: a sampler may have seen it so."""
    name, trials, found = study.study_name, study.get_trials(deepcopy=False), {}
    for void in voids.voids(store, name):
        row, trial = query.trial(store, name, void.trial), copy(trials[void.trial])
        others = [*(row.objectives or {}).values()][1:]  # without the loss
        message = tell_message(
            Verdict(void.verdict),
            row.value,
            sampler=sampler,
            worst_honest=lambda: math.nan,  # of an unstable trial, which cannot be voided
            others=OtherObjectives(others, partial(tuple, others)),
        )
        trial.state = message.state
        trial.values = None if message.value is None else [message.value, *message.others]
        trial.system_attrs = {**trial.system_attrs, CONSTRAINT_KEY: message.constraint}
        trial.intermediate_values = {
            epoch.epoch: epoch.validation_loss for epoch in query.epochs(store, name, void.trial)
        }
        found[void.trial] = trial
    return found


class _Replayer:
    """Replays the trials of one study. `versions` are those of packages when the study was started."""

    def __init__(self, redraw: Redraw, sampler: SamplerName, versions: Mapping[str, str]) -> None:
        self._redraw, self._sampler, self._versions = redraw, sampler, versions

    def replay(self, row: tables.Trial) -> ReplayedTrial:
        """The answer for one trial on record."""
        number, frozen = row.number, self._redraw.trials[row.number]
        saw = frozen.system_attrs.get(SAMPLER_SAW)
        queued = queued_params(frozen) or {}
        is_known = self._sampler in _LOOKS_AT_NO_RESULT or row.params.keys() <= queued.keys()
        why_not = _why_not_drawn_here(row, frozen)
        if why_not is None and saw is None and not is_known:
            why_not = "what its sampler saw is not on record"
        if why_not is not None:
            return ReplayedTrial(number, "cannot tell", why_not)
        drawn = self._redraw.draw(number, {"trials": number} if saw is None else saw)
        # A worker that died early has not drawn all values.
        recorded = {**dict.fromkeys(drawn), **row.params} if row.verdict in CONCLUSIVE else row.params
        # In Optuna's tables and in the record; one sentence for a key that differs in both.
        differences = (*_differences(frozen.params, drawn), *_differences(recorded, drawn))
        found = [*{each.key: each for each in differences}.values()]
        if not found:
            return ReplayedTrial(number, "not asked" if recorded.keys() <= queued.keys() else "same")
        changed = self._what_changed(row, {} if saw is None else saw)
        return ReplayedTrial(number, "cannot tell" if changed else "different", changed, found)

    def _what_changed(self, row: tables.Trial, saw: Mapping[str, Any]) -> str:
        """Other versions and another machine than those that drew the trial, in words; empty if none."""
        before = saw.get("versions", self._versions)
        changed = [
            f"{name} was {before[name]}, is {now}"
            for name, now in sampler_versions(self._sampler).items()
            if before.get(name, now) != now
        ]
        machine = None if row.source_study is not None else row.machine  # a copy has that of its source
        if machine is not None and machine != machine_facts():
            changed.append(
                f"it was drawn on another machine ({', '.join(machine.values())}), and may round differently"
            )
        return ", ".join(changed)


def _why_not_drawn_here(row: tables.Trial, frozen: FrozenTrial) -> str | None:
    """Why no sampler of this study drew the trial's values; None if one did."""
    if (origin := import_origin(frozen)) is not None:
        return f"it was imported: trial {origin[1]} of {origin[0]!r}"
    if WORKER not in frozen.user_attrs:
        return "no worker of Ballast drew it"
    if not row.params and row.verdict not in CONCLUSIVE:
        return "its worker died before it had drawn a value"
    return None


def _differences(recorded: Mapping[str, Any], drawn: Mapping[str, Any]) -> Iterator[Difference]:
    """The settings on record that are not drawn with the same value, to the bit and of the same type."""
    for key, value in recorded.items():
        if json.dumps(value) != json.dumps(drawn.get(key)):
            yield Difference(key, value, drawn.get(key))
