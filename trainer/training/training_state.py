"""What a trial works with and what it has come to so far: the state that a checkpoint keeps."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from trainer.config import TrialConfig
from trainer.data.windows import Dataset
from trainer.rivals.skill import Baseline
from trainer.runtime import random_state, set_random_state
from trainer.training.batches import Batches
from trainer.training.checkpoint import Checkpoint, FoldState
from trainer.training.fault_location import NO_LOCATION, FaultLocation
from trainer.training.guard import Detection
from trainer.training.learner import Learner, LearnerSnapshot
from trainer.training.result import EpochReport, Finding, FindingKind, Intervention

log = logging.getLogger("ballast.trainer")


@dataclass
class Fold:
    """One fold of a trial: its data, the learner that it has for itself, and how its training has gone."""

    number: int
    data: Dataset
    learner: Learner
    batches: Batches
    step: int = 0
    bad_in_a_row: int = 0
    rewinds: int = 0
    good: LearnerSnapshot = field(init=False)
    """The learner at the end of the last epoch that passed the guard, or at its start."""
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    best_forecasts: Tensor = field(default_factory=lambda: torch.empty(0))
    """Weights, and forecasts of the validation rows, of the trial's best epoch."""

    def __post_init__(self) -> None:
        self.good = self.learner.snapshot()

    def state(self) -> FoldState:
        """As it stands at the end of an epoch; tensors are shared, not copied."""
        return FoldState(
            good=self.good,
            effective=self.learner.effective,
            best_weights=self.best_weights,
            best_forecasts=self.best_forecasts,
            step=self.step,
            bad_in_a_row=self.bad_in_a_row,
            rewinds=self.rewinds,
        )

    def resume(self, saved: FoldState) -> None:
        """Be the fold that `saved` was taken of."""
        self.learner.restore(saved.good, saved.good.lr)
        self.learner.effective = saved.effective
        self.good = saved.good
        self.best_weights, self.best_forecasts = saved.best_weights, saved.best_forecasts
        self.step, self.bad_in_a_row, self.rewinds = saved.step, saved.bad_in_a_row, saved.rewinds


@dataclass
class TrainingState:
    """What a trial works with, and what it has come to so far."""

    config: TrialConfig
    folds: tuple[Fold, ...]
    baseline: Baseline
    ceiling: float
    epochs: list[EpochReport] = field(default_factory=list)
    """Those that passed the guard, in order."""
    findings: list[Finding] = field(default_factory=list)
    best: EpochReport | None = None
    """The epoch with the lowest validation loss; under a schedule that falls, the last one.

    There the last epoch is where the weights have come to rest, and to take it is no choice: an earlier one
    that validated better was lucky in its last batches.
    """
    seconds: float = 0.0
    """Spent in training and validation; restored epochs count."""

    @property
    def over(self) -> bool:
        """Whether all epochs are trained, or patience has run out."""
        training, best = self.config.training, self.best
        since_best = 0 if best is None else self.epochs[-1].epoch - best.epoch
        return len(self.epochs) >= training.epochs or since_best >= training.patience

    @property
    def seconds_left(self) -> float:
        """Until training.max_seconds; negative when they are over."""
        limit = self.config.training.max_seconds
        return (math.inf if limit is None else limit) - self.seconds

    @property
    def effective(self) -> dict[str, Any]:
        """The read-back: what every fold used; where one differs from the first, what that one used."""
        first, *others = (fold.learner.effective for fold in self.folds)
        differing = [(key, used) for other in others for key, used in other.items() if used != first[key]]
        return {**first, **dict(differing)}

    def passed(self, report: EpochReport, forecasts: Sequence[Tensor]) -> None:
        """Enter an epoch that the guard let pass, with each fold's forecasts of its validation rows."""
        log.debug("epoch %d: validation loss %.6g", report.epoch, report.validation_loss)
        self.epochs.append(report)
        falls = self.config.training.schedule != "constant"
        is_best = falls or self.best is None or report.validation_loss < self.best.validation_loss
        if is_best:
            self.best = report
        for fold, told in zip(self.folds, forecasts, strict=True):
            fold.good = fold.learner.snapshot()
            if is_best:
                fold.best_weights, fold.best_forecasts = fold.good.weights, told

    def find(
        self,
        fold: Fold,
        epoch: int,
        step: int | None,
        what: Detection,
        done: Intervention,
        where: FaultLocation = NO_LOCATION,
    ) -> None:
        """Enter one finding in the diary."""
        of_one = len(self.folds) > 1 and what.kind is not FindingKind.SKILL_TOO_HIGH  # that is of all folds
        message = f"fold {fold.number}: {what.message}" if of_one else what.message
        log.info("epoch %d, step %s: %s; %s", epoch, step, message, done.action)
        self.findings.append(
            Finding(
                kind=what.kind,
                epoch=epoch,
                step=step,
                value=what.value,
                threshold=what.threshold,
                message=message,
                intervention=done,
                parameter=where.parameter,
                rows=where.rows,
                cell=where.cell,
                fold=fold.number,
            )
        )

    def checkpoint(self) -> Checkpoint:
        """The trial as it stands right after `passed`; tensors are shared, not copied."""
        assert self.best is not None, "an epoch has passed"
        return Checkpoint(
            folds=tuple(fold.state() for fold in self.folds),
            random=random_state(self.folds[0].learner.device),
            epochs=tuple(self.epochs),
            findings=tuple(self.findings),
            best_epoch=self.best.epoch,
        )

    def resume(self, saved: Checkpoint) -> None:
        """Be the trial that `saved` was taken of; this one has just been made, of the same seed."""
        for fold, state in zip(self.folds, saved.folds, strict=True):
            fold.resume(state)
        set_random_state(saved.random, self.folds[0].learner.device)
        self.epochs, self.findings = list(saved.epochs), list(saved.findings)
        self.best = self.epochs[saved.best_epoch]
        self.seconds = sum(report.seconds for report in saved.epochs)
        log.info("resumed after epoch %d", self.epochs[-1].epoch)
