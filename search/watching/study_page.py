"""Puts the face of a study where optuna-dashboard looks for it: notes, plots, files, attributes.

Everything is drawn from the record, and written to Optuna's tables in one transaction for a trial and one for
a study. Whatever goes wrong with it is logged, and is nobody's loss: no trial depends on it.
"""

import json
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import optuna
from optuna.artifacts import upload_artifact
from optuna.storages import BaseStorage

from search.record import row_mapping as recording
from search.record.artifacts import ArtifactFolder, artifact_folder
from search.record.continuation import recorded_value
from search.sampling.optuna_attributes import (
    AttributeBuffer,
    lock_study,
    read_study_attributes,
    trials_with_notes,
    write_study_attributes,
    write_trial_attributes,
    write_user_attributes,
)
from search.store_files import StudyFiles
from search.watching.blocks import Plot
from search.watching.figures import figures
from search.watching.markdown import to_markdown
from search.watching.notes import study_note, trial_note
from search.watching.optuna_dashboard_functions import (
    get_note,
    get_note_from_system_attrs,
    save_note,
    save_plotly_graph_object,
)
from search.watching.view import StudyView, TrialView, study_view, trial_view
from storage import query, record, tables
from storage.engine import Store
from storage.urls import is_sqlite, read_url, sqlite_file

log = logging.getLogger("ballast.dashboard")

VALUE_NAME = "validation loss"
NOTE_DIVIDER = (
    "*Yours: what you write below this line stays. What is above it is written anew while the study runs.*"
)
"""The line of a study's note that parts ours from what people add to it."""

_SHARE, _SHARE_OF_PICTURES = 0.015, 0.01
"""Publishing trials takes this share of a worker's time at most; pictures are left out before that."""
_CREDIT_S, _CREDIT_SHARE = 1.0, 0.1
"""Beyond that it may take a second, of which a worker has earned a tenth of its time so far: a short study is
not to be a third longer for its pages."""
_FIRST_PICTURE_S = 0.6
"""What the first picture of a process takes: most of it is the import of matplotlib."""
_NOTES_AT_ONCE = 100
_PAGE = ("dashboard:note_", "dashboard:plot_data:")
"""How the attributes begin that make up the page of a study."""
_METRIC_NAMES = "study:metric_names"
_SETTINGS = "settings"
_MIME = {".yaml": "text/plain", ".json": "application/json", ".png": "image/png"}


@dataclass
class TrialPublisher:
    """Publishes the trials of one worker."""

    store: Store
    files: StudyFiles
    _began: float = field(default_factory=time.monotonic)
    _spent: float = 0.0
    _has_drawn: bool = False
    _has_warned: bool = False

    def publish(self, trial: optuna.Trial) -> None:
        """Publish a trial that has its verdict on record and that Optuna holds for running: what belongs to
        a trial cannot be written any more once it is told.

        Does nothing for one that has been published, nor where trials are so short that this would take more
        than its share of the time; then the trial's note comes with the page of the study.
        """
        if not self._may_take(_SHARE):
            return
        began = time.monotonic()
        try:
            self._publish(trial)
        except Exception as error:  # a page about a trial is never worth the trial
            log.log(
                logging.DEBUG if self._has_warned else logging.WARNING,
                "trial %d is not shown in full in optuna-dashboard: %s",
                trial.number,
                error,
            )
            self._has_warned = True
        self._spent += time.monotonic() - began

    def _may_take(self, share: float, needed: float = 0.0) -> bool:
        passed = time.monotonic() - self._began
        return self._spent + needed < min(_CREDIT_S, _CREDIT_SHARE * passed) + share * passed

    def _may_draw(self) -> bool:
        may = self._may_take(_SHARE_OF_PICTURES, 0.0 if self._has_drawn else _FIRST_PICTURE_S)
        self._has_drawn = self._has_drawn or may
        return may

    def _publish(self, trial: optuna.Trial) -> None:
        store = replace(self.store, patience=0.0)  # a trial does not wait for its page
        view = trial_view(store, trial.study.study_name, trial.number)
        if any(artifact.kind == _SETTINGS for artifact in view.artifacts):
            return
        study_id, trial_id = trial.study._study_id, trial._trial_id
        with store.reading() as session:
            known = read_study_attributes(session, study_id, f"dashboard:{trial_id}:note_")
        note = trial_note_attributes(trial_id, to_markdown(trial_note(view)), known)
        files = AttributeBuffer()
        rows = list(self._upload(files, trial, view))
        try:
            with store.session() as session:
                lock_study(session, study_id)
                if read_study_attributes(session, study_id, f"dashboard:{trial_id}:note_") == known:
                    write_study_attributes(session, study_id, note)
                write_trial_attributes(session, trial_id, files.of_trial)
                record.add_artifacts(session, rows)
        except BaseException:
            for row in rows:
                Path(row.path).unlink(missing_ok=True)
            raise

    def _upload(
        self, sheet: AttributeBuffer, trial: optuna.Trial, view: TrialView
    ) -> Iterator[tables.Artifact]:
        folder = ArtifactFolder(artifact_folder(self.files))
        with tempfile.TemporaryDirectory(prefix="ballast-") as desk:
            for kind, name, content in self._files(view):
                path = Path(desk) / name
                path.write_bytes(content)
                artifact = upload_artifact(
                    artifact_store=folder,
                    file_path=str(path),
                    study_or_trial=trial,
                    storage=sheet.as_storage(),
                    mimetype=_MIME[path.suffix],
                )
                yield recording.file_row(view.study.name, view.trial.number, kind, folder.path_of(artifact))

    def _files(self, view: TrialView) -> Iterator[tuple[str, str, bytes]]:
        """Kind, name and content of each file of a trial."""
        from search.watching.curves import curves_json, draw_curves
        from search.watching.trial_files import trial_yaml

        name = f"trial-{view.trial.number:05d}"
        yield _SETTINGS, f"{name}.yaml", trial_yaml(view).encode()
        if view.epochs or view.findings:
            yield "curves", f"{name}.json", curves_json(view).encode()
            if self._may_draw():
                yield "picture", f"{name}.png", draw_curves(view)


def publish_study(store: Store, storage: BaseStorage, name: str) -> bool:
    """Bring a study's note, plots and attributes up to date; writes nothing where nothing has changed.

    Ended trials without a note get one, _NOTES_AT_ONCE at most. Whether everything is up to date now: not if
    more notes are missing, nor if somebody has written on the page meanwhile, which is then left to the next
    time. Raises StoreError, and KeyError where Optuna does not know the study.
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
    changed = {key: value for key, value in page.of_study.items() if known.get(key) != value}
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
    """Id and number of each ended trial that has no note: it was taken over from another study, was too
    short, or ended while the store could not be written.
    """
    ended = {trial.number for trial in view.trials if trial.verdict is not None}
    return [
        (trial._trial_id, trial.number)
        for trial in storage.get_all_trials(study_id, deepcopy=False)
        if trial.number in ended and trial._trial_id not in noted
    ]


def _address(store: Store) -> str:
    """The store's URL to somebody who may stand in any folder, without its password."""
    address = read_url(store.url)
    return f"sqlite:///{sqlite_file(address).resolve()}" if is_sqlite(address) else store.shown_url


def _write_study_note(study: optuna.Study, view: StudyView, store: str | None) -> None:
    """Write our part anew, unless it is as it was; whatever people have added stays."""
    old = get_note(study)
    ours, line, theirs = old.partition(NOTE_DIVIDER)
    if not line:
        ours, theirs = "", old
    new = f"{to_markdown(study_note(view, store))}\n\n---\n\n"
    if ours != new:
        save_note(study, f"{new}{NOTE_DIVIDER}\n\n{theirs.strip()}".rstrip())


def trial_note_attributes(trial_id: int, body: str, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The attributes that make up the note of a trial; what people have written in it, as `known`, stays."""
    sheet = AttributeBuffer(known=known or {})
    old = get_note_from_system_attrs(dict(sheet.known), trial_id)["body"]
    trial = SimpleNamespace(storage=sheet, study=SimpleNamespace(_study_id=0), _trial_id=trial_id)
    save_note(cast(optuna.Trial, trial), body if old in ("", body) else f"{body}\n\n---\n\n{old}")
    return sheet.of_study


@dataclass(frozen=True)
class _PlotlyFigure:
    """A plot, to who asks for the JSON of a plotly figure."""

    plot: Plot

    def to_json(self) -> str:
        return json.dumps(self.plot.figure, separators=(",", ":"), allow_nan=False)


def _study_attributes(view: StudyView) -> dict[str, Any]:
    """What the head of the study's page says."""
    summary, best = view.summary, view.summary.best
    told: dict[str, Any] = {
        "result": summary.sentence(),
        "verdicts": ", ".join(f"{n} {verdict}" for verdict, n in summary.verdicts.items()),
        "above naive": summary.above_naive,
        "noise floor": summary.noise_floor,
        "skill shown": summary.skill_shown,
        "verified": "not yet" if summary.verified is None else summary.verified.verdict,
    }
    if summary.measured is not None:
        told["noise floor, measured"] = summary.measured.skill
    if summary.rival is not None and summary.skill_over_rival is not None:
        told["best skill over strongest rival"] = summary.skill_over_rival
        told["strongest rival"] = summary.rival.name
    return told if best is None else {**told, "best trial": best.number, "best skill": best.skill}


def is_published(store: Store, name: str) -> bool:
    """Whether a study is to be published: `tracking.dashboard`, as it was started or last continued."""
    return bool(recorded_value("tracking.dashboard", query.setting_layers(store, name)))
