"""Deletes a study: Optuna's part and ours in one transaction, and its files.

What the study has done to rows stays known: evaluations of its configurations stay as they are, and that its
trials were judged on its validation rows is recorded as one more evaluation, of kind `search`. Who verifies
on those rows later is told so, as while the study was there.
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from optuna.storages._rdb import models
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from search.record.artifacts import artifact_folder, recorded_study_files
from search.record.evaluations import this_user
from search.record.row_mapping import now
from search.record.searched_rows import datetime64_to_utc, full_source, target_columns
from search.record.validation_rows import validation_rows
from search.store_files import study_files
from search.study.study_rows import (
    STUDIES,
    TRIALS,
    delete_optuna_part,
    delete_record,
    has_optuna_part,
    lock_study_parts,
    rename_import_source,
    require_no_active_workers,
)
from storage import evaluations, query, tables
from storage.commands import ballast_command
from storage.engine import Store
from storage.errors import StudyUnknown

_ARTIFACT = ("artifacts:", "dashboard:artifacts:")
"""How the keys of Optuna's attributes begin that end in the id of an artifact."""


@dataclass(frozen=True)
class DeletedStudy:
    """What is deleted with a study, and what stays."""

    study: str
    trials: int
    rows: dict[str, int]
    """How many of each table."""
    files: tuple[Path, ...]
    """The study's folder and artifacts on this machine."""
    evaluations: int
    """How many scorings of its configurations stay on record."""
    continued_by: tuple[str, ...]
    """The studies that took trials over from it; they keep their copies."""
    rows_kept: bool
    """Whether it stays on record which rows its trials were judged on: not where none was, or these rows are
    not on record.
    """
    left: dict[str, str] = field(default_factory=dict)
    """Of `files`, those that could not be removed, and why."""


def delete_study(store: Store, name: str, *, force: bool = False, dry_run: bool = False) -> DeletedStudy:
    """Delete a study, whichever of its two parts there are; with `dry_run` only say what would be.

    Files go after the transaction: one that breaks off changes nothing, and files that cannot be removed are
    left, and named. Raises StudyUnknown, and RequestError while workers are at work, unless told to by
    `force`.
    """
    if not force:
        require_no_active_workers(store, name, ballast_command("delete", name, force=True))
    files = _files(store, name)
    with store.session() as session:
        lock_study_parts(session, name)
        known_to_optuna = has_optuna_part(session, name)
        if session.get(tables.Study, name) is None and not known_to_optuna:
            query.require_study(session, store, name)  # StudyUnknown, which names the nearest
        moment = now()
        kept = _searched(store, name, moment)  # no trial ends any more
        paths = [*files, *(_artifacts(session, store, name) if known_to_optuna else ())]
        removal = DeletedStudy(
            study=name,
            trials=_trial_count(session, name),
            rows={},
            files=tuple(path for path in paths if path.exists()),
            evaluations=_evaluation_count(session, name),
            continued_by=_continued_by(session, name),
            rows_kept=kept is not None,
        )
        rename_import_source(
            session, name, evaluations.deleted_study_name(name, moment)
        )  # not a new study of this name
        session.flush()
        rows = delete_record(session, name) | (delete_optuna_part(session, name) if known_to_optuna else {})
        removal = replace(removal, rows={table: count for table, count in rows.items() if count})
        if dry_run:
            session.rollback()
            return removal
        if kept is not None:
            session.add(kept)
            session.flush()
    left = {str(path): why for path in removal.files if (why := _remove(path)) is not None}
    return replace(removal, left=left)


def _searched(store: Store, name: str, moment: datetime) -> tables.Evaluation | None:
    """That its trials were judged on its validation rows; None where these were not kept, or no trial was."""
    try:
        study, held_out, data = (
            query.study(store, name),
            query.stored_validation_rows(store, name),
            query.data_fingerprint(store, name),
        )
        kept = validation_rows(store, name)
    except (StudyUnknown, IndexError):
        return None
    trained = evaluations.conclusive_trials(store, [name], moment)
    if held_out is None or kept is None or not trained:
        return None
    return tables.Evaluation(
        study=name,
        trial=None,
        configuration="",
        source=full_source(data.source, study.study_file),
        content=data.sha256,
        target=target_columns(store, name),
        first_time=datetime64_to_utc(kept.times.min()),
        last_time=datetime64_to_utc(kept.times.max()),
        looked_at=moment,
        looked_by=this_user(),
        seeds=[],
        kind=evaluations.SEARCH,
        report={"trials": [each.to_json() for each in trained]},
        series=held_out.series,
    )


def _files(store: Store, name: str) -> list[Path]:
    with suppress(StudyUnknown):
        return [recorded_study_files(store, name).folder]
    return [study_files(store.url, None, name).folder]


def _artifacts(session: Session, store: Store, name: str) -> Sequence[Path]:
    """The files of Optuna's artifacts of the study and its trials, in the folder that studies share."""
    try:
        folder = artifact_folder(recorded_study_files(store, name))
    except StudyUnknown:
        folder = artifact_folder(study_files(store.url, None, name))
    of_study, of_trial = models.StudySystemAttributeModel, models.TrialSystemAttributeModel
    study = select(STUDIES.c.study_id).where(STUDIES.c.study_name == name)
    trials = select(TRIALS.c.trial_id).where(TRIALS.c.study_id.in_(study))
    keys = [
        *session.scalars(select(of_study.key).where(of_study.study_id.in_(study))),
        *session.scalars(select(of_trial.key).where(of_trial.trial_id.in_(trials))),
    ]
    ids = {key.rpartition(":")[2] for key in keys if key.startswith(_ARTIFACT)}
    return [folder / each for each in sorted(ids) if each and "/" not in each]


def _remove(path: Path) -> str | None:
    """Why a folder or file could not be removed; None where it is gone."""
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _trial_count(session: Session, name: str) -> int:
    counted = select(func.count()).select_from(tables.Trial).where(tables.Trial.study == name)
    return session.scalar(counted) or 0


def _evaluation_count(session: Session, name: str) -> int:
    mine = (tables.Evaluation.study == name) & (tables.Evaluation.kind != evaluations.SEARCH)
    return session.scalar(select(func.count()).select_from(tables.Evaluation).where(mine)) or 0


def _continued_by(session: Session, name: str) -> tuple[str, ...]:
    copies = (tables.Trial.source_study == name) & (tables.Trial.study != name)
    return tuple(
        session.scalars(select(tables.Trial.study).where(copies).distinct().order_by(tables.Trial.study))
    )
