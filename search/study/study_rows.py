"""All rows of one study, in the record and in Optuna's tables: lock, count, relabel and delete them."""

import json
from collections.abc import Mapping
from typing import Any

from optuna.storages._rdb import models
from sqlalchemy import Column, Table, delete, func, inspect, select
from sqlalchemy.orm import Session

from search.errors import RequestError
from search.study.liveness import active_workers
from search.study.trial_import import CONTINUED_FROM, IMPORTED_FROM
from storage import tables
from storage.engine import Store

STUDIES: Any = models.StudyModel.__table__
TRIALS: Any = models.TrialModel.__table__
KEPT_TABLES = (tables.Evaluation.__table__,)
"""Evaluations stay on record when their study is deleted."""


def require_no_active_workers(store: Store, name: str, by_force: str) -> None:
    """Raise RequestError if workers are registered that are not known to be gone. The message names them and
    the command `by_force`, which goes on without them.
    """
    workers = [row.worker for row in active_workers(store, name)]
    if workers:
        raise RequestError(
            f"{len(workers)} workers are at work on study {name!r}: {', '.join(workers)}; "
            f"end them first, or if they are gone, run: {by_force}"
        )


def lock_study_parts(session: Session, name: str) -> None:
    """Lock the study and its trials until the transaction ends; SQLite has only one writer anyway."""
    trial = tables.Trial
    session.execute(select(tables.StudyRow.name).where(tables.StudyRow.name == name).with_for_update())
    session.execute(select(trial.number).where(trial.study == name).with_for_update())
    if _has_optuna_tables(session):
        session.execute(select(STUDIES.c.study_id).where(STUDIES.c.study_name == name).with_for_update())


def has_optuna_part(session: Session, name: str) -> bool:
    """Whether Optuna knows the study."""
    if not _has_optuna_tables(session):
        return False
    return session.scalar(select(func.count()).where(STUDIES.c.study_name == name)) != 0


def _has_optuna_tables(session: Session) -> bool:
    return inspect(session.connection()).has_table("studies")


def rename_import_source(session: Session, old: str, new: str) -> None:
    """Replace the name `old` by `new` in all trials that were imported from that study, and in the studies
    that continue from it.

    In Optuna's tables this is the attribute that tells which trials a study has already imported.
    """
    trial, study = tables.Trial, tables.StudyRow
    copies = (trial.source_study == old) & (trial.study != old)
    for copy in session.scalars(select(trial).where(copies)):
        copy.source_study = new
        if copy.message is not None:
            copy.message = copy.message.replace(f" of study {old!r}: ", f" of study {new!r}: ", 1)
    facts = session.execute(select(study.name, study.facts)).all()
    continuing = [name for name, its_facts in facts if its_facts.get(CONTINUED_FROM) == old]
    locked = select(study).where(study.name.in_(continuing)).with_for_update(key_share=True)
    for row in session.scalars(locked):
        row.facts = {**row.facts, CONTINUED_FROM: new}
    if not _has_optuna_tables(session):
        return
    attribute = models.TrialUserAttributeModel
    for imported in session.scalars(select(attribute).where(attribute.key == IMPORTED_FROM)):
        origin: Mapping[str, Any] = json.loads(str(imported.value_json))
        if origin["study"] == old:
            imported.value_json = json.dumps({**origin, "study": new})


def delete_record(session: Session, name: str) -> dict[str, int]:
    """Delete the study's rows except those in KEPT_TABLES; returns how many of each table."""
    counts = {}
    for table in reversed(tables.Base.metadata.sorted_tables):
        if table not in KEPT_TABLES:
            rows = delete(table).where(name_column(table) == name)
            counts[table.name] = session.connection().execute(rows).rowcount
    return counts


def name_column(table: Table) -> Column[str]:
    """The column with the study's name in a table of the record."""
    return table.c.name if table is tables.StudyRow.__table__ else table.c.study


def delete_optuna_part(session: Session, name: str) -> dict[str, int]:
    """Delete the study's rows in Optuna's tables; returns how many of each table."""
    study = select(STUDIES.c.study_id).where(STUDIES.c.study_name == name)
    trials = select(TRIALS.c.trial_id).where(TRIALS.c.study_id.in_(study))
    counts = {}
    for table in reversed(models.BaseModel.metadata.sorted_tables):
        of_trial = table is not TRIALS and "trial_id" in table.c
        if of_trial or "study_id" in table.c:
            rows = table.c.trial_id.in_(trials) if of_trial else table.c.study_id.in_(study)
            counts[table.name] = session.connection().execute(delete(table).where(rows)).rowcount
    return counts
