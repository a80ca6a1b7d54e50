"""Trains one fold for one epoch: computes and judges each step, then applies it or leaves it out."""

from collections.abc import Callable
from dataclasses import dataclass

from trainer.training.batches import Batch
from trainer.training.fault_location import explain_step
from trainer.training.guard import StepSignals, detect_freeze, detect_step, intervene
from trainer.training.result import Action, Finding, Outcome
from trainer.training.schedule import learning_rate_factor
from trainer.training.training_state import Fold, TrainingState


class StopTraining(Exception):
    """Ends a trial with `outcome`."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


@dataclass
class EpochSums:
    """Sums over the good steps of one epoch of a fold; bad steps are only counted, in `skipped`."""

    loss: float = 0.0
    windows: int = 0
    grad_norm: float = 0.0
    grad_norm_max: float = 0.0
    output_max: float = 0.0
    steps: int = 0
    skipped: int = 0

    def add(self, signals: StepSignals, batch: int) -> None:
        """Add a good step of `batch` windows."""
        self.loss += signals.loss * batch
        self.windows += batch
        self.grad_norm += signals.grad_norm
        self.grad_norm_max = max(self.grad_norm_max, signals.grad_norm)
        self.output_max = max(self.output_max, signals.output_max)
        self.steps += 1


def train_fold(trial: TrainingState, fold: Fold, epoch: int, should_stop: Callable[[], bool]) -> EpochSums:
    """Train one fold for one epoch. Raises StopTraining if the trial must end."""
    sums, batch_size, training = EpochSums(), trial.config.models.gru.batch_size, trial.config.training
    steps = training.epochs * fold.batches.per_epoch(batch_size)
    for batch in fold.batches.shuffled(batch_size):
        if should_stop():
            raise StopTraining(Outcome.INTERRUPTED)
        if trial.is_out_of_time:
            raise StopTraining(Outcome.TIMED_OUT)
        fold.learner.learning_rate_factor = learning_rate_factor(training.schedule, fold.step, steps)
        _train_step(trial, fold, epoch, batch, sums)
        fold.step += 1
    return sums


def _train_step(trial: TrainingState, fold: Fold, epoch: int, batch: Batch, sums: EpochSums) -> None:
    signals = fold.learner.backward(batch)
    finding = detect_step(signals, trial.config.guard, fold.learner.step_limits)
    if finding is None:
        fold.bad_in_a_row = 0
        fold.learner.apply()
        sums.add(signals, len(batch.rows))
    else:
        sums.skipped += 1
        _respond(trial, fold, epoch, batch, finding)


def _respond(trial: TrainingState, fold: Fold, epoch: int, batch: Batch, finding: Finding) -> None:
    """Record the finding, then cut the learning rate, rewind, or end the trial. The step is not applied."""
    learner, guard = fold.learner, trial.config.guard
    fold.bad_in_a_row += 1
    finding = intervene(
        finding,
        lr=learner.lr,
        good_lr=fold.good.lr,
        bad_in_a_row=fold.bad_in_a_row,
        rewinds=fold.rewinds,
        config=guard,
    )
    finding = explain_step(finding, batch, learner.model, fold.data, learner.loss, replay=not trial.findings)
    trial.record(finding, fold, epoch, fold.step)
    match finding.action:
        case Action.STOP:
            raise StopTraining(finding.outcome)
        case Action.REWIND:
            learner.restore(fold.good, finding.lr_after)
            fold.rewinds, fold.bad_in_a_row = fold.rewinds + 1, 0
        case Action.SKIP_AND_CUT:
            learner.lr = finding.lr_after
            frozen = detect_freeze(finding, learner.start_lr, guard)
            if frozen is not None:
                trial.record(frozen, fold, epoch, fold.step)
                raise StopTraining(frozen.outcome)
