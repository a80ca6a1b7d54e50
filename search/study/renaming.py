"""Renames a study in the record, in Optuna's tables and in the folder of its files, as one change."""

import errno
import json
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert, literal, select, update
from sqlalchemy.orm import Session

from search.config.layers import Layer
from search.config.schema import require_name
from search.errors import RequestError
from search.record.artifacts import recorded_study_files
from search.study.study_rows import (
    KEPT_TABLES,
    STUDIES,
    delete_record,
    has_optuna_part,
    lock_study_parts,
    name_column,
    rename_import_source,
    require_no_active_workers,
)
from storage import query, tables
from storage.commands import ballast_command
from storage.engine import Store
from storage.errors import StudyExists
from storage.evaluations import SEARCH

_NAME = "study.name"


@dataclass(frozen=True)
class RenamedStudy:
    """A study under its new name."""

    old: str
    new: str
    trials: int
    folder: Path | None
    """The folder of its files, if there is one on this machine."""


def rename_study(store: Store, old: str, new: str, *, force: bool = False) -> RenamedStudy:
    """Rename a study in one transaction.

    Raises StudyUnknown; StudyExists if the record or Optuna has a study of the new name; RequestError for an
    invalid name, and while workers are at work unless `force` is given.

    The folder is moved before the transaction ends, and moved back if the transaction fails. If the process
    was killed in between, the next call finds the folder already moved. Studies that continue from this one
    then refer to the new name. Files that were exported under the old name are still recognised: see
    `query.current_name`.
    """
    try:
        require_name(new)
    except ValueError as error:
        raise RequestError(
            f"{new[:150]!r} is no name of a study: {error}; type: {ballast_command('rename', old, 'NEW')}"
        ) from None
    study = query.study(store, old)
    if not force:
        require_no_active_workers(store, old, ballast_command("rename", old, new, force=True))
    folders = (recorded_study_files(store, old).folder, recorded_study_files(store, old, new).folder)
    moved = False
    try:
        with store.session() as session:
            _refuse_taken(session, store, new)
            lock_study_parts(session, old)
            _copy_record(session, old, new)
            _update_references(session, old, new, folders)
            delete_record(session, old)
            _record_new_name(session, study, new)
            _rename_in_optuna(session, old, new)
            moved = _move(*folders)
    except BaseException:
        if moved:
            folders[1].rename(folders[0])
        raise
    trials = query.next_number(store, new)
    return RenamedStudy(old, new, trials, folders[1] if folders[1].is_dir() else None)


def _refuse_taken(session: Session, store: Store, new: str) -> None:
    if session.get(tables.StudyRow, new) is not None or has_optuna_part(session, new):
        raise StudyExists(
            f"study {new!r} is in {store.shown_url} already; choose another name, or remove that one with: "
            f"{ballast_command('delete', new)}"
        )


def _copy_record(session: Session, old: str, new: str) -> None:
    """Insert all rows under the new name. As rows refer to others by name, the old ones are deleted later."""
    for table in tables.Base.metadata.sorted_tables:
        if table not in KEPT_TABLES:
            named = name_column(table)
            columns = [column for column in table.c if column.name != "id"]
            rows = select(*(literal(new) if column is named else column for column in columns))
            rows = rows.where(named == old).order_by(*table.primary_key)
            session.connection().execute(insert(table).from_select([c.name for c in columns], rows))


def _update_references(session: Session, old: str, new: str, folders: tuple[Path, Path]) -> None:
    """Update every other row that has the study's name: copies of its trials, its evaluations, studies that
    continue from it, and the paths of its files.
    """
    rename_import_source(session, old, new)
    evaluation = tables.Evaluation
    session.execute(
        update(evaluation).where((evaluation.study == old) & (evaluation.kind != SEARCH)).values(study=new)
    )
    before, after = (f"{folder}/" for folder in folders)
    for artifact in session.scalars(select(tables.Artifact).where(tables.Artifact.study == new)):
        if artifact.path.startswith(before):
            artifact.path = after + artifact.path.removeprefix(before)


def _record_new_name(session: Session, before: tables.StudyRow, new: str) -> None:
    """Record the name as a layer of its setting, and in the sources that workers resolve the study from."""
    study = session.get(tables.StudyRow, new)
    assert study is not None, "it was just inserted"
    study.facts = {**study.facts, query.FORMER_NAMES: [*study.facts.get(query.FORMER_NAMES, ()), before.name]}
    if study.sources is not None:
        sets = [each for each in study.sources["sets"] if each.partition("=")[0].strip() != _NAME]
        study.sources = {
            **study.sources,
            "sets": [*sets, f"{_NAME}={json.dumps(new, ensure_ascii=False)}"],
        }
    layers = select(tables.SettingRow).where(
        tables.SettingRow.study == new, tables.SettingRow.trial.is_(None), tables.SettingRow.key == _NAME
    )
    session.add(
        tables.SettingRow(
            study=new,
            key=_NAME,
            position=len(session.scalars(layers).all()),
            layer=str(Layer.CLI),
            origin="ballast rename",
            requested=new,
            effective=new,
            reason=f"it was {before.name!r} before",
        )
    )


def _rename_in_optuna(session: Session, old: str, new: str) -> None:
    if has_optuna_part(session, old):
        session.execute(update(STUDIES).where(STUDIES.c.study_name == old).values(study_name=new))


def _move(before: Path, after: Path) -> bool:
    """Move the folder; False if there is none. An empty folder at the target is replaced."""
    if not before.is_dir():
        return False
    try:
        with suppress(FileNotFoundError):
            after.rmdir()
        before.rename(after)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise RequestError(_both_hold_files(before, after)) from None
        raise RequestError(
            f"{before} cannot be moved to {after} ({error.strerror}); nothing was renamed"
        ) from None
    return True


def _both_hold_files(before: Path, after: Path) -> str:
    """The message if both folders hold files: after a killed rename the study may have written new ones."""
    old, new = shlex.quote(str(before)), shlex.quote(str(after))
    return (
        f"nothing was renamed: {before} and {after} both hold files; if a rename was killed before, put them "
        f"together and rename again: cp -Rn {new}/. {old}/ && mv {new} {shlex.quote(f'{after}.old')}; if "
        f"{after} is another study's, choose another name"
    )
