"""Deletes a study: its record and Optuna's tables in one transaction, then its files.

The store still knows which rows the study has used. Evaluations of its configurations stay, and one more
evaluation, of kind `search`, says that its trials were judged on its validation rows. A later `verify` on
those rows therefore counts the study, as it did while the study existed.
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.storages._rdb import models
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from search.record.artifacts import artifact_folder, recorded_study_files
from search.record.evaluations import full_source, this_user
from search.record.row_mapping import now
from search.record.scored_series import to_utc
from search.record.searched_rows import target_columns
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
"""Prefixes of the keys of Optuna's attributes that end in the id of an artifact."""


@dataclass(frozen=True)
class DeletedStudy:
    """What is deleted with a study, and what stays."""

    study: str
    trials: int
    rows: dict[str, int]
    """How many rows of each table."""
    files: tuple[Path, ...]
    """The study's folder and artifacts on this machine."""
    evaluations: int
    """How many evaluations of its configurations stay on record."""
    continued_by: tuple[str, ...]
    """The studies that imported trials from it; they keep their copies."""
    rows_kept: bool
    """Whether the rows that its trials were judged on stay on record. False if no trial was judged, or if
    these rows are not on record.
    """
    not_removed: dict[str, str] = field(default_factory=dict)
    """Of `files`, those that could not be removed, and why."""

    def to_json(self) -> dict[str, Any]:
        """The fields as `ballast delete --json` prints them; other programs read these keys."""
        shown = vars(self) | {"files": [str(path) for path in self.files], "left": self.not_removed}
        del shown["not_removed"]
        return shown


def delete_study(store: Store, name: str, *, force: bool = False, dry_run: bool = False) -> DeletedStudy:
    """Delete a study, even if only the record or only Optuna has it; `dry_run` only says what would go.

    Files are removed after the transaction, so that a transaction that fails changes nothing. Files that
    cannot be removed are listed in `not_removed`. Raises StudyUnknown, and RequestError while workers are at
    work unless `force` is given.
    """
    if not force:
        require_no_active_workers(store, name, ballast_command("delete", name, force=True))
    files = _files(store, name)
    with store.session() as session:
        lock_study_parts(session, name)
        known_to_optuna = has_optuna_part(session, name)
        if session.get(tables.StudyRow, name) is None and not known_to_optuna:
            query.require_study(session, store, name)  # raises StudyUnknown, which names similar studies
        moment = now()
        kept = _search_evaluation(store, name, moment)  # under the lock: no trial can end any more
        paths = [*files, *(_artifacts(session, store, name) if known_to_optuna else ())]
        deleted = DeletedStudy(
            study=name,
            trials=_trial_count(session, name),
            rows={},
            files=tuple(path for path in paths if path.exists()),
            evaluations=_evaluation_count(session, name),
            continued_by=_continued_by(session, name),
            rows_kept=kept is not None,
        )
        # A later study of the same name must not be taken for the source of the copies.
        rename_import_source(session, name, evaluations.deleted_study_name(name, moment))
        session.flush()
        rows = delete_record(session, name) | (delete_optuna_part(session, name) if known_to_optuna else {})
        deleted = replace(deleted, rows={table: count for table, count in rows.items() if count})
        if dry_run:
            session.rollback()
            return deleted
        if kept is not None:
            session.add(kept)
            session.flush()
    failed = {str(path): why for path in deleted.files if (why := _remove(path)) is not None}
    return replace(deleted, not_removed=failed)


def _search_evaluation(store: Store, name: str, moment: datetime) -> tables.Evaluation | None:
    """The evaluation that says that its trials were judged on its validation rows; None if these rows are not
    on record or no trial was judged.
    """
    try:
        study, data = query.study(store, name), query.data_fingerprint(store, name)
        stored, kept = query.stored_validation_rows(store, name), validation_rows(store, name)
    except (StudyUnknown, IndexError):
        return None
    trained = evaluations.conclusive_trials(store, [name], moment)
    if stored is None or kept is None or not trained:
        return None
    return tables.Evaluation(
        study=name,
        trial=None,
        configuration="",
        source=full_source(data.source, Path(study.study_file).parent),
        content=data.sha256,
        target=target_columns(store, name),
        first_time=to_utc(kept.times.min()),
        last_time=to_utc(kept.times.max()),
        looked_at=moment,
        looked_by=this_user(),
        seeds=[],
        kind=evaluations.SEARCH,
        report={"trials": [each.to_json() for each in trained]},
        series=stored.series,
    )


def _files(store: Store, name: str) -> list[Path]:
    with suppress(StudyUnknown):
        return [recorded_study_files(store, name).folder]
    return [study_files(store.url, None, name).folder]


def _artifacts(session: Session, store: Store, name: str) -> Sequence[Path]:
    """The files of Optuna's artifacts of the study and its trials, in the folder that all studies share."""
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
    """Remove a folder or file; returns why it could not be removed, None if it is gone."""
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
