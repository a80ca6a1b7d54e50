"""Evaluations, written and read; each function is one transaction."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, text, update

from storage.engine import Store
from storage.patience import patient
from storage.tables import Evaluation


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
def at_table(store: Store, source: str, content: str) -> list[Evaluation]:
    """All evaluations on rows of a table, under this name or with these bytes, oldest first."""
    same = (Evaluation.source == source) | (Evaluation.content == content)
    with store.reading() as session:
        return list(session.scalars(select(Evaluation).where(same).order_by(Evaluation.id)))


@patient
def of_study(store: Store, study: str) -> list[Evaluation]:
    """All evaluations of a study's configurations, oldest first."""
    with store.reading() as session:
        return list(
            session.scalars(select(Evaluation).where(Evaluation.study == study).order_by(Evaluation.id))
        )
