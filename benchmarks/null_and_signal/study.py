"""One data set through the whole of Ballast: study, export, verification; and the oracle beside it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.coverage import Series
from benchmarks.null_and_signal.series import DataSet, Group
from search.config.resolve import resolve
from search.config.resolved_study import ResolvedStudy
from search.data.study_data import StudyData, load_study_data
from search.errors import AnswerIsNo
from search.seeds import trial_seed
from search.selection.choice import choose_trials
from search.selection.export import write_export
from search.selection.selection_evidence import SelectionEvidence
from search.selection.statistics.conclusion import (
    MIN_SEEDS,
    ConclusionInput,
    SkillVerdict,
    conclude,
    confidence_level,
)
from search.selection.statistics.diebold_mariano import diebold_mariano
from search.selection.statistics.interval import skill_interval
from search.selection.summary import Summary, summarise
from search.selection.verification import verify
from search.selection.verification_report import CandidateResult
from search.study.studies import open_study
from search.workers.loop import run_worker
from search.workers.progress import NoProgress
from storage.engine import Store, open_store
from trainer.data.arrays import Rows
from trainer.data.windows import Dataset, prepare_refit
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.skill import skill

SEEDS = 3
"""Trainings with fresh seeds in each verification."""
NOTHING = "nothing to verify"
"""The answer where the study was refused, or has no accepted trial."""


@dataclass(frozen=True)
class Judged:
    """A forecast on the test rows: its skill over the best naive forecast, the interval, and the answer."""

    answer: str
    reason: str
    skill: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the answer is yes."""
        return self.answer == SkillVerdict.HOLDS


@dataclass(frozen=True)
class Outcome:
    """What came of one data set. `oracle` is the planted mean as a forecast; where nothing is planted, 0."""

    group: Group
    number: int
    seed: int
    trials: int
    kind: str
    r2: float
    ballast: Judged
    oracle: Judged
    verdicts: Mapping[str, int]
    """Trials by verdict; none where the study was refused."""
    validation_skill: float | None = None
    """Of the trial of the best validation loss, over the best naive forecast of the validation rows."""
    skill_over_mean: float | None = None
    """The same over the training mean, which nobody needs the validation rows to choose."""
    noise_floor: float | None = None
    skill_shown: bool = False
    luck: float | None = None
    """How well luck explains the skill of the best trial: a p value."""

    @property
    def value_claims(self) -> bool:
        """Whether the best validation loss alone claims skill: it is below the best naive forecast's."""
        return self.validation_skill is not None and self.validation_skill > 0

    @property
    def value_claims_over_mean(self) -> bool:
        """Whether it does where the training mean is the only naive forecast."""
        return self.skill_over_mean is not None and self.skill_over_mean > 0

    def to_json(self) -> dict[str, Any]:
        """One line of the record."""
        return asdict(self)

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> "Outcome":
        """From one line of the record."""
        return cls(**{**line, "ballast": Judged(**line["ballast"]), "oracle": Judged(**line["oracle"])})


def study_file(name: str, seed: int, trials: int) -> dict[str, Any]:
    """A study as a user would write it, with a small budget: some seconds on one core."""
    return {
        "study": {"name": name, "trials": trials, "seed": seed},
        "data": {
            "source": "prices.csv",
            "time": "Date",
            "features": [
                {"name": "ret", "column": "Close", "transform": "log_return"},
                {"name": "size", "column": "Close", "transform": "abs_log_return"},
                {"name": "vol", "of": "ret", "transform": "rolling_std", "window": 10},
                {"name": "a", "column": "a"},
                {"name": "b", "column": "b"},
            ],
            "target": {"column": "Close", "transform": "log_return", "kind": "return"},
            "seq_len": 4,
            "split": {"fractions": {"train": 0.5, "validation": 0.25}},
        },
        "models": {"gru": {"hidden_size": 8}},
        "training": {"epochs": 8, "patience": 3},
        "storage": {"patience": 0},
        "tracking": {"dashboard": False},
        "space": {
            "models.gru.learning_rate": {"low": 1e-3, "high": 1e-2, "log": True},
            "models.gru.batch_size": {"choices": [64, 128]},
            "models.gru.weight_decay": {"low": 1e-4, "high": 0.1, "log": True},
            "models.gru.dropout": {"low": 0.0, "high": 0.4},
        },
    }


def outcome(data: DataSet, seed: int, trials: int) -> Outcome:
    """Search, export the most robust configuration and verify it, in a folder that is gone afterwards."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        file = study_file(f"{data.group}-{data.number}", trial_seed(seed, data.number), trials)
        data.frame.to_csv(path.with_name("prices.csv"), index=False)
        path.write_text(json.dumps(file))  # JSON is YAML
        about = (data.group, data.number, seed, trials, data.kind, data.r2)
        resolved = resolve(path)
        try:
            study_data = load_study_data(resolved)
        except AnswerIsNo as refused:
            nothing = Judged(NOTHING, str(refused))
            return Outcome(*about, nothing, nothing, {})
        oracle = judged_oracle(data, resolved, study_data)
        store = open_store(f"sqlite:///{path.with_name('ballast.db')}")
        try:
            summary, ballast, luck = _searched(resolved, study_data, store, path.with_name("best.yaml"))
        finally:
            store.close()
        best, mean = summary.best, study_data.baselines["train_mean"]
        return Outcome(
            *about,
            ballast,
            oracle,
            summary.verdicts,
            validation_skill=None if best is None else best.skill,
            skill_over_mean=None if best is None or best.value is None else skill(best.value, mean),
            noise_floor=summary.noise_floor,
            skill_shown=summary.skill_shown,
            luck=luck,
        )


def _searched(
    resolved: ResolvedStudy, study_data: StudyData, store: Store, exported: Path
) -> tuple[Summary, Judged, float | None]:
    """Run, export, verify; the last is the p value of luck, None where there is none."""
    study = open_study(resolved, study_data, store)
    run_worker(study, NoProgress(), lambda: False)
    summary = summarise(store, study.name)
    try:
        (choice,) = choose_trials(store, study.name)
    except AnswerIsNo as none_accepted:
        return summary, Judged(NOTHING, str(none_accepted)), None
    write_export(store, choice.trial, exported, choice.why)
    report = verify(exported, store, seeds=SEEDS)
    luck = report.evidence.reality_check if isinstance(report.evidence, SelectionEvidence) else None
    return summary, _judged(report.scored[0]), luck


def _judged(scored: CandidateResult) -> Judged:
    interval, said = scored.interval, scored.conclusion
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return Judged(str(said.verdict), said.reason, scored.skill, low, high)


def judged_oracle(data: DataSet, resolved: ResolvedStudy, study_data: StudyData) -> Judged:
    """The planted mean on the same test rows, by the rule that a model is judged by."""
    final = prepare_refit(resolved.trial_config.data, study_data.table)
    losses, naive = _losses(data, final, final.test)
    held_out, naive_held_out = _losses(data, study_data.base[-1], study_data.base[-1].validation)
    claimed = skill(held_out.mean(), min(each.mean() for each in naive_held_out.values()))
    return judge(losses, naive, claimed=claimed, ceiling=study_data.ceiling)


def judge(losses: Series, naive: Mapping[str, Series], *, claimed: float, ceiling: float) -> Judged:
    """The answer at a first look, from squared errors (rows,) of a forecast and of each naive one."""
    baseline = min(naive, key=lambda name: naive[name].mean())
    reached = skill(float(losses.mean()), float(naive[baseline].mean()))
    interval = skill_interval(losses, naive[baseline], level=confidence_level(1))
    said = conclude(
        ConclusionInput(
            baseline=baseline,
            skill=reached,
            interval=interval,
            comparisons={name: diebold_mariano(losses, each) for name, each in naive.items()},
            validation_skill=claimed,
            validation_lower_bound=claimed,
            ceiling=ceiling,
            seeds=MIN_SEEDS,  # an oracle has none, and needs none
            seeds_stopped=0,
            rows=len(losses),
        )
    )
    return Judged(str(said.verdict), said.reason, reached, interval.low, interval.high)


def _losses(data: DataSet, prepared: Dataset, rows: Rows) -> tuple[Series, dict[str, Series]]:
    """Squared errors (rows,) of the planted mean, and of each naive forecast."""
    times = data.frame["Date"].to_numpy().astype("datetime64[ns]")
    planted = data.mean[np.searchsorted(times, prepared.times[rows])]
    told = (planted - prepared.scaler.target_mean) / prepared.scaler.target_std
    target = prepared.target[rows].astype(np.float64)
    naive = {name: (target - each) ** 2 for name, each in baseline_forecasts(prepared, rows, MSE).items()}
    return (target - told) ** 2, naive
