"""Configurations that are to be verified: of a file, or the best of a study on record."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.config.resolved_study import ResolvedStudy, ResolvedTrial
from search.config.stored_settings import resolve_from_store
from search.errors import AnswerIsNo, RequestError
from search.record.evaluations import configuration_digest, decisive_values
from search.selection.choice import SelectionRule, choose_trials
from search.selection.rerun import export_provenance, rerun, resolve_configuration
from search.selection.skill_bound import LowerBound
from storage import query, tables
from storage.commands import ballast_command
from storage.engine import Store
from storage.errors import StudyUnknown, TrialUnknown
from trainer.training.result import Outcome


class VerificationInterrupted(Exception):
    """Somebody asked for the end before the test rows were scored."""


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
    at_least: float | None = None
    """The lower bound of `skill` on the validation rows; None where nobody computed one."""

    @property
    def decisive(self) -> dict[str, Any]:
        """What decides the training that is verified, by key: but for seeds, and what does nothing here."""
        return decisive_values(self.trial.values) | {"best_epoch": self.epochs - 1}

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what is decisive: the same wherever the file of a configuration lies."""
        return configuration_digest(self.decisive)


def candidate_from_file(
    path: Path, policy: Path | None, should_stop: Callable[[], bool], store: Store | None = None
) -> Candidate:
    """The configuration of a file. One that was not exported is trained once, to find its best epoch; that
    its validation rows were scored is put on record in `store`, if one is given.

    RequestError where the file leaves something to be searched, AnswerIsNo where that training was not
    accepted, Interrupted where it was stopped.
    """
    resolved = resolve_configuration(path, policy=policy)
    exported = export_provenance(resolved)
    if exported is not None:
        epochs, value, skill, number = (
            exported.best_epoch + 1,
            exported.value,
            exported.skill,
            exported.trial,
        )
    else:
        record = None if store is None else (lambda: store)
        found = rerun(path, policy=policy, should_stop=should_stop, store=record)
        result = found.result
        if result.outcome is Outcome.INTERRUPTED:
            raise VerificationInterrupted
        if not found.trustworthy or result.best_epoch is None or result.value is None or result.skill is None:
            raise AnswerIsNo(
                f"{path} is {found.judgement.verdict}: {found.judgement.message}; only what trains can be "
                f"verified, see: {ballast_command('train', path)}"
            )
        epochs, value, skill, number = result.best_epoch + 1, result.value, result.skill, None
    name = path.name if number is None else f"trial {number}"
    study = resolved.file.study.name if store is None else query.current_name(store, resolved.file.study.name)
    bound = None if exported is None or exported.lower_bound is None else exported.lower_bound.low
    return Candidate(name, resolved, resolved.trial({}), epochs, value, skill, study, number, bound)


def require_unedited(store: Store, chosen: Candidate, path: Path) -> None:
    """Raise RequestError where the file at `path` has other settings than its trial has on record: epochs and
    skill in its provenance are then another configuration's.
    """
    if not is_on_record(store, chosen) or query.study(store, chosen.study).sources is None:
        return
    assert chosen.number is not None, "it is on record"
    row = query.trial(store, chosen.study, chosen.number)
    was, now = _of_row(resolve_from_store(store, chosen.study), row).decisive, chosen.decisive
    changed = [
        f"{key} is {now.get(key)}, was {was.get(key)}" for key in was | now if now.get(key) != was.get(key)
    ]
    if changed:
        raise RequestError(
            f"{path} is not as trial {chosen.number} was exported: {'; '.join(changed)}; export it again, or "
            "remove the section provenance to verify it as a configuration of its own"
        )


def other_candidates(store: Store, chosen: Candidate, top: int, by: SelectionRule) -> list[Candidate]:
    """The `top` best of the study that a candidate is from, but for itself: as many as make `top` with it.

    RequestError where that study is not in the store, AnswerIsNo where it has not so many accepted trials.
    """
    if not is_on_record(store, chosen):
        raise RequestError(
            f"--top compares the best trials of study {chosen.study!r}, which is not in {store.shown_url} as "
            "it was exported; name the store that it is in with --store"
        )
    resolved = resolve_from_store(store, chosen.study)
    choices = choose_trials(store, chosen.study, top, by)
    others = [choice for choice in choices if choice.trial.number != chosen.number][: top - 1]
    return [_of_row(resolved, choice.trial, choice.why.bound) for choice in others]


def is_on_record(store: Store, chosen: Candidate) -> bool:
    """Whether the trial of a candidate is in the store, with the value and the skill that were exported."""
    if chosen.number is None:
        return False
    try:
        row = query.trial(store, chosen.study, chosen.number)
        return (row.value, row.skill) == (chosen.value, chosen.skill)
    except (StudyUnknown, TrialUnknown):
        return False


def _of_row(resolved: ResolvedStudy, row: tables.Trial, bound: LowerBound | None = None) -> Candidate:
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
        at_least=None if bound is None else bound.low,
    )
