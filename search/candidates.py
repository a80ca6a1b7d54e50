"""Configurations that are to be verified: of a file, or the best of a study on record."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from search.choice import choose
from search.config.resolved import ResolvedStudy, ResolvedTrial
from search.errors import AnswerIsNo, RequestError
from search.rerun import exported_from, rerun, resolve_one
from search.sources import resolve_from_store
from storage import query, tables
from storage.engine import Store
from storage.errors import StudyUnknown, TrialUnknown


@dataclass(frozen=True)
class Candidate:
    """A configuration, and what was found of it on the validation rows."""

    name: str
    resolved: ResolvedStudy
    trial: ResolvedTrial
    epochs: int
    """How many to train: those up to its best one."""
    value: float
    skill: float
    study: str
    number: int | None
    """Its trial's; None for a configuration that no study chose."""


def candidate_of(path: Path, policy: Path | None, should_stop: Callable[[], bool]) -> Candidate:
    """The configuration of a file. One that was not exported is trained once, to find its best epoch.

    RequestError where the file leaves something to be searched, AnswerIsNo where that training was not
    accepted.
    """
    resolved = resolve_one(path, policy=policy)
    exported = exported_from(resolved)
    if exported is not None:
        epochs, value, skill, number = (
            exported.best_epoch + 1,
            exported.value,
            exported.skill,
            exported.trial,
        )
    else:
        found = rerun(path, policy=policy, should_stop=should_stop)
        result = found.result
        if not found.trustworthy or result.best_epoch is None or result.value is None or result.skill is None:
            raise AnswerIsNo(
                f"{path} is {found.judgement.verdict}: {found.judgement.message}; only what trains can be "
                f"verified, see: ballast train {shlex.quote(str(path))}"
            )
        epochs, value, skill, number = result.best_epoch + 1, result.value, result.skill, None
    name = path.name if number is None else f"trial {number}"
    study = resolved.file.study.name
    return Candidate(name, resolved, resolved.trial({}), epochs, value, skill, study, number)


def rivals_of(store: Store, chosen: Candidate, top: int) -> list[Candidate]:
    """The `top` best of the study that a candidate is from, but for itself: as many as make `top` with it.

    RequestError where that study is not in the store, AnswerIsNo where it has not so many accepted trials.
    """
    if not is_on_record(store, chosen):
        raise RequestError(
            f"--top compares the best trials of study {chosen.study!r}, which is not in {store.shown_url} as "
            "it was exported; name the store that it is in with --store"
        )
    resolved = resolve_from_store(store, chosen.study)
    rows = [choice.trial for choice in choose(store, chosen.study, top)]
    others = [row for row in rows if row.number != chosen.number][: top - 1]
    return [_of_row(resolved, row) for row in others]


def is_on_record(store: Store, chosen: Candidate) -> bool:
    """Whether the trial of a candidate is in the store, with the value that was exported."""
    if chosen.number is None:
        return False
    try:
        return query.trial(store, chosen.study, chosen.number).value == chosen.value
    except (StudyUnknown, TrialUnknown):
        return False


def _of_row(resolved: ResolvedStudy, row: tables.Trial) -> Candidate:
    assert row.best_epoch is not None, "an accepted trial has a best epoch"
    assert row.value is not None, "and its loss"
    assert row.skill is not None, "and its skill"
    return Candidate(
        name=f"trial {row.number}",
        resolved=resolved,
        trial=resolved.trial(row.params),
        epochs=row.best_epoch + 1,
        value=row.value,
        skill=row.skill,
        study=row.study,
        number=row.number,
    )
