"""A study as a whole, Optuna's part and ours: who is at work on it, its lock, and its rows."""

import json
from collections.abc import Mapping
from typing import Any

from optuna.storages._rdb import models
from sqlalchemy import Column, Table, delete, func, inspect, select
from sqlalchemy.orm import Session

from search.errors import RequestError
from search.study.stall_detector import active_workers
from search.study.trial_import import CONTINUED_FROM, IMPORTED_FROM
from storage import tables
from storage.engine import Store

STUDIES: Any = models.StudyModel.__table__
TRIALS: Any = models.TrialModel.__table__
KEPT_TABLES = (tables.Evaluation.__table__,)
"""What has been scored stays scored, whatever becomes of the study."""


def require_no_active_workers(store: Store, name: str, by_force: str) -> None:
    """Raise RequestError where workers are entered that are not known to be gone, naming them and the command
    `by_force`, which does it all the same.
    """
    workers = [row.worker for row in active_workers(store, name)]
    if workers:
        raise RequestError(
            f"{len(workers)} workers are at work on study {name!r}: {', '.join(workers)}; "
            f"end them first, or if they are gone, run: {by_force}"
        )


def lock_study_parts(session: Session, name: str) -> None:
    """Let nobody write to the study or end one of its trials until the transaction ends; SQLite has one
    writer anyway.
    """
    trial = tables.Trial
    session.execute(select(tables.Study.name).where(tables.Study.name == name).with_for_update())
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
    """Let all that was taken over from the study `old`, and the studies that continue from it, name it `new`.

    In Optuna's part it is the attribute by which such a study knows which trials it has taken over.
    """
    trial, study = tables.Trial, tables.Study
    copies = (trial.source_study == old) & (trial.study != old)
    for copy in session.scalars(select(trial).where(copies)):
        copy.source_study = new
        if copy.message is not None:
            copy.message = copy.message.replace(f" of study {old!r}: ", f" of study {new!r}: ", 1)
    facts = session.execute(select(study.name, study.facts)).all()
    continuing = [name for name, told in facts if told.get(CONTINUED_FROM) == old]
    locked = select(study).where(study.name.in_(continuing)).with_for_update(key_share=True)
    for row in session.scalars(locked):
        row.facts = {**row.facts, CONTINUED_FROM: new}
    if not _has_optuna_tables(session):
        return
    attribute = models.TrialUserAttributeModel
    for taken in session.scalars(select(attribute).where(attribute.key == IMPORTED_FROM)):
        origin: Mapping[str, Any] = json.loads(str(taken.value_json))
        if origin["study"] == old:
            taken.value_json = json.dumps({**origin, "study": new})


def delete_record(session: Session, name: str) -> dict[str, int]:
    """Delete the study's rows but those of KEPT, those first that refer to others; how many of each table."""
    counts = {}
    for table in reversed(tables.Base.metadata.sorted_tables):
        if table not in KEPT_TABLES:
            rows = delete(table).where(name_column(table) == name)
            counts[table.name] = session.connection().execute(rows).rowcount
    return counts


def name_column(table: Table) -> Column[str]:
    """The column of a table of ours that holds the name of a row's study."""
    return table.c.name if table is tables.Study.__table__ else table.c.study


def delete_optuna_part(session: Session, name: str) -> dict[str, int]:
    """The same of Optuna's part."""
    study = select(STUDIES.c.study_id).where(STUDIES.c.study_name == name)
    trials = select(TRIALS.c.trial_id).where(TRIALS.c.study_id.in_(study))
    counts = {}
    for table in reversed(models.BaseModel.metadata.sorted_tables):
        of_trial = table is not TRIALS and "trial_id" in table.c
        if of_trial or "study_id" in table.c:
            rows = table.c.trial_id.in_(trials) if of_trial else table.c.study_id.in_(study)
            counts[table.name] = session.connection().execute(delete(table).where(rows)).rowcount
    return counts
