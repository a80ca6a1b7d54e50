"""The configurations that are verified: the one of a file, and the best of its study on record."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from search.config.objectives import SelectionRule
from search.config.resolved_study import ResolvedStudy, ResolvedTrial
from search.errors import AnswerIsNo, RequestError
from search.record.continuation import resolve_from_store
from search.record.evaluations import configuration_digest, decisive_values
from search.selection.choice import ChosenTrial, choose_trials
from search.selection.export_provenance import export_provenance
from search.selection.rerun import Rerun, rerun, resolve_configuration
from search.selection.skill_bound import LowerBound
from search.selection.validation_intervals import recorded_forecasts, trained_forecasts
from storage import query, tables
from storage.commands import ballast_command
from storage.engine import Store
from storage.errors import StudyUnknown, TrialUnknown
from trainer.inference.forecast_intervals import ForecastIntervals, ValidationForecasts, measure_intervals
from trainer.training.result import Outcome


class VerificationInterrupted(Exception):
    """Verification was asked to stop before the test rows were scored."""


@dataclass(frozen=True)
class Candidate:
    """A configuration, with its results on the validation rows."""

    name: str
    resolved: ResolvedStudy
    trial: ResolvedTrial
    epochs: int
    """How many epochs to train: up to the best one."""
    value: float
    skill: float
    study: str
    number: int | None
    """The number of its trial; None for a configuration that no study chose."""
    skill_lower_bound: float | None = None
    """The lower bound of `skill` on the validation rows; None if there is none."""
    validated: ValidationForecasts | None = field(default=None, repr=False)
    """Of the trial's own training; None if it could not be repeated where it is not on record."""

    @cached_property
    def intervals(self) -> ForecastIntervals | None:
        """The intervals of the trial; None without its validation forecasts."""
        found, config = self.validated, self.trial.config.data
        return None if found is None else measure_intervals(config, found, "trial")

    @property
    def decisive(self) -> dict[str, Any]:
        """The settings that decide the verified training, by key: no seeds, and none without effect."""
        return decisive_values(self.trial.values) | {"best_epoch": self.epochs - 1}

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of `decisive`: the same in whichever folder the configuration's file is."""
        return configuration_digest(self.decisive)


def candidate_from_file(
    path: Path, policy: Path | None, should_stop: Callable[[], bool], store: Store | None = None
) -> Candidate:
    """The configuration of a file. A file that was not exported is trained once to find its best epoch, and
    this evaluation of the validation rows is recorded in `store`, if one is given. An exported one is trained
    once for its validation forecasts if `store` does not have the forecasts of its trial.

    Raises RequestError if the file searches any setting, AnswerIsNo if that training was not accepted, and
    VerificationInterrupted if it was stopped.
    """
    resolved = resolve_configuration(path, policy=policy)
    exported = export_provenance(resolved)
    study = resolved.file.study.name if store is None else query.current_name(store, resolved.file.study.name)
    if exported is None:
        return _trained_candidate(path, resolved, study, _train_once(path, policy, should_stop, store))
    bound = exported.lower_bound
    candidate = Candidate(
        name=f"trial {exported.trial}",
        resolved=resolved,
        trial=resolved.trial({}),
        epochs=exported.best_epoch + 1,
        value=exported.value,
        skill=exported.skill,
        study=study,
        number=exported.trial,
        skill_lower_bound=None if bound is None else bound.low,
    )
    known = None if store is None else _recorded_forecasts(store, candidate)
    if known is None:
        again = _train_once(path, policy, should_stop, store)
        known = trained_forecasts(again) if again.trustworthy else None
    return replace(candidate, validated=known)


def _recorded_forecasts(store: Store, candidate: Candidate) -> ValidationForecasts | None:
    if candidate.number is None or not is_on_record(store, candidate):
        return None
    return recorded_forecasts(store, candidate.study, candidate.number)


def _trained_candidate(path: Path, resolved: ResolvedStudy, study: str, found: Rerun) -> Candidate:
    """A configuration that no study chose, after its training."""
    result = found.result
    if not found.trustworthy or result.best_epoch is None or result.value is None or result.skill is None:
        raise AnswerIsNo(
            f"{path} is {found.judgement.verdict}: {found.judgement.message}; only what trains can be "
            f"verified, see: {ballast_command('train', path)}"
        )
    return Candidate(
        name=path.name,
        resolved=resolved,
        trial=resolved.trial({}),
        epochs=result.best_epoch + 1,
        value=result.value,
        skill=result.skill,
        study=study,
        number=None,
        validated=trained_forecasts(found),
    )


def _train_once(
    path: Path, policy: Path | None, should_stop: Callable[[], bool], store: Store | None
) -> Rerun:
    record = None if store is None else (lambda: store)
    found = rerun(path, policy=policy, should_stop=should_stop, store=record)
    if found.result.outcome is Outcome.INTERRUPTED:
        raise VerificationInterrupted
    return found


def require_unedited(store: Store, chosen: Candidate, path: Path) -> None:
    """Raise RequestError if the settings in the file at `path` differ from those of its trial on record:
    epochs and skill in its provenance would belong to another configuration.
    """
    if not is_on_record(store, chosen) or query.study(store, chosen.study).sources is None:
        return
    assert chosen.number is not None, "the candidate is on record"
    row = query.trial(store, chosen.study, chosen.number)
    was, now = candidate_from_trial(resolve_from_store(store, chosen.study), row).decisive, chosen.decisive
    changed = [
        f"{key} is {now.get(key)}, was {was.get(key)}" for key in was | now if now.get(key) != was.get(key)
    ]
    if changed:
        raise RequestError(
            f"{path} is not as trial {chosen.number} was exported: {'; '.join(changed)}; export it again, or "
            "remove the section provenance to verify it as a configuration of its own"
        )


def other_candidates(store: Store, chosen: Candidate, top: int, by: SelectionRule) -> list[Candidate]:
    """The best other trials of the candidate's study, so many that there are `top` candidates with it.

    RequestError if that study is not in the store, AnswerIsNo if it has fewer accepted trials.
    """
    if not is_on_record(store, chosen):
        raise RequestError(
            f"--top compares the best trials of study {chosen.study!r}, which is not in {store.shown_url} as "
            "it was exported; name the store that it is in with --store"
        )
    resolved = resolve_from_store(store, chosen.study)
    choices = choose_trials(store, chosen.study, top, by)
    others = [choice for choice in choices if choice.trial.number != chosen.number][: top - 1]
    found = [candidate_from_trial(resolved, choice.trial, choice.why.bound) for choice in others]
    return [replace(each, validated=_recorded_forecasts(store, each)) for each in found]


def chosen_candidate(store: Store, study: str, choice: ChosenTrial) -> Candidate:
    """A trial of a study on record that was chosen, with its validation forecasts."""
    found = candidate_from_trial(resolve_from_store(store, study), choice.trial, choice.why.bound)
    return replace(found, validated=_recorded_forecasts(store, found))


def is_on_record(store: Store, chosen: Candidate) -> bool:
    """Whether the candidate's trial is in the store with the exported value and skill."""
    if chosen.number is None:
        return False
    try:
        row = query.trial(store, chosen.study, chosen.number)
        return (row.value, row.skill) == (chosen.value, chosen.skill)
    except (StudyUnknown, TrialUnknown):
        return False


def candidate_from_trial(
    resolved: ResolvedStudy, row: tables.Trial, bound: LowerBound | None = None
) -> Candidate:
    """An accepted trial of a study; `bound` is that of its skill."""
    assert row.best_epoch is not None, "an accepted trial has a best epoch"
    assert row.value is not None, "an accepted trial has a loss"
    assert row.skill is not None, "an accepted trial has a skill"
    return Candidate(
        name=f"trial {row.number}",
        resolved=resolved,
        trial=resolved.trial(row.params),
        epochs=row.best_epoch + 1,
        value=row.value,
        skill=row.skill,
        study=row.study,
        number=row.number,
        skill_lower_bound=None if bound is None else bound.low,
    )
