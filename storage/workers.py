"""Who works on a study, and who of them may start a trial; one function is one transaction."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from storage.engine import Store
from storage.query import count_conclusive_in, require_study, require_study_exists
from storage.retry import retry_transient
from storage.tables import Study, Worker


@dataclass(frozen=True)
class TrialClaim:
    """The answer to a worker that asks for a trial: `done` are conclusive, `busy` are with other workers."""

    granted: bool
    done: int
    busy: int
    wanted: int


@retry_transient
def register_worker(store: Store, study: str, worker: str, device: str | None = None) -> None:
    """Enter a worker, once. Raises StudyUnknown."""
    with store.session() as session:
        require_study_exists(session, store, study)
        _row(session, study, worker).device = device


@retry_transient
def claim_trial(store: Store, study: str, worker: str, *, take: bool = True) -> TrialClaim:
    """Let a worker start a trial, unless those that are done and those that others run are enough.

    Without `take` it only asks how the study stands, and has no trial any more.

    A worker counts as busy until it claims again or leaves: at the end of its trial it counts twice for a
    moment, which can make others wait and never makes them start too many. Raises StudyUnknown.
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
    """Say that a worker lives; the beats of all workers of the study, by name.

    A worker that others held for dead, because its machine slept, enters again with its next claim.
    """
    with store.session() as session:
        mine = (Worker.study == study) & (Worker.worker == worker)
        session.execute(update(Worker).where(mine).values(beats=Worker.beats + 1))
        rows = session.execute(select(Worker.worker, Worker.beats).where(Worker.study == study))
        return dict(rows.all())


@retry_transient
def is_registered(store: Store, study: str, worker: str) -> bool:
    """Whether a worker has its place, because nobody has struck it out."""
    with store.reading() as session:
        return session.get(Worker, (study, worker)) is not None


@retry_transient
def unregister_worker(store: Store, study: str, worker: str) -> None:
    """Strike a worker out: one that ends, or one that was found dead."""
    with store.session() as session:
        _lock(session, study)  # as a claim does, lest one of the two finds its row gone
        session.execute(delete(Worker).where(Worker.study == study, Worker.worker == worker))


@retry_transient
def registered_workers(store: Store, study: str) -> list[Worker]:
    """The workers of a study, the longest at work first."""
    with store.reading() as session:
        query = select(Worker).where(Worker.study == study).order_by(Worker.started_at, Worker.worker)
        return list(session.scalars(query))


def _lock(session: Session, study: str) -> int | None:
    """How many trials the study wants, locked: one claim at a time.

    FOR NO KEY UPDATE: rows that refer to the study can still be written.
    """
    return session.scalar(select(Study.wanted).where(Study.name == study).with_for_update(key_share=True))


def _row(session: Session, study: str, worker: str) -> Worker:
    found = session.get(Worker, (study, worker))
    if found is None:
        found = Worker(study=study, worker=worker, started_at=datetime.now(UTC))
        session.add(found)
    return found
