"""Reads from the store; each function is one transaction, and its result needs no open store."""

import math
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Select, Text, func, select, type_coerce
from sqlalchemy.orm import Session

from storage.commands import ballast_command
from storage.engine import Store
from storage.errors import StudyUnknown, TrialUnknown
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
from storage.verdicts import CONCLUSIVE, VOIDED, Verdict

_AnyRow = TypeVar("_AnyRow", bound=Base)
_LARGEST_NUMBER = 2**31 - 1
"""Largest number of a trial: the limit of PostgreSQL's INTEGER."""


class TrialListItem(NamedTuple):
    """The fields of a trial in a list of trials, named as in Trial."""

    number: int
    verdict: Verdict | None
    reasons: list[str]
    value: float | None
    skill: float | None
    params: dict[str, Any]
    epochs: int
    duration_s: float | None
    seed: int
    objectives: dict[str, Any] | None = None


@retry_transient
def studies(store: Store) -> list[StudyRow]:
    """All studies, oldest first."""
    with store.reading() as session:
        return _all(session, select(StudyRow).order_by(StudyRow.created_at, StudyRow.name))


@retry_transient
def study(store: Store, name: str) -> StudyRow:
    """One study. Raises StudyUnknown, which names the nearest study there is."""
    with store.reading() as session:
        return require_study(session, store, name)


FORMER_NAMES = "formerly"
"""Key in the facts of a study of the list of its former names, oldest first."""


@retry_transient
def has_study(store: Store, name: str) -> bool:
    """Whether there is a study of this name."""
    with store.reading() as session:
        return session.get(StudyRow, name) is not None


@retry_transient
def current_name(store: Store, name: str) -> str:
    """The present name of a study that is or was called `name`; `name` itself if there is none."""
    with store.reading() as session:
        if session.scalar(select(StudyRow.wanted).where(StudyRow.name == name)) is not None:
            return name
        facts = session.execute(select(StudyRow.name, StudyRow.facts).order_by(StudyRow.created_at)).all()
        return next((found for found, told in facts if name in told.get(FORMER_NAMES, ())), name)


@retry_transient
def trials(store: Store, name: str, verdict: Verdict | None = None) -> list[Trial]:
    """The trials of a study by number, only those with `verdict` if given. Raises StudyUnknown."""
    query = select(Trial).where(Trial.study == name).order_by(Trial.number)
    return _of_study(store, name, query if verdict is None else query.where(Trial.verdict == verdict))


@retry_transient
def list_trials(store: Store, name: str, verdict: Verdict | None = None) -> list[TrialListItem]:
    """As `trials`, with fewer fields and in half the time, for long lists. Raises StudyUnknown."""
    columns = (getattr(Trial, field) for field in TrialListItem._fields)
    query = select(*columns).where(Trial.study == name).order_by(Trial.number)
    with store.reading() as session:
        require_study_exists(session, store, name)
        rows = session.execute(query if verdict is None else query.where(Trial.verdict == verdict))
        return [TrialListItem._make(row) for row in rows]


@retry_transient
def best_seed_losses(store: Store, name: str, trial: int | None = None) -> dict[int, list[float]]:
    """The losses of the seeds in the best epoch, by trial; only of trials of several seeds. `trial`: of that
    one alone.
    """
    of_trial = (Epoch.study == Trial.study) & (Epoch.trial == Trial.number)
    query = (
        select(Trial.number, Epoch.seed_losses)
        .join(Epoch, of_trial & (Epoch.epoch == Trial.best_epoch))
        .where(Trial.study == name, type_coerce(Epoch.seed_losses, Text).contains(","))
        .order_by(Trial.number)
    )
    with store.reading() as session:
        found = session.execute(query if trial is None else query.where(Trial.number == trial))
        return {row.number: row.seed_losses for row in found}


@retry_transient
def running(store: Store, name: str) -> list[Trial]:
    """The trials without a verdict, by number. Raises StudyUnknown."""
    query = select(Trial).where(Trial.study == name, Trial.verdict.is_(None)).order_by(Trial.number)
    return _of_study(store, name, query)


@retry_transient
def trials_from(store: Store, name: str, first: int, also: Collection[int] = ()) -> list[Trial]:
    """The trials of a study from number `first` on and those in `also`, by number. Raises StudyUnknown."""
    chosen = (Trial.number >= first) | Trial.number.in_(also)
    return _of_study(store, name, select(Trial).where(Trial.study == name, chosen).order_by(Trial.number))


@retry_transient
def trial(store: Store, name: str, number: int) -> Trial:
    """One trial. Raises StudyUnknown and TrialUnknown."""
    with store.reading() as session:
        return require_trial(session, store, name, number)


@retry_transient
def settings(store: Store, name: str, trial: int | None = None) -> list[SettingRow]:
    """The settings of the study (`trial` None) or only those of a trial, by key and position."""
    query = select(SettingRow).where(SettingRow.study == name, SettingRow.trial == trial)
    return _of_trial(store, name, trial, query.order_by(SettingRow.key, SettingRow.position))


@retry_transient
def setting_layers(store: Store, name: str, trial: int | None = None) -> dict[str, list[SettingRow]]:
    """The layers of each key, lowest first: those of the study, then those of the trial, if one is given.

    The `effective` of the last row of a key is the value in force. Keys are sorted.
    """
    query = select(SettingRow).where(
        SettingRow.study == name, SettingRow.trial.is_(None) | (SettingRow.trial == trial)
    )
    order = (SettingRow.key, SettingRow.trial.is_not(None), SettingRow.position)
    stacks: dict[str, list[SettingRow]] = {}
    for row in _of_trial(store, name, trial, query.order_by(*order)):
        stacks.setdefault(row.key, []).append(row)
    return stacks


@retry_transient
def clamps(store: Store, name: str) -> list[ClampRow]:
    """The clamps of a study, in the order in which they were recorded."""
    return _of_study(store, name, select(ClampRow).where(ClampRow.study == name).order_by(ClampRow.id))


@retry_transient
def epochs(store: Store, name: str, trial: int) -> list[Epoch]:
    """The epochs of a trial, first to last."""
    query = select(Epoch).where(Epoch.study == name, Epoch.trial == trial).order_by(Epoch.epoch)
    return _of_trial(store, name, trial, query)


@retry_transient
def epochs_by_trial(store: Store, name: str, trials: Sequence[int]) -> dict[int, list[Epoch]]:
    """The epochs of several trials of a study, first to last, by trial; trials without epochs are left
    out.
    """
    query = select(Epoch).where(Epoch.study == name, Epoch.trial.in_(trials))
    found: dict[int, list[Epoch]] = {}
    for epoch in _of_study(store, name, query.order_by(Epoch.trial, Epoch.epoch)):
        found.setdefault(epoch.trial, []).append(epoch)
    return found


@retry_transient
def findings(store: Store, name: str, trial: int | None = None) -> list[FindingRow]:
    """The guard's findings in a trial, or in all trials, in the order in which they were found."""
    query = select(FindingRow).where(FindingRow.study == name).order_by(FindingRow.trial, FindingRow.id)
    return _of_trial(store, name, trial, query if trial is None else query.where(FindingRow.trial == trial))


@retry_transient
def findings_of_running_trials(store: Store, name: str) -> dict[int, list[FindingRow]]:
    """The guard's findings so far in the trials without a verdict, by trial; trials without any are left
    out.
    """
    running = select(Trial.number).where(Trial.study == name, Trial.verdict.is_(None))
    query = select(FindingRow).where(FindingRow.study == name, FindingRow.trial.in_(running))
    found: dict[int, list[FindingRow]] = {}
    for finding in _of_study(store, name, query.order_by(FindingRow.id)):
        found.setdefault(finding.trial, []).append(finding)
    return found


@retry_transient
def finding_count(store: Store, name: str) -> int:
    """Number of the guard's findings in all trials of a study."""
    with store.reading() as session:
        require_study_exists(session, store, name)
        count = select(func.count()).select_from(FindingRow).where(FindingRow.study == name)
        return session.scalar(count) or 0


@retry_transient
def data_fingerprint(store: Store, name: str) -> DataFingerprint:
    """The fingerprint of the data that a study was started on."""
    return _of_study(store, name, select(DataFingerprint).where(DataFingerprint.study == name))[0]


@retry_transient
def artifacts(store: Store, name: str, trial: int | None = None) -> list[Artifact]:
    """The files of a trial, or those of the study and all its trials, oldest first."""
    query = select(Artifact).where(Artifact.study == name).order_by(Artifact.id)
    return _of_trial(store, name, trial, query if trial is None else query.where(Artifact.trial == trial))


@retry_transient
def first_and_last_files(store: Store, *, but: str) -> list[str]:
    """The first and the last path, in sorted order, of each study's files of any kind except `but`."""
    two = select(func.min(Artifact.path), func.max(Artifact.path)).where(Artifact.kind != but)
    with store.reading() as session:
        return [path for row in session.execute(two.group_by(Artifact.study)) for path in row]


@retry_transient
def stored_validation_rows(store: Store, name: str) -> StoredValidationRows | None:
    """The validation rows of a study; None for a study from before they were recorded."""
    return next(
        iter(_of_study(store, name, select(StoredValidationRows).where(StoredValidationRows.study == name))),
        None,
    )


@retry_transient
def forecasts(store: Store, name: str) -> list[Forecast]:
    """The forecasts of all trials of a study that have any, by number."""
    return _of_study(store, name, select(Forecast).where(Forecast.study == name).order_by(Forecast.trial))


@retry_transient
def forecast(store: Store, name: str, trial: int) -> Forecast | None:
    """The forecasts of one trial; None if it has none."""
    query = select(Forecast).where(Forecast.study == name, Forecast.trial == trial)
    return next(iter(_of_trial(store, name, trial, query)), None)


@retry_transient
def verdict_counts(store: Store, name: str) -> dict[Verdict | None, int]:
    """Number of trials by verdict; running ones are under None. A missing verdict means zero."""
    query = select(Trial.verdict, func.count()).where(Trial.study == name).group_by(Trial.verdict)
    with store.reading() as session:
        require_study_exists(session, store, name)
        return dict(session.execute(query).all())


@retry_transient
def mean_duration(store: Store, name: str) -> float | None:
    """Mean duration, in seconds, of the trials that ended; None if none has."""
    with store.reading() as session:
        require_study_exists(session, store, name)
        return session.scalar(select(func.avg(Trial.duration_s)).where(Trial.study == name))


@retry_transient
def trial_seconds(store: Store, name: str) -> float:
    """The seconds that all ended trials of a study took together; those of copied results do not count."""
    own = (Trial.study == name) & Trial.source_study.is_(None)
    with store.reading() as session:
        return float(session.scalar(select(func.sum(Trial.duration_s)).where(own)) or 0.0)


@retry_transient
def next_number(store: Store, name: str) -> int:
    """One more than the highest number of a trial on record; 0 without any."""
    with store.reading() as session:
        require_study_exists(session, store, name)
        highest = session.scalar(select(func.max(Trial.number)).where(Trial.study == name))
        return 0 if highest is None else int(highest) + 1


@retry_transient
def trial_numbers(store: Store, name: str) -> set[int]:
    """The numbers of all trials on record. Raises StudyUnknown."""
    with store.reading() as session:
        require_study_exists(session, store, name)
        return set(session.scalars(select(Trial.number).where(Trial.study == name)))


@retry_transient
def epoch_count(store: Store, name: str) -> int:
    """Total number of epochs that the trials of a study have trained."""
    with store.reading() as session:
        require_study_exists(session, store, name)
        return session.scalar(select(func.sum(Trial.epochs)).where(Trial.study == name)) or 0


@retry_transient
def best_trial(store: Store, name: str) -> Trial | None:
    """The accepted trial with the lowest finite value, the first of equal ones; None if there is none."""
    query = (
        select(Trial)
        .where(Trial.study == name, Trial.verdict == Verdict.ACCEPTED)
        .where(Trial.value > -math.inf, Trial.value < math.inf)
        .order_by(Trial.value, Trial.number)
        .limit(1)
    )
    return next(iter(_of_study(store, name, query)), None)


@retry_transient
def count_above_naive(store: Store, name: str) -> int:
    """Number of accepted trials with a skill above 0: a lower loss than the best naive forecast."""
    above = (Trial.study == name) & (Trial.verdict == Verdict.ACCEPTED) & (Trial.skill > 0)
    query = select(func.count()).select_from(Trial).where(above & (Trial.skill < math.inf))
    with store.reading() as session:
        require_study_exists(session, store, name)
        return session.scalar(query) or 0


@retry_transient
def suspicious_findings(store: Store, name: str) -> dict[int, FindingRow]:
    """By trial number, the finding for which each suspicious trial was stopped: its last one. A voided trial
    was not stopped, and is left out.
    """
    with store.reading() as session:
        require_study_exists(session, store, name)
        suspicious = select(Trial.number, Trial.reasons).where(
            Trial.study == name, Trial.verdict == Verdict.SUSPICIOUS
        )
        stopped = [number for number, reasons in session.execute(suspicious) if VOIDED not in reasons]
        of_trials = (FindingRow.study == name) & FindingRow.trial.in_(stopped)
        found = session.scalars(select(FindingRow).where(of_trials).order_by(FindingRow.id))
        return {finding.trial: finding for finding in found}


@retry_transient
def find_configuration(store: Store, name: str, *configurations: str, running: bool = False) -> list[Trial]:
    """The conclusive trials of a configuration, by number; with `running` also those that are running.

    `configurations` are the digests of the configuration.
    """
    query = select(Trial).where(Trial.study == name, Trial.configuration.in_(configurations))
    ended = Trial.verdict.in_(CONCLUSIVE)
    return _of_study(
        store,
        name,
        query.where(ended | Trial.verdict.is_(None) if running else ended).order_by(Trial.number),
    )


@retry_transient
def conclusive_values(
    store: Store, name: str, *, imported: bool = False
) -> list[tuple[int, Verdict, float | None]]:
    """Number, verdict and value of the study's own conclusive trials, or of the imported ones, by number."""
    which = _conclusive(name) & (_is_imported(name) if imported else ~_is_imported(name))
    query = select(Trial.number, Trial.verdict, Trial.value).where(which)
    with store.reading() as session:
        require_study_exists(session, store, name)
        rows = session.execute(query.order_by(Trial.number))
        return [(number, verdict, value) for number, verdict, value in rows if verdict is not None]


@retry_transient
def count_conclusive(store: Store, name: str) -> int:
    """Number of the study's own trials with a conclusive verdict."""
    with store.reading() as session:
        require_study_exists(session, store, name)
        return count_conclusive_in(session, name)


def count_conclusive_in(session: Session, name: str) -> int:
    """As `count_conclusive`, inside an open transaction."""
    return (
        session.scalar(select(func.count()).select_from(Trial).where(_conclusive(name) & ~_is_imported(name)))
        or 0
    )


def require_study_exists(session: Session, store: Store, name: str) -> None:
    """Raise StudyUnknown unless there is such a study. Does not read its row, which holds long texts."""
    if session.scalar(select(StudyRow.wanted).where(StudyRow.name == name)) is None:
        require_study(session, store, name)


def require_study(session: Session, store: Store, name: str) -> StudyRow:
    """One study, inside an open transaction. Raises StudyUnknown."""
    found = session.get(StudyRow, name)
    if found is None:
        raise StudyUnknown(
            _unknown_study(name, session.scalars(select(StudyRow.name)).all(), store.shown_url)
        )
    return found


def require_trial(session: Session, store: Store, name: str, number: int) -> Trial:
    """One trial, inside an open transaction. Raises StudyUnknown and TrialUnknown."""
    found = session.get(Trial, (name, number)) if number <= _LARGEST_NUMBER else None
    if found is None:
        require_study(session, store, name)
        raise TrialUnknown(
            f"study {name!r} in {store.shown_url} has no trial {number}; "
            f"list its trials with: {ballast_command('trials', name, store=store.url)}"
        )
    return found


def _unknown_study(name: str, known: Sequence[str], shown: str) -> str:
    nearest = get_close_matches(name, known, n=1)
    hint = f"did you mean {nearest[0]!r}? List" if nearest else "list"
    return f"no study {name!r} in {shown}; {hint} them with: {ballast_command('status', store=shown)}"


def _conclusive(name: str) -> ColumnElement[bool]:
    return (Trial.study == name) & Trial.verdict.in_(CONCLUSIVE)


def _is_imported(name: str) -> ColumnElement[bool]:
    """Imported trials, which do not count: the budget is for new trials."""
    return Trial.source_study.is_not(None) & (Trial.source_study != name)


def _of_study(store: Store, name: str, query: Select[_AnyRow]) -> list[_AnyRow]:
    with store.reading() as session:
        require_study_exists(session, store, name)
        return _all(session, query)


def _of_trial(store: Store, name: str, trial: int | None, query: Select[_AnyRow]) -> list[_AnyRow]:
    if trial is None:
        return _of_study(store, name, query)
    with store.reading() as session:
        require_trial(session, store, name, trial)
        return _all(session, query)


def _all(session: Session, query: Select[_AnyRow]) -> list[_AnyRow]:
    return list(session.scalars(query))
