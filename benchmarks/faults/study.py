"""The one real study that all faults strike: its file, its run, and what is left on record of each case."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.catalogue import EPOCHS
from benchmarks.faults.fault_cases import Case, tampered
from benchmarks.faults.faults import BadRate
from search.config.resolve import resolve
from search.config.resolved_study import ResolvedStudy
from search.data.study_data import StudyData
from search.study.studies import OpenStudy, open_study
from search.verdict import CRASHED, OVERRIDE_NOT_APPLIED
from search.workers.loop import run_worker
from search.workers.progress import NoProgress
from storage import query, tables
from storage.engine import open_store
from storage.verdicts import Verdict
from trainer.training.loop import fit
from trainer.training.result import Action, TrialResult

BATCH = 64

STUDY: dict[str, Any] = {
    "study": {"name": "faults", "trials": 1, "startup_trials": 5, "pruner": "none", "retries": 0},
    "data": {
        "source": "sample:sp500",
        "time": "Date",
        "features": [
            {"name": "ret", "column": "Close", "transform": "log_return"},
            {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"},
        ],
        "target": {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": "volatility"},
        "seq_len": 5,
        "split": {"fractions": {"train": 0.15, "validation": 0.1}},
    },
    "models": {"gru": {"batch_size": BATCH, "hidden_size": 4}},
    "training": {"epochs": EPOCHS, "patience": EPOCHS},
    "space": {"models.gru.learning_rate": {"low": 5e-3, "high": 1e-2, "log": True}},
}
"""Real rows, a tiny model: a trial takes a twentieth of a second."""


@dataclass(frozen=True)
class Struck:
    """A case and what the record holds of its trial."""

    case: Case
    trial: tables.Trial
    findings: list[tables.FindingRow]
    changed: bool
    """Whether the trial ended otherwise than the same trial without the fault."""

    @property
    def crashed(self) -> bool:
        """Whether the trial died of the fault."""
        return CRASHED in self.trial.reasons

    @property
    def handled(self) -> str | None:
        """What took care of the fault; None where it changed the result unseen."""
        if self.findings:
            return " ".join(f"{n} {action}" for action, n in Counter(f.action for f in self.findings).items())
        if OVERRIDE_NOT_APPLIED in self.trial.reasons:
            return "read-back"
        return self.case.fault.harmless if self.changed else "no effect"

    @property
    def as_designed(self) -> bool:
        """Whether the verdict is one that the design gives to such a fault.

        A step that is skipped costs nothing but its learning rate. What lasts is rewound or ends the trial.
        A validation pass that cannot be believed ends it. Where no number is wrong, too good a loss may be.
        A setting that did not take effect fails the trial.
        """
        fault, verdict = self.case.fault, self.trial.verdict
        if OVERRIDE_NOT_APPLIED in self.trial.reasons:
            return isinstance(fault, BadRate)
        if fault.harmless is not None:
            return verdict in (Verdict.ACCEPTED, Verdict.SUSPICIOUS)
        if self.case.moment.epoch is not None:
            return verdict is Verdict.UNSTABLE
        return verdict is Verdict.ACCEPTED or (fault.lasting and verdict is Verdict.UNSTABLE)

    @property
    def intact(self) -> bool:
        """Whether each bad step was left out to the bit, and each rewind gave the snapshot back."""
        bad_steps = {finding.step for finding in self.findings} - {None}
        rewinds = [finding for finding in self.findings if finding.action == Action.REWIND]
        seen = (self.case.skipped, [True] * len(bad_steps)), (self.case.rewound, [True] * len(rewinds))
        return all(bits == wanted for bits, wanted in seen)

    @property
    def located(self) -> bool:
        """Whether the findings name the broken parameter or cell, and the rows of the batch."""
        case = self.case
        if not self.findings or case.fault.harmless is not None:
            return True
        names = {name for finding in self.findings for name in (finding.parameter, finding.cell)}
        rows = [finding.rows for finding in self.findings if finding.step in case.moment.steps]
        return case.fault.victim is None or (case.victim in names and all(r == case.rows for r in rows))


def resolved_study(folder: Path, seed: int, *sets: str) -> ResolvedStudy:
    """The study as a user would launch it: from a file."""
    path = folder / "faults.yaml"
    path.write_text(json.dumps(STUDY), encoding="utf-8")  # JSON is YAML
    return resolve(path, (f"study.seed={seed}", *sets))


def steps_per_epoch(data: StudyData) -> int:
    """Updates of an epoch; ValueError unless the last batch is short, as a moment of the matrix needs."""
    rows = len(data.base[-1].train)
    if rows % BATCH == 0:
        raise ValueError(f"{rows} training rows fill every batch of {BATCH}; take another split")
    return -(-rows // BATCH)


@contextmanager
def struck_study(
    resolved: ResolvedStudy, data: StudyData, folder: Path, cases: list[Case]
) -> Iterator[OpenStudy]:
    """Run the study on a real store, one trial a case, and hand it out before the store is closed."""
    store = open_store(f"sqlite:///{folder / 'faults.db'}")
    try:
        study = open_study(resolved, data, store)
        with tampered(cases):
            run_worker(study, NoProgress(), lambda: False)
        yield study
    finally:
        store.close()


def on_record(study: OpenStudy, cases: list[Case]) -> list[Struck]:
    """The cases with their trials; a case without a finding is compared with its trial run unharmed."""
    found: dict[int, list[tables.FindingRow]] = {}
    for finding in query.findings(study.store, study.name):
        found.setdefault(finding.trial, []).append(finding)
    return [
        Struck(
            case,
            trial,
            found.get(trial.number, []),
            trial.number in found or case.result is None or _differs(case.result, unharmed(study, trial)),
        )
        for case, trial in zip(cases, query.trials(study.store, study.name), strict=True)
    ]


def unharmed(study: OpenStudy, trial: tables.Trial) -> TrialResult:
    """The same trial, to the bit, without a fault."""
    config = study.resolved.trial(trial.params, queued=False).config
    data = study.data
    return fit(config, data.folds(config.data), baseline=data.baseline, ceiling=data.ceiling, seed=trial.seed)


def _differs(result: TrialResult, other: TrialResult) -> bool:
    losses = [[report.validation_loss for report in r.epochs] for r in (result, other)]
    return losses[0] != losses[1] or result.outcome is not other.outcome
