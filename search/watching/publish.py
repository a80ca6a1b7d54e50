"""Puts the face of a study where optuna-dashboard looks for it: notes, plots, files, attributes.

Everything is drawn from the record, and written to Optuna's tables in one transaction for a trial and one for
a study. Whatever goes wrong with it is logged, and is nobody's loss: no trial depends on it.
"""

import json
import logging
import shlex
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import optuna
from optuna.artifacts import upload_artifact
from optuna.storages import BaseStorage
from optuna_dashboard import get_note, save_note, save_plotly_graph_object
from optuna_dashboard._note import note_ver_key

from search import recording
from search.artifacts import ArtifactFolder, artifact_folder
from search.continuation import recorded_value
from search.files import StudyFiles
from search.optuna_attributes import (
    Sheet,
    put_of_study,
    put_of_trial,
    put_user_attributes,
    read_attributes,
)
from search.watching.blocks import Plot
from search.watching.figures import figures
from search.watching.markdown import to_markdown
from search.watching.sections import study_note, trial_note
from search.watching.view import StudyView, TrialView, study_view, trial_view
from storage import query, record, tables
from storage.engine import Store
from storage.urls import is_sqlite, read_url, sqlite_file

log = logging.getLogger("ballast.dashboard")

VALUE_NAME = "validation loss"
YOURS = (
    "*Yours: what you write below this line stays. What is above it is written anew while the study runs.*"
)
"""The line of a study's note that parts ours from what people add to it."""

_PICTURE_SHARE, _PICTURE_CREDIT_S = 0.01, 2.0
"""Pictures of trials take this share of a worker's time at most, beyond the first seconds of it."""

_NOTES_AT_ONCE = 100

_FACE = "dashboard:"
_METRIC_NAMES = "study:metric_names"


@dataclass
class Press:
    """Publishes the trials of one worker."""

    store: Store
    files: StudyFiles
    _began: float = field(default_factory=time.monotonic)
    _drawing: float = 0.0
    _has_warned: bool = False

    def publish(self, trial: optuna.Trial) -> None:
        """Publish a trial that has its verdict on record and that Optuna holds for running: what belongs to
        a trial cannot be written any more once it is told. Does nothing for one that has been published.
        """
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

    def _publish(self, trial: optuna.Trial) -> None:
        store = replace(self.store, patience=0.0)  # a trial does not wait for its page
        view = trial_view(store, trial.study.study_name, trial.number)
        if any(artifact.kind == _SETTINGS for artifact in view.artifacts):
            return
        sheet = Sheet(trial.storage)
        write_note(sheet, trial.study._study_id, trial._trial_id, to_markdown(trial_note(view)))
        rows = list(self._upload(sheet, trial, view))
        with store.session() as session:
            put_of_study(session, trial.study._study_id, sheet.of_study)
            put_of_trial(session, trial._trial_id, sheet.of_trial)
            record.add_artifacts(session, rows)

    def _upload(self, sheet: Sheet, trial: optuna.Trial, view: TrialView) -> Iterator[tables.Artifact]:
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
        from search.watching.settings_file import trial_yaml

        name = f"trial-{view.trial.number:05d}"
        yield _SETTINGS, f"{name}.yaml", trial_yaml(view).encode()
        if not view.epochs and not view.findings:
            return
        yield "curves", f"{name}.json", curves_json(view).encode()
        if self._may_draw():
            began = time.thread_time()
            picture = draw_curves(view)
            self._drawing += time.thread_time() - began
            yield "picture", f"{name}.png", picture

    def _may_draw(self) -> bool:
        return self._drawing < _PICTURE_CREDIT_S + _PICTURE_SHARE * (time.monotonic() - self._began)


_SETTINGS = "settings"
_MIME = {".yaml": "text/plain", ".json": "application/json", ".png": "image/png"}


def publish_study(store: Store, storage: BaseStorage, name: str) -> bool:
    """Bring a study's note, plots and attributes up to date; writes nothing where nothing has changed.

    Ended trials without a note get one, _NOTES_AT_ONCE at most: those that were taken over from another
    study, or ended while this could not be written. Whether all have one now. Raises StoreError, and KeyError
    where Optuna does not know the study.
    """
    study_id = storage.get_study_id_from_name(name)
    view = study_view(store, name)
    known = read_attributes(store, study_id, _FACE)
    sheet = Sheet(storage, known)
    study = optuna.load_study(study_name=name, storage=sheet.as_storage())
    _write_study_note(study, view, f" --store {shlex.quote(_address(store))}")
    for plot in figures(view):
        save_plotly_graph_object(study, _Drawn(plot), graph_object_id=plot.id)
    missing = _without_note(storage, study_id, view, known)
    for trial_id, number in missing[:_NOTES_AT_ONCE]:
        write_note(sheet, study_id, trial_id, to_markdown(trial_note(trial_view(store, name, number))))
    changed = {key: value for key, value in sheet.of_study.items() if known.get(key) != value}
    attributes = _study_attributes(view)
    if changed or storage.get_study_user_attrs(study_id) != attributes:
        with store.session() as session:
            put_of_study(session, study_id, {**changed, _METRIC_NAMES: [VALUE_NAME]})
            put_user_attributes(session, study_id, attributes)
    return len(missing) <= _NOTES_AT_ONCE


def _without_note(
    storage: BaseStorage, study_id: int, view: StudyView, known: Mapping[str, Any]
) -> list[tuple[int, int]]:
    """Id and number of each ended trial that has no note."""
    ended = {trial.number for trial in view.trials if trial.verdict is not None}
    return [
        (trial._trial_id, trial.number)
        for trial in storage.get_all_trials(study_id, deepcopy=False)
        if trial.number in ended and note_ver_key(trial._trial_id) not in known
    ]


def _address(store: Store) -> str:
    """The store's URL to somebody who may stand in any folder, without its password."""
    address = read_url(store.url)
    return f"sqlite:///{sqlite_file(address).resolve()}" if is_sqlite(address) else store.shown_url


def _write_study_note(study: optuna.Study, view: StudyView, where: str) -> None:
    """Write our part anew, unless it is as it was; whatever people have added stays."""
    old = get_note(study)
    ours, line, theirs = old.partition(YOURS)
    if not line:
        ours, theirs = "", old
    new = f"{to_markdown(study_note(view, where))}\n\n---\n\n"
    if ours != new:
        save_note(study, f"{new}{YOURS}\n\n{theirs.strip()}".rstrip())


def write_note(sheet: Sheet, study_id: int, trial_id: int, body: str) -> None:
    """Write the note of a trial, which has none yet."""
    study = SimpleNamespace(_study_id=study_id)
    save_note(cast(optuna.Trial, SimpleNamespace(storage=sheet, study=study, _trial_id=trial_id)), body)


@dataclass(frozen=True)
class _Drawn:
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
        "noise floor": summary.noise_floor,
        "skill shown": summary.skill_shown,
    }
    return told if best is None else {**told, "best trial": best.number, "best skill": best.skill}


def shows(store: Store, name: str) -> bool:
    """Whether a study is to be published: `tracking.dashboard`, as it was started or last continued."""
    return bool(recorded_value("tracking.dashboard", query.setting_stacks(store, name)))
