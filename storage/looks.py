"""Looks at test rows, written and read; each function is one transaction."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from storage.engine import Store
from storage.patience import patient
from storage.tables import Look


@patient
def begin(store: Store, look: Look) -> int:
    """Record a look before it is taken; its id."""
    with store.session() as session:
        session.add(look)
        session.flush()
        return look.id


@patient
def conclude(store: Store, look: int, verdict: str, report: Mapping[str, Any]) -> None:
    """Record what a look has shown."""
    with store.session() as session:
        session.execute(update(Look).where(Look.id == look).values(verdict=verdict, report=dict(report)))


@patient
def at_source(store: Store, source: str) -> list[Look]:
    """All looks at test rows of a table, in the order in which they were taken."""
    with store.reading() as session:
        return list(session.scalars(select(Look).where(Look.source == source).order_by(Look.id)))


@patient
def of_study(store: Store, study: str) -> list[Look]:
    """All looks that configurations of a study had, in the order in which they were taken."""
    with store.reading() as session:
        return list(session.scalars(select(Look).where(Look.study == study).order_by(Look.id)))
