"""Copies studies between stores, record and Optuna's tables in one transaction, and compares them row by row.

Each database assigns its own keys `id`, `study_id` and `trial_id`. Rows are therefore copied, ordered and
compared by the study's name and the trial's number. This holds for the notes of trials as well, which
optuna-dashboard keeps under the trial's id. Rows of workers and files are not copied; the paths of artifacts
are copied as they are. Evaluations stay on record when their study is deleted, so they are copied without a
study too; an evaluation that the target has already is not copied again.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy import Select, Table, insert, select, text
from sqlalchemy.orm import Session

from search.errors import AnswerIsNo, RequestError
from search.sampling.optuna_storage import optuna_storage
from storage import query, tables
from storage.commands import ballast_command
from storage.engine import Store

_STUDIES: Any = models.StudyModel.__table__
_TRIALS: Any = models.TrialModel.__table__
_ATTRIBUTES: Any = models.StudySystemAttributeModel.__table__
_EVALUATIONS: Any = tables.Evaluation.__table__
_NUMBER = "trial_number"
"""The label of the trial's number in the rows that belong to one of Optuna's trials."""

_OF_TRIAL = re.compile(r"(dashboard:(?:artifacts:)?)(\d+)(:.*)")
"""The key of a study's attribute that is about a trial, with the trial's id."""

_Row = dict[str, Any]


@dataclass(frozen=True)
class CopiedStudy:
    """How many rows of each table were copied, of a study or of what remains of a deleted one."""

    study: str
    rows: dict[str, int]


def copy_studies(source: Store, target: Store, study: str | None = None) -> list[CopiedStudy]:
    """Copy one study, or all, and compare each before it is committed; a study is copied whole or not at all.

    When all are copied, evaluations of studies that were deleted from the source are copied too.

    Raises StudyUnknown. Raises RequestError, before anything is copied, if a trial of the source is running
    or the target has a study of that name. Raises AnswerIsNo if the target does not return what was written.
    """
    studies = query.studies(source) if study is None else [query.study(source, study)]
    names = [row.name for row in studies]
    for store in (source, target):
        optuna_storage(store)  # creates Optuna's tables; raises if they are of another version
    for name in names:
        with source.reading() as old, target.reading() as new:
            _refuse(source, old, target, new, name)
    deleted = _deleted(source) if study is None else []
    return [_copy_evaluations(source, target, name) for name in deleted] + [
        _copy(source, target, name) for name in names
    ]


def differences(old: Session, new: Session, name: str) -> Iterator[str]:
    """One sentence for each table in which the study differs: how many rows do, and the first of them."""
    for table, rows in _selects(name):
        theirs, ours = _rows(old, table, rows, name), _rows(new, table, rows, name)
        yield from _difference(table, theirs, ours)


def _difference(table: Table, theirs: Sequence[_Row], ours: Sequence[_Row]) -> Iterator[str]:
    if table is _EVALUATIONS:  # the target may have had some of them before, and also others
        known = {repr(row) for row in theirs}
        theirs, ours = sorted(theirs, key=repr), sorted((row for row in ours if repr(row) in known), key=repr)
    wrong = [
        (place, mine, other)
        for place, (mine, other) in enumerate(zip_longest(theirs, ours))
        if repr(mine) != repr(other)  # as text: NaN is not equal to itself, but -0.0 is equal to 0.0
    ]
    if wrong:
        place, mine, other = wrong[0]
        yield f"{table.name}: {len(wrong)} rows differ, first row {place}: {mine} became {other}"


def _deleted(source: Store) -> list[str]:
    """The names of studies that have evaluations in the store and are not (or no longer) in it themselves."""
    evaluated, study = tables.Evaluation, tables.StudyRow
    names = select(evaluated.study).where(evaluated.study.not_in(select(study.name))).distinct()
    with source.reading() as session:
        return list(session.scalars(names.order_by(evaluated.study)))


def _copy_evaluations(source: Store, target: Store, name: str) -> CopiedStudy:
    """Copy the evaluations of a study that is not in the source; the target may have a study of that name."""
    with source.reading() as old, target.session() as new:
        selects = dict(_selects(name))
        theirs = _rows(old, _EVALUATIONS, selects[_EVALUATIONS], name)
        count = _insert(new, _EVALUATIONS, theirs, name)
        ours = _rows(new, _EVALUATIONS, selects[_EVALUATIONS], name)
        differing = _difference(_EVALUATIONS, theirs, ours)
        _require_same(target, f"the evaluations of study {name!r} were", differing)
    return CopiedStudy(name, {table.name: 0 for table in selects} | {_EVALUATIONS.name: count})


def _require_same(target: Store, what: str, differing: Iterator[str]) -> None:
    if wrong := "; ".join(differing):
        raise AnswerIsNo(f"{what} not copied: {target.shown_url} does not give back what was put in; {wrong}")


def _copy(source: Store, target: Store, name: str) -> CopiedStudy:
    with source.reading() as old, target.session() as new:
        if (
            source.engine.dialect.name == "postgresql"
        ):  # one consistent view of all tables; SQLite always gives one
            old.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        _refuse(source, old, target, new, name)
        counts = {
            table.name: _insert(new, table, _rows(old, table, rows, name), name)
            for table, rows in _selects(name)
        }
        _require_same(target, f"study {name!r} was", differences(old, new, name))
    return CopiedStudy(name, counts)


def _refuse(source: Store, old: Session, target: Store, new: Session, name: str) -> None:
    if new.get(tables.StudyRow, name) or new.scalar(select(_STUDIES).where(_STUDIES.c.study_name == name)):
        raise RequestError(
            f"{target.shown_url} has a study {name!r} already; "
            "copy the others one by one with --study NAME, or into another store"
        )
    running = _running(old, name)
    if running is not None:
        raise RequestError(
            f"trial {running} of study {name!r} in {source.shown_url} is running; wait for it, or if its "
            f"process is gone, run: {ballast_command('worker', name, store=source.url)}"
        )


def _running(session: Session, name: str) -> int | None:
    """The number of the first trial that is running, in the record or in Optuna; None if no trial is."""
    ours = select(tables.Trial.number).where(tables.Trial.study == name, tables.Trial.verdict.is_(None))
    theirs = select(_TRIALS.c.number).join(_STUDIES).where(_STUDIES.c.study_name == name)
    numbers = [
        *session.scalars(ours),
        *session.scalars(theirs.where(_TRIALS.c.state == TrialState.RUNNING)),
    ]
    return min(numbers, default=None)


def _selects(name: str) -> Iterator[tuple[Table, Select[Any]]]:
    """Each table of Optuna and of the record, referenced tables first, with the query for a study's rows."""
    for table in sorted(models.BaseModel.metadata.sorted_tables, key=lambda table: table is _ATTRIBUTES):
        if table is _STUDIES or "study_id" in table.c or "trial_id" in table.c:
            yield table, _select_of_optuna(table, name)
    for table in tables.Base.metadata.sorted_tables:
        if table is not tables.Worker.__table__:
            study = table.c.name if table is tables.StudyRow.__table__ else table.c.study
            columns = [column for column in table.c if column.name != "id"]
            yield table, select(*columns).where(study == name).order_by(*table.primary_key)


def _select_of_optuna(table: Table, name: str) -> Select[Any]:
    of_trial = table is not _TRIALS and "trial_id" in table.c
    own = [column for column in table.c if not column.primary_key and not column.foreign_keys]
    rows = select(_TRIALS.c.number.label(_NUMBER), *own) if of_trial else select(*own)
    rows = rows.select_from(table)
    if of_trial:
        rows = rows.join(_TRIALS)
    if table is not _STUDIES:
        rows = rows.join(_STUDIES, _STUDIES.c.study_id == (_TRIALS if of_trial else table).c.study_id)
    return rows.where(_STUDIES.c.study_name == name).order_by(*table.primary_key)


def _rows(session: Session, table: Table, rows: Select[Any], name: str) -> list[_Row]:
    found = [dict(row) for row in session.connection().execute(rows).mappings()]
    if table is _ATTRIBUTES:
        numbers = {key: number for number, key in _ids(session, name).items()}
        return [{**row, "key": _renamed(row["key"], numbers)} for row in found]
    return found


def _ids(session: Session, name: str) -> dict[int, int]:
    """The ids of a study's trials, by number."""
    rows = select(_TRIALS.c.number, _TRIALS.c.trial_id).join(_STUDIES).where(_STUDIES.c.study_name == name)
    return dict(session.execute(rows).all())


def _renamed(key: str, trials: Mapping[int, int]) -> str:
    """The key of an attribute, with its trial id replaced as `trials` says; other keys stay as they are."""
    match = _OF_TRIAL.fullmatch(key)
    if match is None or int(match[2]) not in trials:
        return key
    return f"{match[1]}{trials[int(match[2])]}{match[3]}"


def _insert(session: Session, table: Table, rows: Sequence[_Row], name: str) -> int:
    """Insert rows under the keys that the target gave to their study and trials; returns how many.

    Evaluations that the target has already are left out: they stay there when a copy of the study is deleted.
    """
    if table is _EVALUATIONS:
        known = {repr(row) for row in _rows(session, table, dict(_selects(name))[table], name)}
        rows = [row for row in rows if repr(row) not in known]
    if not rows:
        return 0
    connection = session.connection()
    keyed: list[_Row] = [dict(row) for row in rows]
    if table.metadata is models.BaseModel.metadata and table is not _STUDIES:
        study = select(_STUDIES.c.study_id).where(_STUDIES.c.study_name == name).scalar_subquery()
        ids = _ids(session, name)
        if _NUMBER in rows[0]:
            keyed = [{"trial_id": ids[row.pop(_NUMBER)], **row} for row in keyed]
        else:
            key = connection.scalar(select(study))
            keyed = [{**row, "study_id": key} for row in keyed]
        if table is _ATTRIBUTES:
            keyed = [{**row, "key": _renamed(row["key"], ids)} for row in keyed]
    connection.execute(insert(table), keyed)
    return len(keyed)
