"""What a trial works with and what it has come to so far: the state that a checkpoint keeps."""

import logging
import math
from dataclasses import dataclass, field

from torch import Tensor

from trainer.batches import Batches
from trainer.checkpoint import Checkpoint
from trainer.config import TrialConfig
from trainer.data.windows import Dataset
from trainer.evidence import NO_EVIDENCE, Evidence
from trainer.guard import Detection
from trainer.learner import Learner, Snapshot
from trainer.result import EpochReport, Finding, Intervention
from trainer.runtime import random_state, set_random_state
from trainer.skill import Baseline

log = logging.getLogger("ballast.trainer")


@dataclass
class Best:
    """The epoch with the lowest validation loss, and its weights."""

    report: EpochReport | None = None
    weights: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, report: EpochReport, weights: dict[str, Tensor]) -> None:
        """Keep it if it is better; `weights` are kept as they are, not copied."""
        if self.report is None or report.validation_loss < self.report.validation_loss:
            self.report, self.weights = report, weights


@dataclass
class Trial:
    """What a trial works with, and what it has come to so far."""

    config: TrialConfig
    data: Dataset
    baseline: Baseline
    ceiling: float
    learner: Learner
    batches: Batches
    epochs: list[EpochReport] = field(default_factory=list)
    """Those that passed the guard, in order."""
    findings: list[Finding] = field(default_factory=list)
    best: Best = field(default_factory=Best)
    step: int = 0
    bad_in_a_row: int = 0
    rewinds: int = 0
    seconds: float = 0.0
    """Spent in training and validation; restored epochs count."""
    good: Snapshot = field(init=False)

    def __post_init__(self) -> None:
        self.good = self.learner.snapshot()

    @property
    def over(self) -> bool:
        """Whether all epochs are trained, or patience has run out."""
        training, best = self.config.training, self.best.report
        since_best = 0 if best is None else self.epochs[-1].epoch - best.epoch
        return len(self.epochs) >= training.epochs or since_best >= training.patience

    @property
    def seconds_left(self) -> float:
        """Until training.max_seconds; negative when they are over."""
        limit = self.config.training.max_seconds
        return (math.inf if limit is None else limit) - self.seconds

    def passed(self, report: EpochReport) -> None:
        """Enter an epoch that the guard let pass."""
        log.debug("epoch %d: validation loss %.6g", report.epoch, report.validation_loss)
        self.epochs.append(report)
        self.good = self.learner.snapshot()
        self.best.offer(report, self.good.weights)

    def find(
        self, epoch: int, step: int | None, what: Detection, done: Intervention, where: Evidence = NO_EVIDENCE
    ) -> None:
        """Enter one finding in the diary."""
        log.info("epoch %d, step %s: %s; %s", epoch, step, what.message, done.action)
        self.findings.append(
            Finding(
                kind=what.kind,
                epoch=epoch,
                step=step,
                value=what.value,
                threshold=what.threshold,
                message=what.message,
                intervention=done,
                parameter=where.parameter,
                rows=where.rows,
                cell=where.cell,
            )
        )

    def checkpoint(self) -> Checkpoint:
        """The trial as it stands right after `passed`; tensors are shared, not copied."""
        assert self.best.report is not None, "an epoch has passed"
        return Checkpoint(
            good=self.good,
            random=random_state(self.learner.device),
            effective=self.learner.effective,
            epochs=tuple(self.epochs),
            findings=tuple(self.findings),
            best_epoch=self.best.report.epoch,
            best_weights=self.best.weights,
            step=self.step,
            bad_in_a_row=self.bad_in_a_row,
            rewinds=self.rewinds,
        )

    def resume(self, saved: Checkpoint) -> None:
        """Be the trial that `saved` was taken of; this one has just been made, of the same seed."""
        self.learner.restore(saved.good, saved.good.lr)
        self.learner.effective = saved.effective
        set_random_state(saved.random, self.learner.device)
        self.good = saved.good
        self.epochs, self.findings = list(saved.epochs), list(saved.findings)
        self.best = Best(self.epochs[saved.best_epoch], saved.best_weights)
        self.step, self.bad_in_a_row, self.rewinds = saved.step, saved.bad_in_a_row, saved.rewinds
        self.seconds = sum(report.seconds for report in saved.epochs)
        log.info("resumed after epoch %d", self.epochs[-1].epoch)
