"""Verifies configurations on rows that no search has seen: fresh seeds, one evaluation, one answer.

file ──► candidates ──► train with fresh seeds on train + validation ──► record the evaluation ──► score
                                                                         the test rows ──► conclude ──► record
"""

from collections.abc import Sequence
from pathlib import Path

from search.config.objectives import SelectionRule
from search.data.study_data import load_study_data
from search.record.evaluations import (
    ScoredRows,
    configuration_number,
    earlier_evaluations,
    first_evaluated_at,
    new_evaluation,
    unseen_rows,
)
from search.record.searched_rows import earlier_searches
from search.selection.candidate_score import require_interval, score_candidate
from search.selection.candidates import (
    Candidate,
    candidate_from_file,
    is_on_record,
    other_candidates,
    require_unedited,
)
from search.selection.export_provenance import changes_since_export, export_provenance
from search.selection.leak_warnings import leak_warnings
from search.selection.selection_evidence import SelectionEvidence, study_evidence
from search.selection.statistics.confidence_set import ConfidenceSet, confidence_set
from search.selection.trained_candidate import (
    TrainedCandidate,
    VerificationCallbacks,
    naive_losses,
    train_candidate,
)
from search.selection.verification_report import CandidateResult, VerificationReport
from storage import evaluations, tables
from storage.engine import Store


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
    trained = [train_candidate(candidate, study_data, seeds, progress) for candidate in (chosen, *rivals)]
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
    trained: TrainedCandidate,
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
    require_interval(trained, configuration_number(evaluation, earlier), before)
    number = evaluations.start_evaluation(store, evaluation)
    taken = earlier_evaluations(store, unseen)
    searches = earlier_searches(store, unseen, first_evaluated_at(evaluation, taken))
    found = score_candidate(trained, configuration_number(evaluation, taken), searches)
    report = {**found.to_json(), "asked_for": asked_for}
    kept = None if found.rows_kept is None else found.rows_kept.packed_with(unseen.series.packed())
    evaluations.finish_evaluation(store, number, str(found.conclusion.verdict), report, kept)
    return found


def _evaluation(unseen: ScoredRows, trained: TrainedCandidate) -> tables.Evaluation:
    candidate = trained.candidate
    return new_evaluation(
        unseen,
        study=candidate.study,
        trial=candidate.number,
        configuration=candidate.digest,
        seeds=[refit.seed for refit in trained.refits],
    )


def _confidence_set(scored: Sequence[CandidateResult], first: TrainedCandidate) -> ConfidenceSet | None:
    """Which of the candidates and the naive forecasts may be the best, at the same times and in one unit."""
    naive = {name: first.moments.means(each) for name, each in naive_losses(first.data, first.loss).items()}
    losses = naive | {each.candidate.name: each.losses for each in scored if each.values}
    return confidence_set(losses, horizon=first.moments.horizon)


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
