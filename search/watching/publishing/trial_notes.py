"""The notes of a study's trials in optuna-dashboard: which are due, and what people have added to them.

A running trial gets a note when the guard has found something in it. That note ends with a divider, so that
the next one replaces our part and keeps the part of others.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.orm import Session

from search.sampling.optuna_attributes import (
    AttributeBuffer,
    read_study_attributes,
    trials_with_notes,
    write_study_attributes,
)
from search.watching.publishing.optuna_dashboard_functions import get_note_from_system_attrs, save_note
from search.watching.view import StudyView

RUNNING_DIVIDER = (
    "*Yours: what you write below this line stays. What is above it is written anew while the trial runs.*"
)
"""The line between our part of the note of a running trial and the part that people add."""
RUNNING_NOTES = "ballast:running_notes"
"""The study's attribute with the ids of the trials whose note was written while they ran: each is written
again when its trial has ended."""


@dataclass(frozen=True)
class TrialNotes:
    """The notes that the trials of a study have. Read them before the record: no trial that the record then
    shows as running had its final note yet.
    """

    study_id: int
    numbers: Mapping[int, int]
    """The number of each trial, by id."""
    noted: Set[int]
    """The ids of the trials that have a note."""
    live: Mapping[int, Mapping[str, Any]]
    """The attributes of the notes, by id, of the trials that run and of those whose note was written while
    they ran; {} for one without a note."""

    def due(self, view: StudyView) -> dict[int, int]:
        """Number by id of each trial whose note is due: running ones with findings, and ended ones without
        their final note, which were imported, too short, or ended while the store could not be written.
        """
        with_findings = {finding.trial for finding in view.findings}
        running = {trial.number: trial.verdict is None for trial in view.trials}
        return {
            trial_id: number
            for trial_id, number in self.numbers.items()
            if number in running
            and (
                number in with_findings and trial_id in self.live
                if running[number]
                else trial_id not in self.noted or _is_of_running(trial_id, self.live.get(trial_id, {}))
            )
        }

    def running_notes(self, view: StudyView, written: Set[int]) -> list[int]:
        """The ids of the trials that have the note of a running trial once those in `written` are written."""
        running = {trial.number for trial in view.trials if trial.verdict is None}
        return sorted(
            trial_id
            for trial_id, note in self.live.items()
            if (self.numbers[trial_id] in running if trial_id in written else _is_of_running(trial_id, note))
        )

    def write(self, session: Session, notes: Mapping[int, Mapping[str, Any]]) -> bool:
        """Write the attributes of notes by id, but those of trials whose note somebody has changed meanwhile.
        Returns whether all were written.
        """
        now = _read(session, self.study_id, notes.keys() & self.live.keys())
        others = trials_with_notes(session, self.study_id) - self.live.keys()
        changed = {each for each in notes if each in others or now.get(each) != self.live.get(each)}
        for trial_id in notes.keys() - changed:
            write_study_attributes(session, self.study_id, notes[trial_id])
        return not changed


def read_trial_notes(
    session: Session, study_id: int, trials: Sequence[FrozenTrial], known: Mapping[str, Any]
) -> TrialNotes:
    """Read the notes of the study's trials; `known` are attributes of the study, with RUNNING_NOTES."""
    numbers = {trial._trial_id: trial.number for trial in trials}
    live = {trial._trial_id for trial in trials if trial.state is TrialState.RUNNING}
    live |= numbers.keys() & set(known.get(RUNNING_NOTES, ()))
    return TrialNotes(study_id, numbers, trials_with_notes(session, study_id), _read(session, study_id, live))


def trial_note_attributes(
    trial_id: int, body: str, known: Mapping[str, Any] | None = None, *, is_running: bool = False
) -> dict[str, Any]:
    """The attributes that hold the note of a trial; text that people have added, as in `known`, is kept.

    Returns {} if the note would stay as it is.
    """
    buffer = AttributeBuffer(existing=known or {})
    old = _text(trial_id, buffer.existing)
    _, divider, below = old.partition(RUNNING_DIVIDER)
    theirs = below.strip() if divider else old if old != body else ""
    ours = f"{body}\n\n---\n\n"
    if is_running:
        new = f"{ours}{RUNNING_DIVIDER}\n\n{theirs}".rstrip()
    else:
        new = f"{ours}{theirs}" if theirs else body
    _save(buffer, trial_id, old, new)
    return buffer.study_attributes


def replaced_note_attributes(
    trial_id: int, before: str, body: str, known: Mapping[str, Any]
) -> dict[str, Any]:
    """The attributes of a note whose part `before` becomes `body`; {} if there is no note yet.

    If somebody has edited our part, it stays below the new one.
    """
    buffer = AttributeBuffer(existing=known)
    old = _text(trial_id, known)
    if old:
        theirs = old.removeprefix(before) if old.startswith(before) else f"\n\n---\n\n{old}"
        _save(buffer, trial_id, old, body + theirs)
    return buffer.study_attributes


def _save(buffer: AttributeBuffer, trial_id: int, old: str, new: str) -> None:
    if new != old:
        trial = SimpleNamespace(storage=buffer, study=SimpleNamespace(_study_id=0), _trial_id=trial_id)
        save_note(cast(optuna.Trial, trial), new)


def _is_of_running(trial_id: int, note: Mapping[str, Any]) -> bool:
    return RUNNING_DIVIDER in _text(trial_id, note)


def _text(trial_id: int, attributes: Mapping[str, Any]) -> str:
    return str(get_note_from_system_attrs(dict(attributes), trial_id)["body"])


def _read(session: Session, study_id: int, trial_ids: Set[int]) -> dict[int, dict[str, Any]]:
    """The attributes of the note of each trial, {} for a trial without one."""
    prefixes = {trial_id: f"dashboard:{trial_id}:note_" for trial_id in trial_ids}
    found = read_study_attributes(session, study_id, *prefixes.values()) if prefixes else {}
    return {
        trial_id: {key: value for key, value in found.items() if key.startswith(prefix)}
        for trial_id, prefix in prefixes.items()
    }
