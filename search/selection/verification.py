"""Verifies configurations on rows that no search has seen: fresh seeds, one evaluation, one answer.

file ──► candidates ──► train with fresh seeds on train + validation ──► record the evaluation ──► score
                                                                         the test rows ──► conclude ──► record
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from search.data.study_data import StudyData, load_study_data
from search.errors import AnswerIsNo, RequestError
from search.record.evaluations import (
    ScoredRows,
    configuration_number,
    earlier_evaluations,
    first_evaluated_at,
    new_evaluation,
    unseen_rows,
)
from search.record.searched_rows import EarlierSearch, earlier_searches, effective_configurations
from search.record.validation_rows import Floats
from search.seeds import fresh_seed
from search.selection.candidates import (
    Candidate,
    VerificationInterrupted,
    candidate_from_file,
    is_on_record,
    other_candidates,
    require_unedited,
)
from search.selection.choice import SelectionRule
from search.selection.leak_warnings import leak_warnings
from search.selection.rerun import changes_since_export, export_provenance
from search.selection.selection_evidence import SelectionEvidence, study_evidence
from search.selection.statistics.conclusion import (
    ConclusionInput,
    bootstrap_draws,
    conclude,
    confidence_level,
)
from search.selection.statistics.confidence_set import ConfidenceSet, confidence_set
from search.selection.statistics.diebold_mariano import DieboldMariano, diebold_mariano
from search.selection.statistics.interval import SkillInterval, skill_interval
from search.selection.statistics.rival_comparison import RivalComparison, compare_with_strongest_rival
from search.selection.statistics.stationary_bootstrap import min_interval_rows
from search.selection.verification_report import CandidateResult, VerificationReport
from search.verdict import settings_not_applied
from storage import evaluations, tables
from storage.engine import Store
from trainer.data.windows import Dataset, prepare_refit
from trainer.losses import Loss
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.fitted import rival_forecasts
from trainer.rivals.skill import skill
from trainer.training.result import Outcome, RefitResult

_EXACT = 1e-12
"""Mean loss of the standardised target below which a forecast counts as exact, apart from rounding."""


@dataclass(frozen=True)
class VerificationCallbacks:
    """Called after each training, and to ask whether to stop."""

    trained: Callable[[Candidate, RefitResult], None] = lambda candidate, refit: None
    should_stop: Callable[[], bool] = lambda: False


def verify(
    path: Path,
    store: Store,
    *,
    seeds: int = 5,
    top: int = 1,
    by: SelectionRule = "robust",
    policy: Path | None = None,
    progress: VerificationCallbacks | None = None,
) -> VerificationReport:
    """Score the configuration of `path` on the test rows with `seeds` ≥ 1 fresh seeds, and with it the `top`
    - 1 best other trials of its study, chosen `by` bound or value.

    Each evaluation is put on record before its rows are scored. Raises VerificationInterrupted before that,
    and RequestError and AnswerIsNo as `candidate_from_file` and `other_candidates` do.
    """
    progress = VerificationCallbacks() if progress is None else progress
    chosen = candidate_from_file(path, policy, progress.should_stop, store)
    require_unedited(store, chosen, path)
    rivals = [] if top == 1 else other_candidates(store, chosen, top, by)
    study_data = load_study_data(chosen.resolved)
    trained = [_trained(candidate, study_data, seeds, progress) for candidate in (chosen, *rivals)]
    first = trained[0]
    unseen = unseen_rows(chosen.resolved, chosen.trial.config.data, first.data, study_data.table)
    earlier = tuple(earlier_evaluations(store, unseen))
    scored = [_evaluate(store, unseen, each, earlier, asked_for=each is first) for each in trained]
    return VerificationReport(
        scored=tuple(scored),
        unseen=unseen,
        earlier=earlier,
        confidence_set=_confidence_set(scored, first) if top > 1 else None,
        evidence=_evidence(store, chosen),
        changes=_changes(chosen, study_data.table.sha256),
        warnings=tuple(leak_warnings(map(vars, study_data.audit.findings))),
    )


def _evaluate(
    store: Store,
    unseen: ScoredRows,
    trained: "_TrainedCandidate",
    earlier: Sequence[tables.Evaluation],
    *,
    asked_for: bool,
) -> CandidateResult:
    """Put the evaluation on record, score the rows, then put the result on record.

    `earlier` are the evaluations before those of this verification. `asked_for`: the user named this
    configuration; pages show the newest answer about such a one, not about those it is compared with.
    """
    evaluation = _evaluation(unseen, trained)
    before = earlier_searches(store, unseen, first_evaluated_at(evaluation, earlier))
    _require_interval(trained, configuration_number(evaluation, earlier), before)
    number = evaluations.start_evaluation(store, evaluation)
    taken = earlier_evaluations(store, unseen)
    searches = earlier_searches(store, unseen, first_evaluated_at(evaluation, taken))
    found = _score(trained, configuration_number(evaluation, taken), searches)
    report = {**found.to_json(), "asked_for": asked_for}
    evaluations.finish_evaluation(store, number, str(found.conclusion.verdict), report)
    return found


@dataclass(frozen=True)
class _TrainedCandidate:
    candidate: Candidate
    data: Dataset
    ceiling: float
    refits: tuple[RefitResult, ...]

    @property
    def loss(self) -> Loss:
        """What the candidate was trained by and is judged by."""
        return self.candidate.trial.config.loss


def _trained(
    candidate: Candidate, study_data: StudyData, seeds: int, progress: VerificationCallbacks
) -> _TrainedCandidate:
    """Train with fresh seeds on all rows before the test, for the epochs that validation chose."""
    from trainer.training.loop import refit  # imports torch, which only training needs

    config = candidate.trial.config
    data, refits = prepare_refit(config.data, study_data.table), []
    _require_rows(config.data.source, data)
    _require_naive_errors(config.data.source, data, config.loss)
    for number in range(seeds):
        seed = fresh_seed(candidate.resolved.file.study.seed, number)
        done = refit(config, data, epochs=candidate.epochs, seed=seed, should_stop=progress.should_stop)
        if done.outcome is Outcome.INTERRUPTED:
            raise VerificationInterrupted
        if differing := settings_not_applied(done.effective, candidate.trial.values):
            raise AnswerIsNo(f"{candidate.name} was not trained as it is configured: {'; '.join(differing)}")
        refits.append(done)
        progress.trained(candidate, done)
    return _TrainedCandidate(candidate, data, study_data.ceiling, tuple(refits))


def _require_rows(source: str, data: Dataset) -> None:
    """Raise RequestError if the test rows are too few for an interval: the evaluation would be wasted."""
    needed = min_interval_rows(data.horizon)
    if len(data.test) < needed:
        raise RequestError(
            f"{source} has {len(data.test)} test rows at a horizon of {data.horizon}, and an interval needs "
            f"{needed}; move data.split.validation_until earlier, or use a longer series"
        )


def _require_naive_errors(source: str, data: Dataset, loss: Loss) -> None:
    """Raise RequestError if a naive forecast is exact in every test row: no skill over it exists."""
    _, naive = _judged_by(data, loss)
    exact = next((name for name, losses in naive.items() if float(losses.mean()) <= _EXACT), None)
    if exact is not None:
        raise RequestError(
            f"{source}: the naive forecast {exact} is exact in all {len(data.test)} test rows, so that no "
            "skill over it exists; verify on rows in which the target varies"
        )


def _require_interval(trained: _TrainedCandidate, attempt: int, searches: tuple[EarlierSearch, ...]) -> None:
    """Raise RequestError if the best naive forecast errs in too few test rows for an interval.

    This is checked before the evaluation is on record, and only if some row has no error.
    """
    _, naive = _judged_by(trained.data, trained.loss)
    errors = min(naive.values(), key=lambda losses: float(losses.mean()))
    by_seed = _losses_by_seed(trained)
    if errors.all() or not by_seed:
        return
    try:
        _interval(
            np.mean(by_seed, axis=0),
            errors,
            trained.data.horizon,
            confidence_level(attempt, effective_configurations(searches)),
        )
    except ValueError as error:
        raise RequestError(
            f"{trained.candidate.resolved.path} cannot be verified on its test rows: {error}"
        ) from None


def _losses_by_seed(trained: _TrainedCandidate) -> list[Floats]:
    """The losses of each seed that came to its end, (rows,)."""
    target, _ = _judged_by(trained.data, trained.loss)
    forecasts = [refit.forecasts for refit in trained.refits if refit.forecasts is not None]
    return [trained.loss.value(each.astype(np.float64), target) for each in forecasts]


def _interval(losses: Floats, naive: Floats, horizon: int, level: float) -> SkillInterval:
    return skill_interval(losses, naive, level=level, horizon=horizon, draws=bootstrap_draws(level))


def _evaluation(unseen: ScoredRows, trained: _TrainedCandidate) -> tables.Evaluation:
    candidate = trained.candidate
    return new_evaluation(
        unseen,
        study=candidate.study,
        trial=candidate.number,
        configuration=candidate.digest,
        seeds=[refit.seed for refit in trained.refits],
    )


def _score(
    trained: _TrainedCandidate, attempt: int, searches: tuple[EarlierSearch, ...] = ()
) -> CandidateResult:
    """The result of one evaluation, of which `attempt` is the configuration number."""
    data, candidate = trained.data, trained.candidate
    target, naive = _judged_by(data, trained.loss)
    baseline = min(naive, key=lambda name: float(naive[name].mean()))
    by_seed = _losses_by_seed(trained)
    losses = np.mean(by_seed, axis=0) if by_seed else np.empty(0)
    level = confidence_level(attempt, effective_configurations(searches))
    rivals = rival_forecasts(data, data.test, trained.loss)
    reached, interval, comparisons = None, None, {}
    if by_seed:
        reached = skill(float(losses.mean()), float(naive[baseline].mean()))
        interval = _interval(losses, naive[baseline], data.horizon, level)
        comparisons = {
            name: diebold_mariano(losses, each, horizon=data.horizon) for name, each in naive.items()
        }
    return CandidateResult(
        candidate=candidate,
        refits=trained.refits,
        rows={"train": len(data.train), "test": len(data.test)},
        naive={name: float(each.mean()) for name, each in naive.items()},
        baseline=baseline,
        values=tuple(float(each.mean()) for each in by_seed),
        losses=losses,
        interval=interval,
        comparisons=comparisons,
        rivals=rivals.losses(target, trained.loss),
        rivals_absent=rivals.absent,
        strongest_rival=_against_rivals(losses, rivals.row_losses(target, trained.loss), data.horizon, level),
        evaluation_number=attempt,
        searches=searches,
        conclusion=conclude(
            _conclusion_input(trained, baseline, reached, interval, comparisons, len(by_seed))
        ),
    )


def _conclusion_input(
    trained: _TrainedCandidate,
    baseline: str,
    reached: float | None,
    interval: SkillInterval | None,
    comparisons: Mapping[str, DieboldMariano],
    seeds_done: int,
) -> ConclusionInput:
    """What is concluded from: the skill `reached` over `baseline`, and the skill on the validation rows."""
    candidate, data, seeds = trained.candidate, trained.data, len(trained.refits)
    bound = candidate.skill_lower_bound
    return ConclusionInput(
        baseline=baseline,
        skill=reached,
        interval=interval,
        comparisons=comparisons,
        validation_skill=candidate.skill,
        validation_lower_bound=candidate.skill if bound is None else bound,
        ceiling=trained.ceiling,
        seeds=seeds,
        seeds_stopped=seeds - seeds_done,
        rows=len(data.test),
        horizon=data.horizon,
    )


def _against_rivals(
    losses: Floats, rivals: Mapping[str, Floats], horizon: int, level: float
) -> RivalComparison | None:
    """Whether `losses` (rows,) are lower than those of the strongest of `rivals`, (rows,) each; None if no
    seed came to its end or no rival was fitted.
    """
    if not len(losses) or not rivals:
        return None
    return compare_with_strongest_rival(losses, rivals, horizon=horizon, level=level)


def _confidence_set(scored: Sequence[CandidateResult], first: _TrainedCandidate) -> ConfidenceSet | None:
    """Which of the candidates and the naive forecasts may be the best, on the same rows and in one unit."""
    _, naive = _judged_by(first.data, first.loss)
    losses = naive | {each.candidate.name: each.losses for each in scored if each.values}
    return confidence_set(losses, horizon=first.data.horizon)


def _judged_by(data: Dataset, loss: Loss) -> tuple[Floats, dict[str, Floats]]:
    """The targets of the test rows (rows,), and the losses (rows,) of each naive forecast."""
    target = data.target[data.test].astype(np.float64)
    naive = baseline_forecasts(data, data.test, loss)
    return target, {name: loss.value(forecasts, target) for name, forecasts in naive.items()}


def _evidence(store: Store, chosen: Candidate) -> SelectionEvidence | str:
    if chosen.number is None:
        return "no study chose this configuration"
    if not is_on_record(store, chosen):
        return (
            f"study {chosen.study!r} is not in {store.shown_url} as it was exported; name its store: --store"
        )
    return study_evidence(store, chosen.study, chosen.number)


def _changes(chosen: Candidate, sha256: str) -> tuple[str, ...]:
    exported = export_provenance(chosen.resolved)
    return () if exported is None else changes_since_export(exported, chosen.resolved, sha256)
