"""Writes the page of a study in optuna-dashboard: note, plots and attributes, in one transaction.

Everything comes from the record. A page that cannot be written is logged and written later: no trial depends
on it.
"""

import json
import logging
from dataclasses import dataclass
from itertools import islice
from typing import Any

import optuna
from optuna.storages import BaseStorage

from search.sampling.optuna_attributes import (
    AttributeBuffer,
    lock_study,
    read_study_attributes,
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
from search.watching.publishing.trial_notes import (
    RUNNING_NOTES,
    TrialNotes,
    read_trial_notes,
    trial_note_attributes,
)
from search.watching.view import StudyView, TrialView, study_view, trial_view
from storage.engine import Store
from storage.urls import is_sqlite, read_url, sqlite_file

log = logging.getLogger("ballast.dashboard")

VALUE_NAME = "validation loss"
NOTE_DIVIDER = (
    "*Yours: what you write below this line stays. What is above it is written anew while the study runs.*"
)
"""The line between our part of a study's note and the part that people add."""

_NOTES_AT_ONCE = 100
_PAGE = ("dashboard:note_", "dashboard:plot_data:", RUNNING_NOTES)
"""Prefixes of the attributes that hold the page of a study."""
_METRIC_NAMES = "study:metric_names"


def publish_study(store: Store, storage: BaseStorage, name: str) -> bool:
    """Bring a study's note, plots and attributes up to date; write nothing if nothing has changed.

    Up to _NOTES_AT_ONCE trials get a note: ended trials without one, and running trials with findings.
    Returns False if more notes are due, or if somebody has edited the page meanwhile, so that the next call
    must write it. Raises StoreError, and KeyError if Optuna does not know the study.
    """
    study_id = storage.get_study_id_from_name(name)
    trials = storage.get_all_trials(study_id, deepcopy=False)
    with store.reading() as session:
        known = read_study_attributes(session, study_id, *_PAGE)
        of_trials = read_trial_notes(session, study_id, trials, known)
    view = study_view(store, name)
    page = AttributeBuffer(storage, known)
    study = optuna.load_study(study_name=name, storage=page.as_storage())
    _write_study_note(study, view, _address(store))
    for plot in figures(view):
        save_plotly_graph_object(study, _PlotlyFigure(plot), graph_object_id=plot.id)
    due = of_trials.due(view)
    notes = {
        trial_id: _note_attributes(trial_view(store, name, number), trial_id, of_trials)
        for trial_id, number in islice(due.items(), _NOTES_AT_ONCE)
    }
    page.study_attributes[RUNNING_NOTES] = of_trials.running_notes(view, notes.keys())
    changed = {key: value for key, value in page.study_attributes.items() if known.get(key, []) != value}
    attributes = _study_attributes(view)
    recorded = storage.get_study_user_attrs(study_id).items()
    if not changed and not any(notes.values()) and attributes.items() <= recorded:
        return True
    with store.session() as session:
        lock_study(session, study_id)
        if read_study_attributes(session, study_id, *_PAGE) != known:
            return False
        write_study_attributes(session, study_id, {**changed, _METRIC_NAMES: [VALUE_NAME]})
        write_user_attributes(session, study_id, attributes)
        return of_trials.write(session, notes) and len(due) <= _NOTES_AT_ONCE


def _note_attributes(view: TrialView, trial_id: int, of_trials: TrialNotes) -> dict[str, Any]:
    body, known = to_markdown(trial_note(view)), of_trials.live.get(trial_id)
    return trial_note_attributes(trial_id, body, known, is_running=view.trial.verdict is None)


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
