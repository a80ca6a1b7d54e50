"""What the record of a whole study says of its best: how likely the search has fooled itself."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from search.record.validation_rows import Floats, Forecasts, ValidationRows, forecasts, validation_rows
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
    """The suspicious trials of a study, from which nothing was chosen.

    `highest_skill` is the highest that any of them showed, and `trial` its number; both are None where none
    was found suspicious, or no skill is on record.
    """

    trials: int
    highest_skill: float | None = None
    trial: int | None = None


@dataclass(frozen=True)
class SelectionEvidence:
    """All on the validation rows, over the trials that the best was chosen from, pruned ones too."""

    trials: int
    rows: int
    noise_floor: float
    """Skill that luck reaches, by the formula."""
    measured_floor: float
    """The same, measured on these trials' forecasts."""
    luck: float
    """How well luck explains the best trial's skill: a p value."""
    overfitting: BacktestOverfitting | None
    """None where there are too few rows or trials to tell."""
    sharpe: DeflatedSharpe | None
    """Of a strategy that holds the sign of the forecast; for targets that are returns alone. Its benchmark is
    to hold nothing, so where returns drift it is high for whoever is always long; see `market_timing`."""
    timing: Mapping[str, MarketTiming] | None
    """What that strategy earns beyond `long_only`, and beyond `train_mean_sign`, which holds the sign of the
    mean return of each fold's training rows; for returns alone."""
    quarantined: SuspiciousTrials

    def to_json(self) -> dict[str, Any]:
        """The part of `verify --json` that is about the study."""
        return asdict(self)


def study_evidence(store: Store, study: str, best: int) -> SelectionEvidence | str:
    """The evidence on the choice of trial `best`, or the reason why there is none."""
    rows = validation_rows(store, study)
    if rows is None:
        return f"study {study!r} was started before forecasts were kept"
    told = _choices(store, study)
    numbers = list(told)
    if best not in numbers:
        return f"study {study!r} has no forecasts of trial {best} on record"
    losses, naive = _losses(rows, told), rows.by_time(rows.baseline_losses)
    try:
        floor = measured_noise_floor(losses, naive, horizon=rows.horizon)
        luck = superior_predictive_ability(losses, naive, horizon=rows.horizon)
    except ValueError as error:
        return str(error)
    return SelectionEvidence(
        trials=len(numbers),
        rows=len(naive),
        noise_floor=summarise(store, study).noise_floor,
        measured_floor=floor,
        luck=luck,
        overfitting=_overfitting(losses),
        sharpe=_sharpe(rows, list(told.values()), numbers.index(best)),
        timing=_timing(rows, list(told.values()), numbers.index(best)),
        quarantined=suspicious_trials(store, study),
    )


def measure_floor(store: Store, study: str) -> MeasuredFloor | None:
    """The noise floor as measured on the trials that the best is chosen from; None where it cannot be."""
    rows = validation_rows(store, study)
    told = {} if rows is None else _choices(store, study)
    if rows is None or not told:
        return None
    naive = rows.by_time(rows.baseline_losses)
    try:
        return MeasuredFloor(
            measured_noise_floor(_losses(rows, told), naive, horizon=rows.horizon), len(told)
        )
    except ValueError:  # too few rows for a bootstrap
        return None


def record_measured_floor(store: Store, study: str) -> None:
    """Measure the noise floor and keep it among the study's facts, so that every page can show it."""
    found = measure_floor(store, study)
    if found is not None:
        record.set_study_facts(store, study, {MEASURED_FLOOR: asdict(found)})


def with_measured_floor(store: Store, summary: Summary) -> Summary:
    """The summary with the noise floor measured on all its trials: as recorded, else measured now."""
    choices = sum(summary.verdicts.get(verdict, 0) for verdict in _CHOSEN_FROM)
    if summary.measured is not None and summary.measured.trials == choices:
        return summary
    return replace(summary, measured=measure_floor(store, summary.study.name) or summary.measured)


def _choices(store: Store, study: str) -> dict[int, Forecasts]:
    """The forecasts of the trials that the best was chosen from, by number."""
    told = forecasts(store, study)
    chosen_from = [trial for trial in query.trials(store, study) if _was_a_choice(trial, study)]
    return {trial.number: told[trial.number] for trial in chosen_from if trial.number in told}


def _losses(rows: ValidationRows, told: Mapping[int, Forecasts]) -> Floats:
    """Losses (m, K) of K trials at m times."""
    return rows.by_time(np.stack([rows.losses(each) for each in told.values()], axis=1))


def suspicious_trials(store: Store, study: str) -> SuspiciousTrials:
    """The suspicious trials of a study; StudyUnknown if there is none of that name."""
    suspicious = [
        trial
        for trial in query.trials(store, study, Verdict.SUSPICIOUS)
        if trial.source_study != study  # a copy of one beside it is no other trial
    ]
    reached = {trial.number: [] if trial.skill is None else [trial.skill] for trial in suspicious}
    for trial in suspicious:
        for finding in query.findings(store, study, trial.number):
            if finding.kind == FindingKind.SKILL_TOO_HIGH:
                reached[trial.number].append(finding.value)
    highest = {number: max(skills) for number, skills in reached.items() if skills}
    if not highest:
        return SuspiciousTrials(len(suspicious))
    number = max(highest, key=lambda each: highest[each])
    return SuspiciousTrials(len(suspicious), highest[number], number)


def _was_a_choice(trial: tables.Trial, study: str) -> bool:
    """Whether the best could have been this one; a copy of a trial beside it is no other choice."""
    return trial.verdict in _CHOSEN_FROM and trial.source_study != study


def _overfitting(losses: Floats) -> BacktestOverfitting | None:
    try:
        return probability_of_backtest_overfitting(losses)
    except ValueError:
        return None


def _in_its_unit(rows: ValidationRows, values: Floats) -> Floats:
    """Standardised values (n,) of all rows, in the target's own unit and by time (m,)."""
    return rows.by_time(values * rows.unit_std + rows.unit_mean)


def _timing(rows: ValidationRows, told: Sequence[Forecasts], best: int) -> Mapping[str, MarketTiming] | None:
    if rows.kind != "return":
        return None
    target = _in_its_unit(rows, rows.target)
    positions = np.sign(np.stack([_in_its_unit(rows, each.astype(float)) for each in told], axis=1))
    benchmarks = {
        LONG_ONLY: np.ones(len(target)),
        TRAIN_MEAN_SIGN: np.sign(rows.by_time(rows.unit_mean)),
    }
    return {
        name: market_timing(positions, held, target, best, rows.horizon) for name, held in benchmarks.items()
    }


def _sharpe(rows: ValidationRows, told: Sequence[Forecasts], best: int) -> DeflatedSharpe | None:
    if rows.kind != "return":
        return None
    target = _in_its_unit(rows, rows.target)
    returns = [sign_returns(_in_its_unit(rows, each.astype(float)), target, rows.horizon) for each in told]
    try:
        return deflated_sharpe(returns[best], np.array([sharpe_ratio(each) for each in returns]))
    except ValueError:
        return None
