"""Checks a store for problems, with one sentence for each."""

import warnings
from collections.abc import Iterator
from typing import Any

from alembic.autogenerate import compare_metadata
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import Session

from storage.engine import Store
from storage.schema import head, is_own_table, migration_context
from storage.tables import Base, DataFingerprint, SettingRow, StudyRow, Trial
from storage.verdicts import Verdict


def check_store(store: Store) -> list[str]:
    """Every problem of the store: file, schema, references, and rows that contradict each other.

    Writes nothing. A running trial is reported too: only a person knows whether its worker still lives. Rows
    are checked only if file and schema have no problem.
    """
    structure = check_structure(store)
    if structure:
        return structure
    with store.reading() as session:
        return [*_setting_problems(session), *_study_problems(session), *_trial_problems(session)]


def check_structure(store: Store) -> list[str]:
    """Every problem of file, schema and references; if there is one, rows cannot be trusted."""
    with store.reading() as session:
        connection = session.connection()
        file_problems = _file_problems(connection) if connection.dialect.name == "sqlite" else ()
        return [*file_problems, *_schema_problems(connection)]


def _file_problems(connection: Connection) -> Iterator[str]:
    for (said,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if said != "ok":
            yield f"the file is damaged: {said}; restore it from a copy"
    for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        if is_own_table(table, "table", {}):
            yield f"row {row} of {table} refers to a row of {parent} that is not there"


def _schema_problems(connection: Connection) -> Iterator[str]:
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always", SAWarning)  # SQLAlchemy warns of a table whose text is damaged
        changes = compare_metadata(migration_context(connection), Base.metadata)
    for doubt in doubts:
        yield f"a table cannot be read as it was made: {doubt.message}; restore the store from a copy"
    for change in changes:
        yield f"the tables differ from schema {head()}; what is needed: {_say(change)}"


def _say(change: Any) -> str:
    """Alembic's description of a change, `(operation, object, …)` or a list of such, in words."""
    if isinstance(change, list):
        return ", ".join(_say(one) for one in change)
    operation, *objects = change
    named = [getattr(thing, "name", thing) for thing in objects]
    return " ".join([operation.replace("_", " "), *(str(name) for name in named if isinstance(name, str))])


def _setting_problems(session: Session) -> Iterator[str]:
    place = (SettingRow.study, SettingRow.trial, SettingRow.key)
    gaps = (func.min(SettingRow.position) != 0) | (func.max(SettingRow.position) != func.count() - 1)
    for study, trial, key in session.execute(select(*place).group_by(*place).having(gaps).order_by(*place)):
        where = f"study {study!r}" if trial is None else f"trial {trial} of study {study!r}"
        yield f"{where} lacks a layer of {key}: its positions do not run from 0 without a gap"


def _study_problems(session: Session) -> Iterator[str]:
    without = select(StudyRow.name).where(StudyRow.name.not_in(select(DataFingerprint.study)))
    for name in session.scalars(without.order_by(StudyRow.name)):
        yield f"study {name!r} has no fingerprint of its data"


def _trial_problems(session: Session) -> Iterator[str]:
    open_or_accepted = select(Trial).where(Trial.verdict.is_(None) | (Trial.verdict == Verdict.ACCEPTED))
    for trial in session.scalars(open_or_accepted.order_by(Trial.study, Trial.number)):
        where = f"trial {trial.number} of study {trial.study!r}"
        if trial.verdict is None:
            yield (
                f"{where} is running since {trial.started_at:%Y-%m-%d %H:%M} UTC on {trial.worker}; "
                "if that process is gone, run: ballast db check --wait"
            )
        elif trial.value is None or not abs(trial.value) < float("inf"):
            yield f"{where} was accepted with the value {trial.value}, which is no finite number"
