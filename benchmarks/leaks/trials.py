"""What becomes of a study: what `check` says of its data, and what its trials reach under the guard."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.leaks.studies import Study
from search.verdict import judge
from storage.verdicts import Verdict
from trainer.audit.audit import audit
from trainer.audit.audit_findings import AuditFinding
from trainer.config import GuardConfig, TrialConfig
from trainer.data.windows import Dataset
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_losses
from trainer.rivals.skill import best_baseline
from trainer.training.loop import fit
from trainer.training.result import FindingKind, TrialResult

EPOCHS = 6
"""Few, at learning rates near the top of the safe range: what leaks is learnt first."""
_OF_VALUES = frozenset({"outlier", "feature_clipped", "target_clipped"})
"""Warnings of the audit that say nothing of leaks."""
_LEARNING_RATES = (3e-3, 1e-2)
_UNITS = (16, 32, 64)
_BATCHES = (64, 128)


@dataclass(frozen=True)
class Checked:
    """What the audit says of leaks before anything is trained; `data` is None where it cannot be prepared."""

    blocking: tuple[AuditFinding, ...]
    warnings: tuple[AuditFinding, ...]
    data: Dataset | None
    ceiling: float | None

    def names(self, suspects: Sequence[str]) -> bool:
        """Whether a blocking finding names one of the suspects."""
        return _names(self.blocking, suspects)

    def mentions(self, suspects: Sequence[str]) -> bool:
        """Whether any finding, blocking or not, names one of the suspects."""
        return _names((*self.blocking, *self.warnings), suspects)


def _names(findings: Sequence[AuditFinding], suspects: Sequence[str]) -> bool:
    return any(name in finding.where.split(", ") for finding in findings for name in suspects)


@dataclass(frozen=True)
class Trials:
    """Trials of one study. `reached` is the highest skill of any epoch, that for which a trial was stopped
    included; `best` is the skill of the best accepted trial, None where there is none.
    """

    verdicts: tuple[Verdict, ...]
    reached: float
    best: float | None
    ceiling: float

    @property
    def suspicious(self) -> bool:
        """Whether any trial was quarantined."""
        return Verdict.SUSPICIOUS in self.verdicts


def check(study: Study, *, deep: bool = True) -> Checked:
    """Audit the study as `ballast check` does, with `--deep` or without."""
    found = audit(study.config(), GuardConfig(max_skill=study.max_skill), study.table(), deep=deep)
    blocking = tuple(finding for finding in found.findings if finding.severity == "error")
    warnings = tuple(
        finding
        for finding in found.findings
        if finding.severity == "warning" and finding.code not in _OF_VALUES
    )
    return Checked(blocking, warnings, found.dataset, found.ceiling)


def run_trials(study: Study, checked: Checked, *, number: int, seed: int) -> Trials:
    """Train `number` GRUs with random settings within the safe ranges, each judged as in a study."""
    data, ceiling = checked.data, checked.ceiling
    assert data is not None, "the audit prepared it"
    assert ceiling is not None, "the audit found how much is believable"
    baseline = best_baseline(baseline_losses(data, data.validation, MSE))
    results = [
        fit(config, data, baseline=baseline, ceiling=ceiling, seed=seed + trial)
        for trial, config in enumerate(_settings(study, number, seed))
    ]
    verdicts = tuple(judge(result, {}).verdict for result in results)
    accepted = [
        result
        for result, verdict in zip(results, verdicts, strict=True)
        if verdict is Verdict.ACCEPTED and result.value is not None
    ]
    best = min(accepted, key=_value, default=None)
    return Trials(verdicts, max(map(_reached, results)), None if best is None else best.skill, ceiling)


def _settings(study: Study, number: int, seed: int) -> Iterator[TrialConfig]:
    """The same settings for every study, so that a leak is compared with its control trial by trial."""
    random = np.random.default_rng(seed)
    for _ in range(number):
        gru: dict[str, Any] = {
            "learning_rate": float(np.exp(random.uniform(*np.log(_LEARNING_RATES)))),
            "hidden_size": int(random.choice(_UNITS)),
            "batch_size": int(random.choice(_BATCHES)),
            "dropout": float(random.uniform(0, 0.2)),
        }
        yield TrialConfig.model_validate(
            {
                "data": study.config(),
                "models": {"gru": gru},
                "training": {"epochs": EPOCHS, "patience": EPOCHS},
                "guard": {"max_skill": study.max_skill},
            }
        )


def _value(result: TrialResult) -> float:
    return float("inf") if result.value is None else result.value


def _reached(result: TrialResult) -> float:
    """Skill of the best epoch, or of the one that was too good to be reported."""
    too_good = [finding.value for finding in result.findings if finding.kind is FindingKind.SKILL_TOO_HIGH]
    return max([*too_good, *(epoch.skill for epoch in result.epochs)], default=float("-inf"))
