"""The workers of a study, and which of them may start a trial; each function is one transaction."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from storage.engine import Store
from storage.query import count_conclusive_in, require_study, require_study_exists
from storage.retry import retry_transient
from storage.tables import StudyRow, Worker


@dataclass(frozen=True)
class TrialClaim:
    """The answer to a worker that asks for a trial: `done` trials are conclusive, `busy` are of other
    workers.
    """

    granted: bool
    done: int
    busy: int
    wanted: int


@retry_transient
def register_worker(store: Store, study: str, worker: str, device: str | None = None) -> None:
    """Register a worker, unless it is registered. Raises StudyUnknown."""
    with store.session() as session:
        require_study_exists(session, store, study)
        _row(session, study, worker).device = device


@retry_transient
def claim_trial(store: Store, study: str, worker: str, *, take: bool = True) -> TrialClaim:
    """Let a worker start a trial, unless the conclusive trials and those of other workers are enough.

    Without `take` the worker only asks for the numbers, and no longer counts as busy.

    A worker counts as busy until its next claim or until it is unregistered. At the end of its trial it
    counts twice for a moment: other workers may then wait, but never start too many. Raises StudyUnknown.
    """
    with store.session() as session:
        wanted = _lock(session, study) or require_study(session, store, study).wanted
        done = count_conclusive_in(session, study)
        others = (Worker.study == study) & (Worker.worker != worker) & Worker.busy
        busy = session.scalar(select(func.count()).select_from(Worker).where(others)) or 0
        row = _row(session, study, worker)
        row.busy = take and done + busy < wanted
        return TrialClaim(row.busy, done, busy, wanted)


@retry_transient
def record_heartbeat(store: Store, study: str, worker: str) -> dict[str, int]:
    """Record that a worker lives. Returns the beats of all workers of the study, by name.

    A worker that others removed because its machine was asleep is registered again by its next claim.
    """
    with store.session() as session:
        mine = (Worker.study == study) & (Worker.worker == worker)
        session.execute(update(Worker).where(mine).values(beats=Worker.beats + 1))
        rows = session.execute(select(Worker.worker, Worker.beats).where(Worker.study == study))
        return dict(rows.all())


@retry_transient
def is_registered(store: Store, study: str, worker: str) -> bool:
    """Whether a worker is registered, and no other has removed it."""
    with store.reading() as session:
        return session.get(Worker, (study, worker)) is not None


@retry_transient
def unregister_worker(store: Store, study: str, worker: str) -> None:
    """Remove a worker that ends or was found dead."""
    with store.session() as session:
        _lock(session, study)  # as a claim does, so that neither of the two loses its row
        session.execute(delete(Worker).where(Worker.study == study, Worker.worker == worker))


@retry_transient
def registered_workers(store: Store, study: str) -> list[Worker]:
    """The workers of a study, by the time of their start."""
    with store.reading() as session:
        query = select(Worker).where(Worker.study == study).order_by(Worker.started_at, Worker.worker)
        return list(session.scalars(query))


def _lock(session: Session, study: str) -> int | None:
    """The number of trials that the study wants; its row stays locked, so that claims wait for each other.

    FOR NO KEY UPDATE: rows that refer to the study can still be written.
    """
    return session.scalar(
        select(StudyRow.wanted).where(StudyRow.name == study).with_for_update(key_share=True)
    )


def _row(session: Session, study: str, worker: str) -> Worker:
    found = session.get(Worker, (study, worker))
    if found is None:
        found = Worker(study=study, worker=worker, started_at=datetime.now(UTC))
        session.add(found)
    return found
