"""Looks at test rows, written and read; each function is one transaction."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, text, update

from storage.engine import Store
from storage.patience import patient
from storage.tables import Look


@patient
def begin(store: Store, look: Look) -> int:
    """Record a look before it is taken; its id. One that is on record already is not recorded again."""
    with store.session() as session:
        if store.engine.dialect.name == "postgresql":
            # Lest two looks at the same moment each find itself the first; SQLite has one writer anyway.
            session.execute(text("LOCK TABLE ballast_looks IN SHARE ROW EXCLUSIVE MODE"))
        same = (Look.looked_at == look.looked_at) & (Look.looked_by == look.looked_by)
        what = (Look.study == look.study) & (Look.configuration == look.configuration)
        known = session.scalar(select(Look.id).where(same & what))
        if known is not None:
            return known
        session.add(look)
        session.flush()
        return look.id


@patient
def conclude(store: Store, look: int, verdict: str, report: Mapping[str, Any]) -> None:
    """Record what a look has shown."""
    with store.session() as session:
        session.execute(update(Look).where(Look.id == look).values(verdict=verdict, report=dict(report)))


@patient
def at_table(store: Store, source: str, content: str) -> list[Look]:
    """All looks at test rows of a table, under this name or with these bytes, in the order of the looks."""
    same = (Look.source == source) | (Look.content == content)
    with store.reading() as session:
        return list(session.scalars(select(Look).where(same).order_by(Look.id)))


@patient
def of_study(store: Store, study: str) -> list[Look]:
    """All looks that configurations of a study had, in the order in which they were taken."""
    with store.reading() as session:
        return list(session.scalars(select(Look).where(Look.study == study).order_by(Look.id)))
