"""The state of a trial: its folds, for each seed, and what it has reported so far. A checkpoint keeps it."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from trainer.config import TrialConfig
from trainer.data.windows import Dataset
from trainer.rivals.skill import Baseline
from trainer.runtime import RandomStream
from trainer.text import place_in_training
from trainer.training.batches import Batches
from trainer.training.checkpoint import Checkpoint, FoldState
from trainer.training.learner import Learner, LearnerSnapshot
from trainer.training.result import EpochReport, Finding, FindingKind

log = logging.getLogger("ballast.trainer")


@dataclass
class Fold:
    """One fold of a trial, trained with one seed: its data, its own learner, and its counters.

    The same fold of another seed shares `data` and `batches`.
    """

    number: int
    data: Dataset
    learner: Learner
    batches: Batches
    seed: int = 0
    """Which of the trial's seeds, 0-based."""
    step: int = 0
    bad_in_a_row: int = 0
    rewinds: int = 0
    good: LearnerSnapshot = field(init=False)
    """The learner at the end of the last epoch that passed the guard, or at the start of training."""
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    best_forecasts: Tensor = field(default_factory=lambda: torch.empty(0))
    """Forecasts (rows,) of the validation rows; these and `best_weights` are of the trial's best epoch."""

    def __post_init__(self) -> None:
        self.good = self.learner.snapshot()

    def state(self) -> FoldState:
        """The fold at the end of an epoch. Tensors are shared, not copied."""
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
        """Restore the fold from `saved`."""
        self.learner.restore(saved.good, saved.good.lr)
        self.learner.effective = saved.effective
        self.good = saved.good
        self.best_weights, self.best_forecasts = saved.best_weights, saved.best_forecasts
        self.step, self.bad_in_a_row, self.rewinds = saved.step, saved.bad_in_a_row, saved.rewinds


@dataclass
class TrainingState:
    """Everything that a trial works with, and what it has reported so far."""

    config: TrialConfig
    folds: tuple[Fold, ...]
    """Seed by seed, each with all folds in order."""
    baseline: Baseline
    ceiling: float
    streams: tuple[RandomStream, ...] = ()
    """The random numbers of each seed. A seed draws the same ones, whichever others train beside it."""
    epochs: list[EpochReport] = field(default_factory=list)
    """The epochs that passed the guard, in order."""
    findings: list[Finding] = field(default_factory=list)
    """All findings so far, in order."""
    on_finding: Callable[[Finding], None] = lambda finding: None
    """Called with each finding as it is recorded."""
    best: EpochReport | None = None
    """The epoch with the lowest validation loss; the last one if the learning rate falls by a schedule.

    A schedule lowers the noise of the weights until the last epoch, and taking the last epoch involves no
    choice. An earlier epoch with a lower validation loss was lucky in its last batches.
    """
    max_seconds: float = math.inf
    seconds: float = 0.0
    """Seconds of training and validation before the epoch in progress; restored epochs count."""
    began: float = field(default_factory=perf_counter)
    """When the epoch in progress began, moved forward by the time that `on_finding` took in it."""

    @property
    def over(self) -> bool:
        """Whether all epochs are trained or patience has run out."""
        training, best = self.config.training, self.best
        since_best = 0 if best is None else self.epochs[-1].epoch - best.epoch
        return len(self.epochs) >= training.epochs or since_best >= training.patience

    @property
    def epoch_seconds(self) -> float:
        """Seconds in the epoch in progress, without the time in `on_finding`."""
        return perf_counter() - self.began

    @property
    def is_out_of_time(self) -> bool:
        """Whether `max_seconds` are over."""
        return self.seconds + self.epoch_seconds > self.max_seconds

    @property
    def effective(self) -> dict[str, Any]:
        """The settings that the folds used, as read back. A value that differs from the first fold's wins."""
        first, *others = (fold.learner.effective for fold in self.folds)
        differing = [(key, used) for other in others for key, used in other.items() if used != first[key]]
        return {**first, **dict(differing)}

    def passed(self, report: EpochReport, forecasts: Sequence[Tensor]) -> None:
        """Add an epoch that passed the guard, with each fold's forecasts of its validation rows."""
        log.debug("epoch %d: validation loss %.6g", report.epoch, report.validation_loss)
        self.epochs.append(report)
        falls = self.config.training.schedule != "constant"
        is_best = falls or self.best is None or report.validation_loss < self.best.validation_loss
        if is_best:
            self.best = report
        for fold, predicted in zip(self.folds, forecasts, strict=True):
            fold.good = fold.learner.snapshot()
            if is_best:
                fold.best_weights, fold.best_forecasts = fold.good.weights, predicted

    def record(self, finding: Finding, fold: Fold, epoch: int, step: int | None) -> None:
        """Give the finding its key, log it, add it, and report it to `on_finding`."""
        message, last = finding.message, self.folds[-1]
        places = [f"seed {fold.seed}"] if last.seed > 0 else []
        if last.number > 0 and finding.kind is not FindingKind.SKILL_TOO_HIGH:  # skill is over all folds
            places.append(f"fold {fold.number}")
        if places:
            message = f"{', '.join(places)}: {message}"
        finding = replace(finding, seed=fold.seed, fold=fold.number, epoch=epoch, step=step, message=message)
        log.info("%s: %s; %s", place_in_training(epoch, step), message, finding.action)
        self.findings.append(finding)
        called = perf_counter()
        self.on_finding(finding)
        self.began += perf_counter() - called

    def checkpoint(self) -> Checkpoint:
        """The state of the trial right after `passed`. Tensors are shared, not copied."""
        assert self.best is not None, "an epoch has passed"
        return Checkpoint(
            folds=tuple(fold.state() for fold in self.folds),
            random=tuple(stream.state for stream in self.streams),
            epochs=tuple(self.epochs),
            findings=tuple(self.findings),
            best_epoch=self.best.epoch,
        )

    def resume(self, saved: Checkpoint) -> None:
        """Restore the trial from `saved`. The trial must be new and have the same seeds."""
        for fold, state in zip(self.folds, saved.folds, strict=True):
            fold.resume(state)
        for stream, drawn in zip(self.streams, saved.random, strict=True):
            stream.restore(drawn)
        self.epochs, self.findings = list(saved.epochs), list(saved.findings)
        self.best = self.epochs[saved.best_epoch]
        self.seconds = sum(report.seconds for report in saved.epochs)
        log.info("resumed after epoch %d", self.epochs[-1].epoch)
