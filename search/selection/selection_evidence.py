"""Evidence about the choice of the best trial, from all trials of its study: how far luck explains it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from search.record.validation_rows import (
    Floats,
    Forecasts,
    ValidationRows,
    mean_forecast,
    seed_forecasts,
    validation_rows,
)
from search.selection.statistics.market_timing import MarketTiming, market_timing
from search.selection.statistics.overfitting import BacktestOverfitting, probability_of_backtest_overfitting
from search.selection.statistics.reality_check import measured_noise_floor, superior_predictive_ability
from search.selection.statistics.sharpe import DeflatedSharpe, deflated_sharpe, sharpe_ratio, sign_returns
from search.selection.summary import MEASURED_FLOOR, MeasuredFloor, Summary, summarise
from storage import query, record, tables
from storage.engine import Store
from storage.verdicts import Verdict
from trainer.training.result import FindingKind

_CHOSEN_FROM = (Verdict.ACCEPTED, Verdict.UNPROMISING)

LONG_ONLY = "long_only"
TRAIN_MEAN_SIGN = "train_mean_sign"


@dataclass(frozen=True)
class SuspiciousTrials:
    """The suspicious trials of a study, which the best is not chosen from.

    `highest_skill` is the highest skill that any of them showed, and `trial` its number; both are None if
    there is no suspicious trial with a skill on record.
    """

    trials: int
    highest_skill: float | None = None
    trial: int | None = None


@dataclass(frozen=True)
class SelectionEvidence:
    """Statistics on the validation rows of all trials that the best was chosen from, also pruned ones."""

    trials: int
    rows: int
    noise_floor: float
    """Skill that luck alone reaches, by the formula."""
    measured_floor: float
    """Skill that luck alone reaches, measured on these trials' forecasts."""
    reality_check: float
    """p value (0 … 1) of the best trial's skill, if no trial beats the baseline."""
    overfitting: BacktestOverfitting | None
    """None if there are too few rows or trials."""
    sharpe: DeflatedSharpe | None
    """Of a strategy that holds the sign of the forecast; only for targets that are returns. It is compared
    with holding nothing, so if returns drift it is high for any strategy that is always long; see
    `timing`."""
    timing: Mapping[str, MarketTiming] | None
    """What that strategy earns beyond `long_only`, and beyond `train_mean_sign`, which holds the sign of the
    mean return of each fold's training rows; only for targets that are returns."""
    suspicious_trials: SuspiciousTrials

    def to_json(self) -> dict[str, Any]:
        """The part of `verify --json` that is about the study."""
        old_names = {"reality_check": "luck", "suspicious_trials": "quarantined"}
        return {old_names.get(name, name): value for name, value in asdict(self).items()}


def study_evidence(store: Store, study: str, best: int) -> SelectionEvidence | str:
    """The evidence about the choice of trial `best`, or the reason why there is none."""
    rows = validation_rows(store, study)
    if rows is None:
        return f"study {study!r} was started before forecasts were kept"
    by_trial = _candidate_forecasts(store, study)
    numbers = list(by_trial)
    if best not in numbers:
        return f"study {study!r} has no forecasts of trial {best} on record"
    losses, naive = _losses(rows, by_trial), rows.by_time(rows.baseline_losses)
    told = list(map(mean_forecast, by_trial.values()))
    try:
        floor = measured_noise_floor(losses, naive, horizon=rows.moments.horizon)
        p_value = superior_predictive_ability(losses, naive, horizon=rows.moments.horizon)
    except ValueError as error:
        return str(error)
    return SelectionEvidence(
        trials=len(numbers),
        rows=len(naive),
        noise_floor=summarise(store, study).noise_floor,
        measured_floor=floor,
        reality_check=p_value,
        overfitting=_overfitting(losses),
        sharpe=_sharpe(rows, told, numbers.index(best)),
        timing=_timing(rows, told, numbers.index(best)),
        suspicious_trials=suspicious_trials(store, study),
    )


def measure_floor(store: Store, study: str) -> MeasuredFloor | None:
    """The noise floor measured on the trials that the best is chosen from; None if it cannot be measured."""
    rows = validation_rows(store, study)
    by_trial = {} if rows is None else _candidate_forecasts(store, study)
    if rows is None or not by_trial:
        return None
    naive = rows.by_time(rows.baseline_losses)
    try:
        return MeasuredFloor(
            measured_noise_floor(_losses(rows, by_trial), naive, horizon=rows.moments.horizon), len(by_trial)
        )
    except ValueError:  # too few rows for a bootstrap
        return None


def record_measured_floor(store: Store, study: str) -> None:
    """Measure the noise floor and store it in the study's facts, so that every page can show it."""
    floor = measure_floor(store, study)
    if floor is not None:
        record.set_study_facts(store, study, {MEASURED_FLOOR: asdict(floor)})


def with_measured_floor(store: Store, summary: Summary) -> Summary:
    """The summary with the noise floor measured on all its trials: the recorded one, or measured now."""
    choices = sum(summary.verdicts.get(verdict, 0) for verdict in _CHOSEN_FROM)
    if summary.measured is not None and summary.measured.trials == choices:
        return summary
    return replace(summary, measured=measure_floor(store, summary.study.name) or summary.measured)


def _candidate_forecasts(store: Store, study: str) -> dict[int, Forecasts]:
    """The forecasts (seeds, n) of the trials that the best was chosen from, by number."""
    stored = seed_forecasts(store, study)
    chosen_from = [trial for trial in query.trials(store, study) if _was_candidate(trial, study)]
    return {trial.number: stored[trial.number] for trial in chosen_from if trial.number in stored}


def _losses(rows: ValidationRows, by_trial: Mapping[int, Forecasts]) -> Floats:
    """Losses (m, K) of K trials at m times."""
    return np.stack([rows.by_time(rows.mean_losses(each)) for each in by_trial.values()], axis=1)


def suspicious_trials(store: Store, study: str) -> SuspiciousTrials:
    """The suspicious trials of a study; StudyUnknown if there is none of that name."""
    suspicious = [
        trial
        for trial in query.trials(store, study, Verdict.SUSPICIOUS)
        if trial.source_study != study  # without copies of trials of the same study
    ]
    skills = {trial.number: [] if trial.skill is None else [trial.skill] for trial in suspicious}
    for trial in suspicious:
        for finding in query.findings(store, study, trial.number):
            if finding.kind == FindingKind.SKILL_TOO_HIGH:
                skills[trial.number].append(finding.value)
    highest = {number: max(values) for number, values in skills.items() if values}
    if not highest:
        return SuspiciousTrials(len(suspicious))
    number = max(highest, key=lambda each: highest[each])
    return SuspiciousTrials(len(suspicious), highest[number], number)


def _was_candidate(trial: tables.Trial, study: str) -> bool:
    """Whether the best trial could have been this one; copies of trials of the same study do not count."""
    return trial.verdict in _CHOSEN_FROM and trial.source_study != study


def _overfitting(losses: Floats) -> BacktestOverfitting | None:
    try:
        return probability_of_backtest_overfitting(losses)
    except ValueError:
        return None


def _in_target_unit(rows: ValidationRows, values: npt.NDArray[np.floating]) -> Floats:
    """Standardised targets or forecasts of all rows, in the target's unit, by distinct row (r,)."""
    return rows.distinct_rows.means(rows.own_unit(values))


def _timing(
    rows: ValidationRows, by_trial: Sequence[Forecasts], best: int
) -> Mapping[str, MarketTiming] | None:
    if rows.kind != "return":
        return None
    target = _in_target_unit(rows, rows.target)
    positions = np.sign(np.stack([_in_target_unit(rows, each) for each in by_trial], axis=1))
    benchmarks = {
        LONG_ONLY: np.ones(len(target)),
        TRAIN_MEAN_SIGN: np.sign(rows.distinct_rows.means(rows.unit_mean)),
    }
    moments = rows.distinct_rows.moments
    return {
        name: market_timing(positions, held, target, best, moments.horizon, moments.means)
        for name, held in benchmarks.items()
    }


def _sharpe(rows: ValidationRows, by_trial: Sequence[Forecasts], best: int) -> DeflatedSharpe | None:
    """That of a strategy that holds the sign of each series' forecast, with the same stake in every row."""
    if rows.kind != "return":
        return None
    target, moments = _in_target_unit(rows, rows.target), rows.distinct_rows.moments
    earned = [moments.means(sign_returns(_in_target_unit(rows, each), target)) for each in by_trial]
    returns = [each[:: moments.horizon] for each in earned]
    try:
        return deflated_sharpe(returns[best], np.array([sharpe_ratio(each) for each in returns]))
    except ValueError:
        return None
