"""Reads and writes of voided trials, and of the files and models that were made from a trial."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select, tuple_
from sqlalchemy.orm import Session

from storage.engine import Store
from storage.query import require_study_exists, require_trial
from storage.retry import retry_transient
from storage.tables import ExportRow, Trial, VoidRow
from storage.verdicts import VOIDABLE, VOIDED, Verdict

TrialKey = tuple[str, int]
"""The name of a study, and the number of a trial."""


@retry_transient
def voids(store: Store, study: str) -> list[VoidRow]:
    """The voided trials of a study, by number. Raises StudyUnknown."""
    with store.reading() as session:
        require_study_exists(session, store, study)
        return list(session.scalars(select(VoidRow).where(VoidRow.study == study).order_by(VoidRow.trial)))


@retry_transient
def void_of(store: Store, study: str, trial: int) -> VoidRow | None:
    """The record of a voided trial; None if the trial was not voided, or is not in this store."""
    with store.reading() as session:
        return session.get(VoidRow, (study, trial))


@retry_transient
def copies_to_void(store: Store, study: str) -> list[tuple[int, VoidRow]]:
    """Number of each trial of a study that copied the result of a voided trial before it knew, and the record
    of that voided trial. A copy that ends while its source is voided is one.
    """
    source = (VoidRow.study == Trial.source_study) & (VoidRow.trial == Trial.source_trial)
    found = select(Trial.number, VoidRow).join(VoidRow, source).order_by(Trial.number)
    with store.reading() as session:
        rows = session.execute(found.where(Trial.study == study, Trial.verdict.in_(VOIDABLE)))
        return [(number, void) for number, void in rows]


def lock_same_results(session: Session, store: Store, study: str, number: int) -> list[Trial]:
    """The trial and all trials of the store that have the very same result: the one that it copied, and all
    copies, in every study. Locked until the transaction ends; the trial itself comes first.

    Raises StudyUnknown and TrialUnknown.
    """
    found: dict[TrialKey, Trial] = {}
    waiting: list[Trial] = [require_trial(session, store, study, number)]
    while waiting:
        trial = waiting.pop(0)
        if (trial.study, trial.number) in found:
            continue
        found[trial.study, trial.number] = trial
        copies = (Trial.source_study == trial.study) & (Trial.source_trial == trial.number)
        source = (Trial.study == trial.source_study) & (Trial.number == trial.source_trial)
        related = select(Trial).where(or_(copies, source))
        waiting += session.scalars(related.order_by(Trial.study, Trial.number))
    locked = select(Trial).where(_key_in(found)).order_by(Trial.study, Trial.number)
    session.scalars(locked.with_for_update(key_share=True).execution_options(populate_existing=True)).all()
    return list(found.values())


def void(session: Session, trial: Trial, why: str, by: str, at: datetime, message: str) -> None:
    """Make a locked trial suspicious, and keep what was said of it before. Value and skill stay."""
    assert trial.verdict is not None, "only a trial that ended can be voided"
    session.add(
        VoidRow(
            study=trial.study,
            trial=trial.number,
            why=why,
            voided_at=at,
            voided_by=by,
            verdict=str(trial.verdict),
            reasons=list(trial.reasons),
            message=trial.message,
        )
    )
    trial.verdict, trial.reasons, trial.message = Verdict.SUSPICIOUS, [VOIDED, *trial.reasons], message


@retry_transient
def record_exports(store: Store, exports: Sequence[ExportRow]) -> None:
    """Record files and models that were made from trials. A place that is on record already is replaced."""
    with store.session() as session:
        for export in exports:
            known = (ExportRow.study == export.study) & (ExportRow.place == export.place)
            for row in session.scalars(select(ExportRow).where(known)):
                session.delete(row)
            session.flush()
            session.add(export)


@retry_transient
def exports_of(store: Store, trials: Collection[TrialKey]) -> list[ExportRow]:
    """The files and models on record that were made from these trials, oldest first."""
    made = tuple_(ExportRow.study, ExportRow.trial).in_(list(trials))
    with store.reading() as session:
        return list(session.scalars(select(ExportRow).where(made).order_by(ExportRow.id)))


def _key_in(trials: Collection[TrialKey]) -> ColumnElement[bool]:
    return tuple_(Trial.study, Trial.number).in_(list(trials))
