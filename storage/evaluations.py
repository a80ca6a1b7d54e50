"""Evaluations, and what else has scored rows; written and read, each function in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text, update

from storage.engine import Store
from storage.patience import patient
from storage.tables import DataFingerprint, Evaluation, HeldOut, Study, Trial
from storage.verdicts import CONCLUSIVE

NEAR = timedelta(days=62)
"""How far outside a span of time an evaluation may lie to be asked for: its times may be shifted."""


@patient
def begin(store: Store, evaluation: Evaluation) -> int:
    """Record an evaluation before anything is scored; its id. One on record is not recorded again."""
    with store.session() as session:
        if store.engine.dialect.name == "postgresql":
            # Two evaluations at the same moment must not both be the first; SQLite has one writer anyway.
            session.execute(text("LOCK TABLE ballast_looks IN SHARE ROW EXCLUSIVE MODE"))
        same = (Evaluation.looked_at == evaluation.looked_at) & (Evaluation.looked_by == evaluation.looked_by)
        what = (Evaluation.study == evaluation.study) & (Evaluation.configuration == evaluation.configuration)
        known = session.scalar(select(Evaluation.id).where(same & what))
        if known is not None:
            return known
        session.add(evaluation)
        session.flush()
        return evaluation.id


@patient
def conclude(store: Store, evaluation: int, verdict: str, report: Mapping[str, Any]) -> None:
    """Record what an evaluation has shown."""
    with store.session() as session:
        session.execute(
            update(Evaluation).where(Evaluation.id == evaluation).values(verdict=verdict, report=dict(report))
        )


@patient
def near(store: Store, first: datetime, last: datetime) -> list[Evaluation]:
    """All evaluations of rows from `first` to `last` or not far from there, oldest first."""
    begins, ends = Evaluation.first_time <= last + NEAR, Evaluation.last_time >= first - NEAR
    with store.reading() as session:
        return list(session.scalars(select(Evaluation).where(begins & ends).order_by(Evaluation.id)))


@patient
def of_study(store: Store, study: str) -> list[Evaluation]:
    """All verifications of a study's configurations, oldest first."""
    mine = (Evaluation.study == study) & (Evaluation.kind == "verify")
    with store.reading() as session:
        return list(session.scalars(select(Evaluation).where(mine).order_by(Evaluation.id)))


@dataclass(frozen=True)
class SearchedRows:
    """The validation rows of one study, and the table that they are from."""

    study: str
    study_file: str
    source: str
    content: str
    """SHA-256 (hex) of the table's bytes."""
    series: bytes | None
    """None where it was not kept yet."""


@patient
def searched_rows(store: Store) -> list[SearchedRows]:
    """The validation rows of every study in the store that kept them, oldest study first."""
    query = (
        select(Study.name, Study.study_file, DataFingerprint.source, DataFingerprint.sha256, HeldOut.series)
        .join(DataFingerprint, DataFingerprint.study == Study.name)
        .join(HeldOut, HeldOut.study == Study.name)
        .order_by(Study.created_at, Study.name)
    )
    with store.reading() as session:
        return [SearchedRows(*row) for row in session.execute(query)]


@dataclass(frozen=True)
class TrainedTrial:
    """A conclusive trial, and the one whose result it is a copy of, where it was not trained itself."""

    study: str
    number: int
    source: tuple[str, int] | None


@patient
def conclusive_trials(store: Store, studies: Sequence[str], before: datetime) -> list[TrainedTrial]:
    """The trials of these studies that came to a conclusion before a moment."""
    ended = Trial.verdict.in_(CONCLUSIVE) & (Trial.finished_at < before)
    query = select(Trial.study, Trial.number, Trial.source_study, Trial.source_trial)
    with store.reading() as session:
        rows = session.execute(query.where(Trial.study.in_(studies) & ended)).all()
    return [
        TrainedTrial(study, number, None if source is None or of is None else (source, of))
        for study, number, source, of in rows
    ]
