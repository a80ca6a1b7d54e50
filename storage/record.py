"""Writes to the store; each function is one transaction.

Rows are copied into the store; the caller's rows stay plain data classes. Only a study's wanted number of
trials, its sources and facts, running trials, and the worker of a trial are overwritten.

If the acknowledgement of a write is lost, `retry_transient` runs it again. It then finds its own rows, with
the same time to the microsecond and the same worker, and changes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, inspect, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.commands import ballast_command
from storage.engine import Store
from storage.errors import StudyExists, TrialExists, TrialFinished, TrialTaken
from storage.query import require_study, require_study_exists, require_trial
from storage.retry import retry_transient
from storage.tables import (
    Artifact,
    Base,
    ClampRow,
    DataFingerprint,
    Epoch,
    FindingRow,
    Forecast,
    SettingRow,
    StoredValidationRows,
    StudyRow,
    Trial,
)
from storage.verdicts import Verdict


@retry_transient
def create_study(
    store: Store,
    study: StudyRow,
    settings: Sequence[SettingRow],
    clamps: Sequence[ClampRow],
    data: DataFingerprint,
    held_out: Sequence[StoredValidationRows] = (),
) -> None:
    """Record a new study with its settings, clamps, data and validation rows. Raises StudyExists."""
    with store.session() as session:
        if _insert_new(session, study):
            for rows in (settings, clamps, [data], held_out):
                _add(session, rows)
        elif require_study(session, store, study.name).created_at != study.created_at:
            raise StudyExists(
                f"study {study.name!r} is in {store.shown_url} already; "
                "go on with it by running the same file, or choose another name with --name"
            )


@retry_transient
def continue_study(
    store: Store,
    study: str,
    *,
    wanted: int,
    sources: Mapping[str, Any] | None,
    settings: Sequence[SettingRow],
) -> None:
    """Set the goal and the sources of a study, and add the settings that changed with them.

    `wanted` is a number of conclusive trials; `sources` of None leaves those on record. Raises StudyUnknown.
    """
    with store.session() as session:
        row = _lock_study(session, store, study)
        row.wanted = wanted
        if sources is not None:
            row.sources = dict(sources)
        of_study = select(SettingRow).where(SettingRow.study == study, SettingRow.trial.is_(None))
        recorded = list(session.scalars(of_study))
        _add(session, [setting for setting in settings if setting not in recorded])


@retry_transient
def set_study_facts(store: Store, study: str, facts: Mapping[str, Any]) -> None:
    """Set some facts of a study and keep its others. Raises StudyUnknown."""
    with store.session() as session:
        row = _lock_study(session, store, study)
        row.facts = {**row.facts, **facts}


@retry_transient
def start_trial(store: Store, trial: Trial, settings: Sequence[SettingRow]) -> None:
    """Record a trial that starts, with the settings that are its own. Raises StudyUnknown and TrialExists.

    Nothing happens if the same worker has started it with the same parameters already.
    """
    with store.session() as session:
        require_study_exists(session, store, trial.study)
        if _insert_new(session, trial):
            _add(session, settings)
            return
        found = require_trial(session, store, trial.study, trial.number)
        # As text, since NaN differs from itself.
        if (found.worker, repr(found.params)) != (trial.worker, repr(trial.params)):
            raise TrialExists(
                f"study {trial.study!r} in {store.shown_url} has a trial {trial.number} already; "
                f"look at it with: {ballast_command('explain', trial.study, trial=trial.number)}"
            )


@retry_transient
def take_over(store: Store, study: str, number: int, from_worker: str, to_worker: str) -> bool:
    """Give a trial of one worker, ended or not, to another worker. Returns whether it is that worker's now.

    If several workers try it at the same time, one succeeds. Raises StudyUnknown and TrialUnknown.
    """
    with store.session() as session:
        theirs = (Trial.study == study) & (Trial.number == number) & (Trial.worker == from_worker)
        session.execute(update(Trial).where(theirs).values(worker=to_worker))
        return require_trial(session, store, study, number).worker == to_worker


@retry_transient
def record_epochs(
    store: Store,
    study: str,
    trial: int,
    epochs: Sequence[Epoch],
    worker: str,
    findings: Sequence[FindingRow] = (),
) -> None:
    """Record epochs and findings of a running trial; those on record stay unchanged.

    The key of an epoch is its number, that of a finding its fold, epoch, step and kind.

    Raises StudyUnknown, TrialUnknown, TrialFinished and, if the trial is no longer `worker`'s, TrialTaken.
    """
    with store.session() as session:
        row = _lock_trial(session, store, study, trial)
        _require_running(row, store)
        _require_worker(row, store, worker)
        _add_epochs(session, row, epochs)
        _add_findings(session, row, findings)


@retry_transient
def finish_trial(
    store: Store,
    study: str,
    number: int,
    *,
    worker: str,
    verdict: Verdict,
    reasons: Sequence[str],
    message: str | None,
    value: float | None,
    skill: float | None,
    best_epoch: int | None,
    epochs: int,
    finished_at: datetime,
    duration_s: float,
    findings: Sequence[FindingRow] = (),
    settings: Sequence[SettingRow] = (),
    remaining: Sequence[Epoch] = (),
    artifacts: Sequence[Artifact] = (),
    forecasts: Sequence[Forecast] = (),
    objectives: Mapping[str, float | None] | None = None,
) -> None:
    """Record how a running trial ended, the epochs and findings that are not on record yet, its files and
    forecasts, and the settings that the guard changed.

    Raises StudyUnknown, TrialUnknown, TrialTaken if the trial is no longer `worker`'s, and TrialFinished if
    it has another verdict on record.
    """
    with store.session() as session:
        trial = _lock_trial(session, store, study, number)
        ending = (worker, verdict, finished_at)
        if (trial.worker, trial.verdict, trial.finished_at) == ending:
            return
        _require_running(trial, store)
        _require_worker(trial, store, worker)
        trial.verdict, trial.reasons, trial.message = verdict, list(reasons), message
        trial.value, trial.skill, trial.best_epoch, trial.epochs = value, skill, best_epoch, epochs
        trial.finished_at, trial.duration_s = finished_at, duration_s
        trial.objectives = None if objectives is None else dict(objectives)
        _add_epochs(session, trial, remaining)
        _add_findings(session, trial, findings)
        for rows in (settings, artifacts, forecasts):
            _add(session, rows)


def add_artifacts(session: Session, artifacts: Sequence[Artifact]) -> None:
    """Record files of a trial, inside an open transaction."""
    _add(session, artifacts)


def _lock_study(session: Session, store: Store, study: str) -> StudyRow:
    """The study, locked, so that two workers cannot overwrite each other's changes."""
    query = select(StudyRow).where(StudyRow.name == study).with_for_update(key_share=True)
    return session.scalar(query) or require_study(session, store, study)


def _lock_trial(session: Session, store: Store, study: str, number: int) -> Trial:
    """The trial, locked. If two workers finish it at the same time, the second finds it finished."""
    query = select(Trial).where(Trial.study == study, Trial.number == number)
    return session.scalar(query.with_for_update(key_share=True)) or require_trial(
        session, store, study, number
    )


def _require_running(trial: Trial, store: Store) -> None:
    if trial.verdict is not None:
        raise TrialFinished(
            f"trial {trial.number} of study {trial.study!r} in {store.shown_url} has ended as "
            f"{trial.verdict} already; look at it with: "
            f"{ballast_command('explain', trial.study, trial=trial.number)}"
        )


def _require_worker(trial: Trial, store: Store, worker: str) -> None:
    if trial.worker != worker:
        raise TrialTaken(
            f"trial {trial.number} of study {trial.study!r} in {store.shown_url} has been taken over by "
            f"{trial.worker} from {worker}, which was taken for dead; "
            f"look at it with: {ballast_command('explain', trial.study, trial=trial.number)}"
        )


def _add_epochs(session: Session, trial: Trial, epochs: Sequence[Epoch]) -> None:
    """Insert the epochs of a locked trial that are not on record yet."""
    of_trial = (Epoch.study == trial.study) & (Epoch.trial == trial.number)
    recorded = set(session.scalars(select(Epoch.epoch).where(of_trial)))
    _add(session, [epoch for epoch in epochs if epoch.epoch not in recorded])


def _add_findings(session: Session, trial: Trial, findings: Sequence[FindingRow]) -> None:
    """Insert the findings of a locked trial that are not on record yet."""
    if not findings:
        return
    key = (FindingRow.fold, FindingRow.epoch, FindingRow.step, FindingRow.kind)
    of_trial = (FindingRow.study == trial.study) & (FindingRow.trial == trial.number)
    recorded = {tuple(row) for row in session.execute(select(*key).where(of_trial))}
    _add(session, [f for f in findings if (f.fold, f.epoch, f.step, f.kind) not in recorded])


def _insert_new(session: Session, row: Base) -> bool:
    """Insert a row unless its key exists, and return whether it was inserted. Waits for a process that is
    inserting the same key.
    """
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(type(row)).values(_given(row)).on_conflict_do_nothing()
    return session.connection().scalar(statement.returning(literal(True))) is not None


def _add(session: Session, rows: Sequence[Base]) -> None:
    """Insert rows of one table."""
    if rows:
        session.execute(insert(type(rows[0])), [_given(row) for row in rows])


def _given(row: Base) -> dict[str, Any]:
    """The values of a row, except the id that the database assigns."""
    keys = [attribute.key for attribute in inspect(type(row)).column_attrs]
    return {key: getattr(row, key) for key in keys if key != "id"}
