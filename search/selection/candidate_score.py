"""Scores a trained candidate on the test rows: skill with its interval, tests, rivals, conclusion."""

from collections.abc import Mapping

import numpy as np

from search.errors import RequestError
from search.record.searched_rows import EarlierSearch, effective_configurations
from search.record.validation_rows import Floats
from search.selection.forecasts_on_record import tested_forecasts
from search.selection.interval_coverage import interval_coverage
from search.selection.panel_result import PanelResult, verified_panel
from search.selection.statistics.conclusion import (
    ConclusionInput,
    bootstrap_draws,
    conclude,
    confidence_level,
)
from search.selection.statistics.diebold_mariano import DieboldMariano, diebold_mariano
from search.selection.statistics.interval import SkillInterval, skill_interval
from search.selection.statistics.rival_comparison import RivalComparison, compare_with_strongest_rival
from search.selection.trained_candidate import TrainedCandidate, naive_losses
from search.selection.unseen_series import score_unseen_series
from search.selection.verification_report import CandidateResult
from trainer.data.windows import Dataset
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.fitted import rival_forecasts
from trainer.rivals.skill import skill


def require_interval(trained: TrainedCandidate, attempt: int, searches: tuple[EarlierSearch, ...]) -> None:
    """Raise RequestError if the best naive forecast errs in too few test rows for an interval.

    This is checked before the evaluation is on record, and only if some row has no error.
    """
    naive = [trained.moments.means(each) for each in naive_losses(trained.data, trained.loss).values()]
    errors = min(naive, key=lambda losses: float(losses.mean()))
    by_seed = trained.losses_by_seed()
    if errors.all() or not by_seed:
        return
    try:
        _interval(
            np.mean(by_seed, axis=0),
            errors,
            trained.moments.horizon,
            confidence_level(attempt, effective_configurations(searches)),
        )
    except ValueError as error:
        raise RequestError(
            f"{trained.candidate.resolved.path} cannot be verified on its test rows: {error}"
        ) from None


def score_candidate(
    trained: TrainedCandidate, attempt: int, searches: tuple[EarlierSearch, ...] = ()
) -> CandidateResult:
    """The result of one evaluation, of which `attempt` is the configuration number."""
    data, candidate, moments = trained.data, trained.candidate, trained.moments
    naive_rows = naive_losses(data, trained.loss)
    naive = {name: moments.means(each) for name, each in naive_rows.items()}
    baseline = min(naive, key=lambda name: float(naive[name].mean()))
    by_seed = trained.losses_by_seed()
    losses = np.mean(by_seed, axis=0) if by_seed else np.empty(0)
    level = confidence_level(attempt, effective_configurations(searches))
    rivals = rival_forecasts(data, data.test, trained.loss)
    naive_forecast = baseline_forecasts(data, data.test, trained.loss)[baseline]
    rival_rows = rivals.row_losses(trained.target, trained.loss)
    strongest = min(rival_rows, key=lambda name: float(rival_rows[name].mean()), default=None)
    tested = interval_coverage(trained)
    reached, interval, comparisons = None, None, {}
    if by_seed:
        reached = skill(float(losses.mean()), float(naive[baseline].mean()))
        interval = _interval(losses, naive[baseline], moments.horizon, level)
        comparisons = {
            name: diebold_mariano(losses, each, horizon=moments.horizon) for name, each in naive.items()
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
        rivals={name: float(each.mean()) for name, each in rival_rows.items()},
        rivals_absent=rivals.absent,
        rivals_notes=rivals.notes,
        strongest_rival=_against_rivals(trained, losses, rival_rows, level),
        evaluation_number=attempt,
        searches=searches,
        panel=_panel(trained, rival_rows or {baseline: naive_rows[baseline]}),
        conclusion=conclude(
            _conclusion_input(trained, baseline, reached, interval, comparisons, len(by_seed))
        ),
        coverage=tested,
        unseen_series=score_unseen_series(trained, level),
        rows_kept=tested_forecasts(
            trained,
            (baseline, naive_forecast),
            None if strongest is None else (strongest, rivals.forecasts[strongest]),
            {} if tested is None else tested.bounds,
        ),
    )


def _conclusion_input(
    trained: TrainedCandidate,
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
        rows=len(trained.moments.times),
        horizon=trained.moments.horizon,
        panel_rows=_panel_rows(data),
    )


def _against_rivals(
    trained: TrainedCandidate, losses: Floats, rivals: Mapping[str, Floats], level: float
) -> RivalComparison | None:
    """Whether `losses` (moments,) are lower than those of the strongest of `rivals`, (rows,) each; None if no
    seed came to its end or no rival was fitted.
    """
    if not len(losses) or not rivals:
        return None
    moments = trained.moments
    by_moment = {name: moments.means(each) for name, each in rivals.items()}
    return compare_with_strongest_rival(
        losses, by_moment, horizon=moments.horizon, level=level, panel_rows=_panel_rows(trained.data)
    )


def _panel(trained: TrainedCandidate, references: Mapping[str, Floats]) -> PanelResult | None:
    """The figures of a panel, with skill over the best of the `references`, losses (rows,) each."""
    by_seed = trained.row_losses_by_seed()
    if not by_seed:
        return None
    name = min(references, key=lambda name: float(references[name].mean()))
    return verified_panel(trained, np.mean(by_seed, axis=0), name, references[name])


def _panel_rows(data: Dataset) -> int | None:
    """The test rows of a panel; None for a single series."""
    return len(data.test) if len(data.series_starts) > 1 else None


def _interval(losses: Floats, naive: Floats, horizon: int, level: float) -> SkillInterval:
    return skill_interval(losses, naive, level=level, horizon=horizon, draws=bootstrap_draws(level))
