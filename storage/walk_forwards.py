"""Reads and writes the blocks of walk-forwards; each function is one transaction.

A block is on record from the moment that its study is. Each has the plan of the whole walk-forward.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import defer

from storage.engine import Store
from storage.errors import StudyUnknown
from storage.retry import retry_transient
from storage.tables import Evaluation, WalkForwardBlockRow

WALK_FORWARD = "walk-forward"
"""The kind of an evaluation that is a walk-forward."""


@dataclass(frozen=True)
class RecordedWalkForward:
    """The blocks of a walk-forward that are on record, in time order. Their `rows` are not read."""

    name: str
    blocks: tuple[WalkForwardBlockRow, ...]

    @property
    def plan(self) -> dict[str, Any]:
        """The plan of all blocks."""
        return self.blocks[0].plan

    @property
    def results(self) -> dict[int, dict[str, Any]]:
        """The result of each finished block, by its position."""
        return {block.position: block.result for block in self.blocks if block.result is not None}

    def is_shown_with(self, study: str) -> bool:
        """Whether the page of a study shows it: that of its newest finished block, or of its own name."""
        finished = [block.study for block in self.blocks if block.result is not None]
        return bool(finished) and study in (finished[-1], self.name)


@retry_transient
def start_block(store: Store, row: WalkForwardBlockRow) -> None:
    """Record a block whose study is on record, unless it is known."""
    with store.session() as session:
        if session.get(WalkForwardBlockRow, row.study) is None:
            session.merge(row)


@retry_transient
def finish_block(
    store: Store, study: str, *, finished_at: datetime, result: Mapping[str, Any], rows: bytes
) -> None:
    """Record the result and the forecasts of a block, unless they are on record already."""
    is_open = (WalkForwardBlockRow.study == study) & WalkForwardBlockRow.finished_at.is_(None)
    values = {"finished_at": finished_at, "result": dict(result), "rows": rows}
    with store.session() as session:
        session.execute(update(WalkForwardBlockRow).where(is_open).values(values))


@retry_transient
def find_walk_forward(store: Store, name: str) -> RecordedWalkForward | None:
    """The walk-forward of this name; None if there is none."""
    mine = select(WalkForwardBlockRow).where(WalkForwardBlockRow.walk_forward == name)
    with store.reading() as session:
        ordered = mine.order_by(WalkForwardBlockRow.position).options(defer(WalkForwardBlockRow.rows))
        blocks = tuple(session.scalars(ordered))
    return RecordedWalkForward(name, blocks) if blocks else None


def walk_forward(store: Store, name: str) -> RecordedWalkForward:
    """The walk-forward of this name; StudyUnknown if there is none."""
    found = find_walk_forward(store, name)
    if found is None:
        names = walk_forward_names(store)
        known = f"it has {', '.join(names)}" if names else "it has none"
        raise StudyUnknown(f"there is no walk-forward {name!r} in {store.shown_url}; {known}")
    return found


@retry_transient
def walk_forward_of_study(store: Store, study: str) -> str | None:
    """The name of the walk-forward that a study is a block of; None if it is of none."""
    query = select(WalkForwardBlockRow.walk_forward).where(WalkForwardBlockRow.study == study)
    with store.reading() as session:
        return session.scalar(query)


def walk_forward_seen_from(store: Store, study: str) -> RecordedWalkForward | None:
    """The walk-forward that a study is a block of, or else the one that has its name."""
    return find_walk_forward(store, walk_forward_of_study(store, study) or study)


@retry_transient
def walk_forward_names(store: Store) -> list[str]:
    """The names of all walk-forwards."""
    with store.reading() as session:
        query = select(WalkForwardBlockRow.walk_forward).distinct()
        return sorted(session.scalars(query))


@retry_transient
def block_rows(store: Store, name: str) -> list[tuple[int, bytes]]:
    """The position and the packed rows of each finished block, in time order."""
    mine = (WalkForwardBlockRow.walk_forward == name) & WalkForwardBlockRow.rows.is_not(None)
    query = select(WalkForwardBlockRow.position, WalkForwardBlockRow.rows).where(mine)
    with store.reading() as session:
        found = session.execute(query.order_by(WalkForwardBlockRow.position))
        return [(position, rows) for position, rows in found if rows is not None]


@retry_transient
def evaluation_of(store: Store, name: str, configuration: str, content: str) -> Evaluation | None:
    """The evaluation that a walk-forward with this configuration, in a table with this content, is; None
    before its first block is scored. Its series is not read.
    """
    of_it = (Evaluation.kind == WALK_FORWARD) & (Evaluation.study == name)
    same = of_it & (Evaluation.configuration == configuration) & (Evaluation.content == content)
    query = select(Evaluation).where(same).order_by(Evaluation.id.desc()).limit(1)
    with store.reading() as session:
        return session.scalar(query.options(defer(Evaluation.series)))
