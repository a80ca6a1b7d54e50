"""Reads and writes evaluations and other scored rows; each function is one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session, defer

from storage.engine import Store
from storage.retry import retry_transient
from storage.tables import DataFingerprint, Evaluation, StoredValidationRows, StudyRow, Trial
from storage.verdicts import CONCLUSIVE

NEAR = timedelta(days=62)
"""How far outside a span of time an evaluation may lie to count as near it: its times may be shifted."""

SEARCH = "search"
"""The kind of an evaluation that represents all trials of a deleted study, on its validation rows."""


@retry_transient
def start_evaluation(store: Store, evaluation: Evaluation) -> int:
    """Record an evaluation before any row is scored, unless it is on record already. Returns its id."""
    with store.session() as session:
        if store.engine.dialect.name == "postgresql":
            # Of two evaluations at the same time only one may be the first; SQLite has only one writer.
            session.execute(text("LOCK TABLE ballast_looks IN SHARE ROW EXCLUSIVE MODE"))
        same = (Evaluation.looked_at == evaluation.looked_at) & (Evaluation.looked_by == evaluation.looked_by)
        what = (Evaluation.study == evaluation.study) & (Evaluation.configuration == evaluation.configuration)
        known = session.scalar(select(Evaluation.id).where(same & what))
        if known is not None:
            return known
        session.add(evaluation)
        session.flush()
        return evaluation.id


@retry_transient
def finish_evaluation(
    store: Store, evaluation: int, verdict: str, report: Mapping[str, Any], series: bytes | None = None
) -> None:
    """Record the result of an evaluation; `series` replaces the series that it began with, None keeps it."""
    found: dict[str, Any] = {"verdict": verdict, "report": dict(report)}
    if series is not None:
        found["series"] = series
    with store.session() as session:
        session.execute(update(Evaluation).where(Evaluation.id == evaluation).values(found))


@retry_transient
def scored_series(store: Store, evaluation: int) -> bytes | None:
    """The packed series of an evaluation; None if there is no such evaluation, or it has none."""
    with store.reading() as session:
        return session.scalar(select(Evaluation.series).where(Evaluation.id == evaluation))


@retry_transient
def evaluations_near(store: Store, first: datetime, last: datetime) -> list[Evaluation]:
    """All evaluations of rows from `first` to `last`, or up to NEAR outside, oldest first."""
    begins, ends = Evaluation.first_time <= last + NEAR, Evaluation.last_time >= first - NEAR
    with store.reading() as session:
        scored = begins & ends & (Evaluation.kind != SEARCH)
        return list(session.scalars(select(Evaluation).where(scored).order_by(Evaluation.id)))


@retry_transient
def verifications_of_study(store: Store, study: str, *, with_series: bool = True) -> list[Evaluation]:
    """All verifications of a study's configurations, oldest first.

    Without `with_series`, `series` is not read and must not be asked for: it can have 10 MB.
    """
    mine = (Evaluation.study == study) & (Evaluation.kind == "verify")
    chosen = select(Evaluation).where(mine).order_by(Evaluation.id)
    with store.reading() as session:
        left_out = () if with_series else (defer(Evaluation.series),)
        return list(session.scalars(chosen.options(*left_out)))


@dataclass(frozen=True)
class SearchedRows:
    """The validation rows of one study, and the table that they come from."""

    study: str
    study_file: str
    source: str
    content: str
    """SHA-256 (hex) of the table's bytes."""
    series: bytes | None
    """None for a study from before it was recorded."""
    target: str | None = None
    """For a deleted study, the columns that the target is computed from."""
    span: tuple[datetime, datetime] | None = None
    """For a deleted study, the first and the last time."""


@retry_transient
def searched_rows(store: Store) -> list[SearchedRows]:
    """The validation rows of every study that has them: first deleted studies, then the others, oldest
    first.
    """
    query = (
        select(
            StudyRow.name,
            StudyRow.study_file,
            DataFingerprint.source,
            DataFingerprint.sha256,
            StoredValidationRows.series,
        )
        .join(DataFingerprint, DataFingerprint.study == StudyRow.name)
        .join(StoredValidationRows, StoredValidationRows.study == StudyRow.name)
        .order_by(StudyRow.created_at, StudyRow.name)
    )
    with store.reading() as session:
        gone = [
            SearchedRows(
                _name_of(each),
                "",
                each.source,
                each.content,
                each.series,
                each.target,
                (each.first_time, each.last_time),
            )
            for each in _of_deleted(session)
        ]
        return gone + [SearchedRows(*row) for row in session.execute(query)]


def _of_deleted(session: Session) -> list[Evaluation]:
    return list(session.scalars(select(Evaluation).where(Evaluation.kind == SEARCH).order_by(Evaluation.id)))


def _name_of(deleted: Evaluation) -> str:
    return deleted_study_name(deleted.study, deleted.looked_at)


def deleted_study_name(study: str, moment: datetime) -> str:
    """The name of a study that was deleted at `moment`; several deleted studies may have had one name."""
    return f"{study} (deleted {moment:%Y-%m-%d %H:%M:%S.%f})"


@dataclass(frozen=True)
class ConclusiveTrial:
    """A conclusive trial, and the trial whose result it copies, if it was not trained itself."""

    study: str
    number: int
    source: tuple[str, int] | None
    finished_at: datetime

    def to_json(self) -> dict[str, Any]:
        """The part that stays on record when its study is deleted."""
        return {
            "number": self.number,
            "source": None if self.source is None else list(self.source),
            "finished_at": self.finished_at.isoformat(),
        }


@retry_transient
def conclusive_trials(store: Store, studies: Sequence[str], before: datetime) -> list[ConclusiveTrial]:
    """The trials of these studies, also deleted ones, that reached a conclusive verdict before `before`."""
    ended = Trial.verdict.in_(CONCLUSIVE) & (Trial.finished_at < before)
    query = select(Trial.study, Trial.number, Trial.source_study, Trial.source_trial, Trial.finished_at)
    with store.reading() as session:
        rows = session.execute(query.where(Trial.study.in_(studies) & ended)).all()
        living, deleted = set(session.scalars(select(StudyRow.name))), _of_deleted(session)
    names = {each.study: _name_of(each) for each in deleted if each.study not in living}
    found = [
        ConclusiveTrial(study, number, None if source is None or of is None else (source, of), at)
        for study, number, source, of, at in rows
        if at is not None  # a trial with a verdict has its time
    ]
    for each in deleted:
        if _name_of(each) in studies:
            found += [trial for trial in _trials_of(each) if trial.finished_at < before]
    return [replace(trial, source=_present(trial.source, trial.study, names)) for trial in found]


def _trials_of(deleted: Evaluation) -> list[ConclusiveTrial]:
    """The conclusive trials that a study had when it was deleted."""
    return [
        ConclusiveTrial(
            _name_of(deleted),
            told["number"],
            None if told["source"] is None else (told["source"][0], told["source"][1]),
            datetime.fromisoformat(told["finished_at"]),
        )
        for told in (deleted.report or {}).get("trials", ())
    ]


def _present(source: tuple[str, int] | None, study: str, names: Mapping[str, str]) -> tuple[str, int] | None:
    """The source of a copied trial, with the present name of its study if that is deleted."""
    if source is None:
        return None
    own = study.rpartition(" (deleted ")[0] or study
    return (study if source[0] == own else names.get(source[0], source[0])), source[1]
