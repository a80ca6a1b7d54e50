"""Writes the page of a study in optuna-dashboard: note, plots and attributes, in one transaction.

Everything comes from the record. A page that cannot be written is logged and written later: no trial depends
on it.
"""

import json
import logging
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.storages import BaseStorage

from search.sampling.optuna_attributes import (
    AttributeBuffer,
    lock_study,
    read_study_attributes,
    trials_with_notes,
    write_study_attributes,
    write_user_attributes,
)
from search.watching.blocks import Plot
from search.watching.pages.markdown import to_markdown
from search.watching.pages.notes import study_note, trial_note
from search.watching.plots.figures import figures
from search.watching.publishing.optuna_dashboard_functions import (
    get_note,
    save_note,
    save_plotly_graph_object,
)
from search.watching.publishing.trial_publisher import trial_note_attributes
from search.watching.view import StudyView, study_view, trial_view
from storage.engine import Store
from storage.urls import is_sqlite, read_url, sqlite_file

log = logging.getLogger("ballast.dashboard")

VALUE_NAME = "validation loss"
NOTE_DIVIDER = (
    "*Yours: what you write below this line stays. What is above it is written anew while the study runs.*"
)
"""The line between our part of a study's note and the part that people add."""

_NOTES_AT_ONCE = 100
_PAGE = ("dashboard:note_", "dashboard:plot_data:")
"""Prefixes of the attributes that hold the page of a study."""
_METRIC_NAMES = "study:metric_names"


def publish_study(store: Store, storage: BaseStorage, name: str) -> bool:
    """Bring a study's note, plots and attributes up to date; write nothing if nothing has changed.

    Up to _NOTES_AT_ONCE ended trials without a note get one. Returns False if more notes are missing, or if
    somebody has edited the page meanwhile, so that the next call must write it. Raises StoreError, and
    KeyError if Optuna does not know the study.
    """
    study_id = storage.get_study_id_from_name(name)
    view = study_view(store, name)
    with store.reading() as session:
        known, noted = read_study_attributes(session, study_id, *_PAGE), trials_with_notes(session, study_id)
    page = AttributeBuffer(storage, known)
    study = optuna.load_study(study_name=name, storage=page.as_storage())
    _write_study_note(study, view, _address(store))
    for plot in figures(view):
        save_plotly_graph_object(study, _PlotlyFigure(plot), graph_object_id=plot.id)
    missing = _without_note(storage, study_id, view, noted)
    notes = {
        trial_id: trial_note_attributes(trial_id, to_markdown(trial_note(trial_view(store, name, number))))
        for trial_id, number in missing[:_NOTES_AT_ONCE]
    }
    changed = {key: value for key, value in page.study_attributes.items() if known.get(key) != value}
    attributes = _study_attributes(view)
    if not changed and not notes and attributes.items() <= storage.get_study_user_attrs(study_id).items():
        return True
    with store.session() as session:
        lock_study(session, study_id)
        if read_study_attributes(session, study_id, *_PAGE) != known:
            return False
        write_study_attributes(session, study_id, {**changed, _METRIC_NAMES: [VALUE_NAME]})
        write_user_attributes(session, study_id, attributes)
        for trial_id in notes.keys() - trials_with_notes(session, study_id):
            write_study_attributes(session, study_id, notes[trial_id])
    return len(missing) <= _NOTES_AT_ONCE


def _without_note(
    storage: BaseStorage, study_id: int, view: StudyView, noted: Set[int]
) -> list[tuple[int, int]]:
    """Return id and number of each ended trial without a note: it was imported from another study, was too
    short, or ended while the store could not be written.
    """
    ended = {trial.number for trial in view.trials if trial.verdict is not None}
    return [
        (trial._trial_id, trial.number)
        for trial in storage.get_all_trials(study_id, deepcopy=False)
        if trial.number in ended and trial._trial_id not in noted
    ]


def _address(store: Store) -> str:
    """Return the store's URL as it is valid in any folder, without its password."""
    address = read_url(store.url)
    return f"sqlite:///{sqlite_file(address).resolve()}" if is_sqlite(address) else store.shown_url


def _write_study_note(study: optuna.Study, view: StudyView, store: str | None) -> None:
    """Write our part of the note again if it has changed; keep what people have added."""
    old = get_note(study)
    ours, line, theirs = old.partition(NOTE_DIVIDER)
    if not line:
        ours, theirs = "", old
    new = f"{to_markdown(study_note(view, store))}\n\n---\n\n"
    if ours != new:
        save_note(study, f"{new}{NOTE_DIVIDER}\n\n{theirs.strip()}".rstrip())


@dataclass(frozen=True)
class _PlotlyFigure:
    """A plot that answers `to_json` as a plotly figure does."""

    plot: Plot

    def to_json(self) -> str:
        return json.dumps(self.plot.figure, separators=(",", ":"), allow_nan=False)


def _study_attributes(view: StudyView) -> dict[str, Any]:
    """Return the attributes at the top of the study's page."""
    summary, best = view.summary, view.summary.best
    attributes: dict[str, Any] = {
        "result": summary.sentence(),
        "verdicts": ", ".join(f"{n} {verdict}" for verdict, n in summary.verdicts.items()),
        "above naive": summary.above_naive,
        "noise floor": summary.noise_floor,
        "skill shown": summary.skill_shown,
        "verified": "not yet" if summary.verified is None else summary.verified.verdict,
    }
    if summary.measured is not None:
        attributes["noise floor, measured"] = summary.measured.skill
    if summary.rival is not None and summary.skill_over_rival is not None:
        attributes["best skill over strongest rival"] = summary.skill_over_rival
        attributes["strongest rival"] = summary.rival.name
    return attributes if best is None else {**attributes, "best trial": best.number, "best skill": best.skill}
