"""One study through Ballast: its audit, a small search, the surest configuration, and its verification."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.leaks.studies import Study
from search.config.resolve import resolve
from search.config.resolved_study import ResolvedStudy
from search.data.study_data import DataInspection, StudyData, inspect_data, load_study_data
from search.errors import AnswerIsNo
from search.selection.choice import choose_trials
from search.selection.export import write_export
from search.selection.verification import verify
from search.selection.verification_report import VerificationReport
from search.study.studies import open_study
from search.verdict import judge
from search.workers.loop import run_worker
from search.workers.progress import NoProgress
from storage import query
from storage.engine import Store, open_store
from storage.verdicts import Verdict
from trainer.audit.audit_findings import AuditFinding
from trainer.config import TrialConfig
from trainer.data.windows import prepare_refit
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.skill import skill
from trainer.training.loop import fit, refit

EPOCHS = 8
SEEDS = 3
"""Trainings with fresh seeds in each verification: the fewest that may say that a skill holds."""
LIFT_SEEDS = 2
"""Trainings whose mean loss on test rows tells what a leak lifts."""
_MODEL = {"hidden_size": 16, "learning_rate": 5e-3, "batch_size": 64}
_SPACE: dict[str, dict[str, Any]] = {
    "models.gru.learning_rate": {"low": 1e-3, "high": 1e-2, "log": True},
    "models.gru.weight_decay": {"low": 1e-4, "high": 0.1, "log": True},
    "models.gru.dropout": {"low": 0.0, "high": 0.3},
}


@dataclass(frozen=True)
class Said:
    """A finding, or what a quarantined trial says of itself (`code` "suspicious trial")."""

    code: str
    severity: str
    where: str
    message: str

    def names(self, columns: Sequence[str]) -> bool:
        """Whether it is about one of the columns."""
        return any(column in self.where.split(", ") for column in columns)


@dataclass(frozen=True)
class Verified:
    """What `verify --json` says: `strongest` is its second answer, None where there is none."""

    answer: str
    reason: str
    skill: float | None
    baseline: str
    strongest: Mapping[str, Any] | None
    rivals: Mapping[str, float]
    """Loss of each naive forecast, of each fitted rival, and of the GRU under the name `gru`."""

    @property
    def holds(self) -> bool:
        """Whether it beats every naive forecast."""
        return self.answer == "holds"

    @property
    def beats_strongest(self) -> bool:
        """Whether it beats the strongest rival."""
        return self.strongest is not None and self.strongest["verdict"] == "yes"


@dataclass(frozen=True)
class Answer:
    """What became of a study."""

    said: tuple[Said, ...]
    """Warnings and errors of the audit, then what suspicious trials say."""
    verdicts: Mapping[str, int]
    """Trials by verdict; none where the study was refused."""
    ceiling: float | None = None
    verified: Verified | None = None

    @property
    def blocked(self) -> bool:
        """Whether the audit refused it."""
        return any(said.severity == "error" for said in self.said)

    @property
    def quarantined(self) -> bool:
        """Whether a trial was suspicious."""
        return self.verdicts.get(Verdict.SUSPICIOUS, 0) > 0

    def to_json(self) -> dict[str, Any]:
        """For the record."""
        return asdict(self)

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> "Answer":
        """From the record."""
        verified = None if line["verified"] is None else Verified(**line["verified"])
        said = tuple(Said(**each) for each in line["said"])
        return cls(said, line["verdicts"], line["ceiling"], verified)


def study_file(study: Study, *, name: str, seed: int, trials: int) -> dict[str, Any]:
    """The study file of a user with a small budget; without trials to be searched, one configuration."""
    return {
        "study": {"name": name, "trials": max(trials, 1), "seed": seed},
        "data": study.section(),
        "models": {"gru": _MODEL},
        "training": {"epochs": EPOCHS, "schedule": "cosine"},
        "guard": {"max_skill": study.max_skill},
        "storage": {"patience": 0},
        "tracking": {"dashboard": False},
        **({"space": _SPACE} if trials else {}),
    }


@contextmanager
def written(file: Mapping[str, Any], study: Study) -> Iterator[Path]:
    """The study file beside its table, in a folder that is gone afterwards."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        study.frame.to_csv(path.with_name("table.csv"), index=False)
        path.write_text(json.dumps(file))  # JSON is YAML
        yield path


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """A new store beside the study file."""
    store = open_store(f"sqlite:///{path.with_name('ballast.db')}")
    try:
        yield store
    finally:
        store.close()


def tried(study: Study, *, seed: int, trials: int) -> Answer:
    """Audit, and the trials of a search: judged as in a study, and not recorded."""
    with written(study_file(study, name="asked", seed=seed, trials=trials), study) as path:
        resolved = resolve(path)
        try:
            data = load_study_data(resolved)
        except AnswerIsNo:
            return Answer(_found(inspect_data(resolved)), {})
        random, judged = np.random.default_rng(seed), []
        for number in range(trials):
            trial = resolved.trial({key: _drawn(random, **among) for key, among in _SPACE.items()})
            folds = data.folds(trial.config.data)
            result = fit(
                trial.config, folds, baseline=data.baseline, ceiling=data.ceiling, seed=seed + number
            )
            judged.append(judge(result, trial.values))
    suspicious = [each.message for each in judged if each.verdict is Verdict.SUSPICIOUS]
    verdicts = dict(Counter(str(each.verdict) for each in judged))
    return Answer((*_told(data.audit.findings), *_suspicious(suspicious)), verdicts, data.ceiling)


def _found(inspection: DataInspection) -> tuple[Said, ...]:
    """What the audit tells of data that it refuses."""
    assert inspection.audit is not None, "the data that are made here can be read"
    return _told(inspection.audit.findings)


def _drawn(random: np.random.Generator, *, low: float, high: float, log: bool = False) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))) if log else random.uniform(low, high))


def searched(study: Study, *, seed: int, trials: int) -> Answer:
    """Audit, search, and verify what an export takes."""
    with written(study_file(study, name="asked", seed=seed, trials=trials), study) as path:
        resolved = resolve(path)
        try:
            study_data = load_study_data(resolved)
        except AnswerIsNo:
            return Answer(_found(inspect_data(resolved)), {})
        with opened(path) as store:
            return _answer(resolved, study_data, store, path.with_name("best.yaml"))


def verified_alone(study: Study, *, seed: int) -> Answer:
    """Audit, then verify the one configuration of the file, which no search has chosen."""
    with (
        written(study_file(study, name="asked", seed=seed, trials=0), study) as path,
        opened(path) as store,
    ):
        try:
            return Answer((), {}, verified=_read(verify(path, store, seeds=SEEDS)))
        except AnswerIsNo:
            return Answer(_found(inspect_data(resolve(path))), {})


def skill_on_test(study: Study, *, seed: int) -> float:
    """Skill of the GRU on the test rows over the best naive forecast there, whatever the audit says."""
    config = TrialConfig.model_validate(
        {
            "data": study.config(),
            "models": {"gru": _MODEL},
            "training": {"epochs": EPOCHS, "schedule": "cosine"},
        }
    )
    data = prepare_refit(config.data, study.table())
    target = data.target[data.test].astype(np.float64)
    naive = min(
        float(np.mean((target - told) ** 2)) for told in baseline_forecasts(data, data.test, MSE).values()
    )
    losses = []
    for number in range(LIFT_SEEDS):
        forecasts = refit(config, data, epochs=EPOCHS, seed=seed + number).forecasts
        if forecasts is not None:
            losses.append(float(np.mean((target - forecasts) ** 2)))
    return skill(float(np.mean(losses)), naive) if losses else float("nan")


def _answer(resolved: ResolvedStudy, data: StudyData, store: Store, export: Path) -> Answer:
    name = resolved.file.study.name
    run_worker(open_study(resolved, data, store), NoProgress(), lambda: False)
    trials = query.trials(store, name)
    suspicious = [
        finding.message
        for trial in trials
        if trial.verdict is Verdict.SUSPICIOUS
        for finding in query.findings(store, name, trial.number)[-1:]
    ]
    verdicts = dict(Counter(str(trial.verdict) for trial in trials))
    report = export_and_verify(store, name, export, SEEDS)
    said = (*_told(data.audit.findings), *_suspicious(suspicious))
    return Answer(said, verdicts, data.ceiling, None if report is None else _read(report))


def _suspicious(messages: Sequence[str]) -> Iterator[Said]:
    """What suspicious trials say, once each."""
    for message in dict.fromkeys(messages):
        yield Said("suspicious trial", "quarantine", "", message)


def export_and_verify(store: Store, name: str, export: Path, seeds: int) -> VerificationReport | None:
    """Verify the surest configuration of a study; None where no trial was accepted, or no training was."""
    try:
        (choice,) = choose_trials(store, name)
        write_export(store, choice.trial, export, choice.why)
        return verify(export, store, seeds=seeds)
    except AnswerIsNo:
        return None


def _told(findings: Sequence[AuditFinding]) -> tuple[Said, ...]:
    return tuple(Said(f.code, f.severity, f.where, f.message) for f in findings if f.severity != "info")


def _read(report: VerificationReport) -> Verified:
    """As a program that calls `verify --json` does."""
    told = report.to_json()
    losses = {name: each["loss"] for name, each in told["baselines"].items()}
    return Verified(
        answer=told["verdict"],
        reason=told["reason"],
        skill=told["skill"],
        baseline=told["baseline"]["name"],
        strongest=told.get("strongest_rival"),
        rivals={**losses, **told.get("rivals_losses", {}), "gru": told["value"]},
    )
