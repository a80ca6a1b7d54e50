"""What a short guarded run says about the settings that it had. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from trainer.training.result import FindingKind, Outcome, TrialResult

WORSE = 1.1
"""A training loss above this many times that of the best constant counts as divergence once the weights have
left their start: each step is small enough for the guard, and together they lead away. A rule of prudence."""
LEFT_START = 1.0
"""Weights that have moved by their ordinary size have left their start. Before, a high loss may be that of an
unlucky start, which says nothing about the steps."""
BETTER = 0.999
"""A training loss below this share of that of the best constant counts as learning. Financial returns hold
little to learn: in three epochs 0.1 to 0.2 % are usual at a good learning rate."""


class RunOutcome(StrEnum):
    """The outcome of one run, from best to worst; the first two are stable."""

    LEARNS = "learns"
    DOES_NOT_LEARN = "does not learn"
    FROZEN = "frozen"
    DIVERGES = "diverges"
    SUSPICIOUS = "suspicious"

    @property
    def is_stable(self) -> bool:
        """Whether a trial may run with these settings."""
        return self in (RunOutcome.LEARNS, RunOutcome.DOES_NOT_LEARN)


_ORDER = tuple(RunOutcome)


@dataclass(frozen=True)
class Run:
    """One run: its outcome and the sentence of the guard, or of the comparison with the best constant."""

    seed: int
    outcome: RunOutcome
    why: str


@dataclass(frozen=True)
class Point:
    """One value of one key, and the runs with it; runs end at the first seed that is not stable."""

    value: Any
    runs: Sequence[Run]

    @property
    def worst(self) -> Run:
        """The run with the worst outcome; the first of them."""
        return max(self.runs, key=lambda run: _ORDER.index(run.outcome))

    @property
    def outcome(self) -> RunOutcome:
        """The worst outcome of its runs."""
        return self.worst.outcome

    @property
    def is_stable(self) -> bool:
        """Whether every run was stable."""
        return self.outcome.is_stable

    def to_json(self) -> dict[str, Any]:
        """The shape in `calibrate --json`."""
        return {"value": self.value, "outcome": self.outcome, "runs": len(self.runs), "why": self.worst.why}


def outcome_spans(points: Sequence[Point]) -> tuple[tuple[Any, Any, RunOutcome], ...]:
    """The first value, the last value and the outcome of each unbroken series of equal outcomes."""
    groups = [list(group) for _, group in groupby(points, key=lambda point: point.outcome)]
    return tuple((group[0].value, group[-1].value, group[0].outcome) for group in groups)


def judge_run(result: TrialResult, constant_loss: float) -> Run:
    """The outcome of a run whose training rows have the loss `constant_loss` under their best constant.

    Any finding of the guard but a freeze is divergence, also one that the guard repaired. Nothing is judged
    by the validation loss: a range chosen by it would be fitted to it.
    """
    findings = [finding for finding in result.findings if finding.kind is not FindingKind.FROZEN]
    if result.outcome is Outcome.SUSPICIOUS:
        return Run(result.seed, RunOutcome.SUSPICIOUS, result.findings[-1].message)
    if findings:
        return Run(result.seed, RunOutcome.DIVERGES, findings[0].message)
    if result.findings:
        return Run(result.seed, RunOutcome.FROZEN, result.findings[0].message)
    constant = f"that of the best constant, {constant_loss:.4g}"
    moved = [epoch.train_loss for epoch in result.epochs if epoch.movement > LEFT_START]
    if max(moved, default=0.0) > WORSE * constant_loss:
        why = f"the training loss reached {max(moved):.4g}, above {WORSE:g} times {constant}"
        return Run(result.seed, RunOutcome.DIVERGES, why)
    last = result.epochs[-1].train_loss
    learns = last < BETTER * constant_loss
    why = f"the training loss came to {last:.4g}, {'below' if learns else 'not below'} {constant}"
    return Run(result.seed, RunOutcome.LEARNS if learns else RunOutcome.DOES_NOT_LEARN, why)
