"""Publishes each trial of a worker in optuna-dashboard: its note and its files, in a small share of the time.

If a trial cannot be published, that is logged and the trial goes on: no trial depends on its page.
"""

import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import optuna
from optuna.artifacts import upload_artifact

from search.record import row_mapping
from search.record.artifacts import ArtifactFolder, artifact_folder
from search.sampling.optuna_attributes import (
    AttributeBuffer,
    ids_of_trial,
    lock_study,
    read_study_attributes,
    write_study_attributes,
    write_trial_attributes,
)
from search.store_files import StudyFiles
from search.watching.pages.markdown import to_markdown
from search.watching.pages.notes import trial_note
from search.watching.publishing.trial_notes import replaced_note_attributes, trial_note_attributes
from search.watching.view import TrialView, trial_view
from storage import record, tables
from storage.engine import Store
from storage.verdicts import Verdict

log = logging.getLogger("ballast.dashboard")

_SHARE, _SHARE_OF_PICTURES = 0.015, 0.01
"""The largest share of a worker's time that publishing takes. Pictures stop at the lower share."""
_CREDIT_S, _CREDIT_SHARE = 1.0, 0.1
"""A worker may spend one second more, but at most a tenth of its time so far. The pages of a short study
are then written too, without making it a third longer."""
_FIRST_PICTURE_S = 0.6
"""CPU seconds that the first picture of a process takes: most of them import matplotlib."""
_SETTINGS = "settings"
_MIME = {".yaml": "text/plain", ".json": "application/json", ".png": "image/png"}


@dataclass
class TimeBudget:
    """How much of a worker's time publishing has taken, and whether more of it may be taken."""

    spent: float = 0.0
    _started: float = field(default_factory=time.monotonic)

    def allows(self, share: float, needed: float = 0.0) -> bool:
        """Whether `needed` seconds more stay below `share` (0 to 1) of the time since the start."""
        passed = time.monotonic() - self._started
        return self.spent + needed < min(_CREDIT_S, _CREDIT_SHARE * passed) + share * passed


@dataclass
class TrialPublisher:
    """Publishes the trials of one worker."""

    store: Store
    files: StudyFiles
    _budget: TimeBudget = field(default_factory=TimeBudget)
    _has_drawn: bool = False
    _has_warned: bool = False

    def publish(self, trial: optuna.Trial) -> None:
        """Publish a trial whose verdict is on record, but which is still running for Optuna.

        Optuna accepts no attributes after `tell`. Does nothing if the trial is already published, or if
        trials are so short that publishing would exceed its share of the time; the study's page then includes
        the trial's note.
        """
        if not self._budget.allows(_SHARE):
            return
        started = time.monotonic()
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
        self._budget.spent += time.monotonic() - started

    def _may_draw(self) -> bool:
        needed = 0.0 if self._has_drawn else _FIRST_PICTURE_S
        allowed = self._budget.allows(_SHARE_OF_PICTURES, needed)
        self._has_drawn = self._has_drawn or allowed
        return allowed

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
                write_trial_attributes(session, trial_id, files.trial_attributes)
                record.add_artifacts(session, rows)
        except BaseException:
            for row in rows:
                Path(row.path).unlink(missing_ok=True)
            raise

    def _upload(
        self, buffer: AttributeBuffer, trial: optuna.Trial, view: TrialView
    ) -> Iterator[tables.Artifact]:
        folder = ArtifactFolder(artifact_folder(self.files))
        with tempfile.TemporaryDirectory(prefix="ballast-") as scratch:
            for kind, name, content in self._files(view):
                path = Path(scratch) / name
                path.write_bytes(content)
                artifact = upload_artifact(
                    artifact_store=folder,
                    file_path=str(path),
                    study_or_trial=trial,
                    storage=buffer.as_storage(),
                    mimetype=_MIME[path.suffix],
                )
                yield row_mapping.file_row(view.study.name, view.trial.number, kind, folder.path_of(artifact))

    def _files(self, view: TrialView) -> Iterator[tuple[str, str, bytes]]:
        """Kind, name and content of each file of a trial."""
        from search.watching.publishing.trial_files import curves_json, draw_curves, trial_yaml

        name = f"trial-{view.trial.number:05d}"
        yield _SETTINGS, f"{name}.yaml", trial_yaml(view).encode()
        if view.epochs or view.findings:
            yield "curves", f"{name}.json", curves_json(view).encode()
            if self._may_draw():
                yield "picture", f"{name}.png", draw_curves(view)


def renew_note(store: Store, void: tables.VoidRow) -> None:
    """Write the note of a voided trial anew, if it has one; what people have added to it stays."""
    view = trial_view(store, void.study, void.trial)
    trial = replace(view.trial, verdict=Verdict(void.verdict), reasons=void.reasons, message=void.message)
    said, says = (to_markdown(trial_note(each)) for each in (replace(view, trial=trial), view))
    with store.session() as session:
        ids = ids_of_trial(session, void.study, void.trial)
        if ids is None:
            return
        study_id, trial_id = ids
        lock_study(session, study_id)
        known = read_study_attributes(session, study_id, f"dashboard:{trial_id}:note_")
        write_study_attributes(session, study_id, replaced_note_attributes(trial_id, said, says, known))
