"""Writes to the store: one function is one transaction, which is there as a whole or not at all.

Rows are copied into the store: those that a caller holds stay plain data classes. Nothing is overwritten but
the facts of a study and a trial that is still running.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, inspect, select
from sqlalchemy.orm import Session

from storage.engine import Store
from storage.errors import StudyExists, TrialExists, TrialFinished
from storage.query import require_study, require_trial
from storage.tables import Artifact, Clamp, DataFingerprint, Epoch, Finding, Row, Setting, Study, Trial
from storage.verdicts import Verdict


def create_study(
    store: Store, study: Study, settings: Sequence[Setting], clamps: Sequence[Clamp], data: DataFingerprint
) -> None:
    """Record a new study with its settings, clamps and data. Raises StudyExists."""
    with store.session() as session:
        if session.get(Study, study.name) is not None:
            raise StudyExists(
                f"study {study.name!r} is in {store.shown_url} already; "
                "go on with it by running the same file, or choose another name with --name"
            )
        for rows in ([study], settings, clamps, [data]):
            _add(session, rows)


def set_study_facts(store: Store, study: str, facts: Mapping[str, Any]) -> None:
    """Set some facts of a study and keep its others. Raises StudyUnknown."""
    with store.session() as session:
        # On PostgreSQL the row is locked, lest two workers each write over what the other has just set.
        row = session.scalar(select(Study).where(Study.name == study).with_for_update())
        row = row or require_study(session, store, study)
        row.facts = {**row.facts, **facts}


def start_trial(store: Store, trial: Trial, settings: Sequence[Setting]) -> None:
    """Record a trial that starts, with the settings that are its own. Raises StudyUnknown and TrialExists."""
    with store.session() as session:
        require_study(session, store, trial.study)
        if session.get(Trial, (trial.study, trial.number)) is not None:
            raise TrialExists(
                f"study {trial.study!r} in {store.shown_url} has a trial {trial.number} already; "
                f"look at it with: ballast explain {trial.study} --trial {trial.number}"
            )
        _add(session, [trial])
        _add(session, settings)


def record_epoch(store: Store, epoch: Epoch) -> None:
    """Record an epoch of a running trial. Raises StudyUnknown, TrialUnknown and TrialFinished."""
    with store.session() as session:
        _require_running(session, store, epoch.study, epoch.trial)
        _add(session, [epoch])


def finish_trial(
    store: Store,
    study: str,
    number: int,
    *,
    verdict: Verdict,
    reasons: Sequence[str],
    message: str | None,
    value: float | None,
    skill: float | None,
    best_epoch: int | None,
    epochs: int,
    finished_at: datetime,
    duration_s: float,
    findings: Sequence[Finding] = (),
    settings: Sequence[Setting] = (),
) -> None:
    """Record how a running trial ended, what the guard found, and the settings that the guard changed.

    Raises StudyUnknown, TrialUnknown and, as a verdict is never overwritten, TrialFinished.
    """
    with store.session() as session:
        trial = _require_running(session, store, study, number)
        trial.verdict, trial.reasons, trial.message = verdict, list(reasons), message
        trial.value, trial.skill, trial.best_epoch, trial.epochs = value, skill, best_epoch, epochs
        trial.finished_at, trial.duration_s = finished_at, duration_s
        _add(session, findings)
        _add(session, settings)


def add_artifact(store: Store, artifact: Artifact) -> None:
    """Record a file of a study or of a trial, running or not. Raises StudyUnknown and TrialUnknown."""
    with store.session() as session:
        if artifact.trial is None:
            require_study(session, store, artifact.study)
        else:
            require_trial(session, store, artifact.study, artifact.trial)
        _add(session, [artifact])


def _require_running(session: Session, store: Store, study: str, number: int) -> Trial:
    """The trial, locked: of two who finish it at the same moment, one finds it finished."""
    query = select(Trial).where(Trial.study == study, Trial.number == number).with_for_update()
    trial = session.scalar(query) or require_trial(session, store, study, number)
    if trial.verdict is not None:
        raise TrialFinished(
            f"trial {number} of study {study!r} in {store.shown_url} has ended as {trial.verdict} already; "
            f"look at it with: ballast explain {study} --trial {number}"
        )
    return trial


def _add(session: Session, rows: Sequence[Row]) -> None:
    """Insert rows of one table, all but the keys that the database gives them."""
    if rows:
        mapper = inspect(type(rows[0]))
        given = [attribute.key for attribute in mapper.column_attrs if attribute.key != "id"]
        session.execute(insert(type(rows[0])), [{key: getattr(row, key) for key in given} for row in rows])
