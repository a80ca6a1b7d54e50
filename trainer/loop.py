"""One trial: fit a GRU under the guard and hand back everything that happened.

epoch: batch ──► backward ──► guard ──► apply │ skip the step, cut the learning rate │ stop
       validation ──► guard ──► best so far, checkpoint ──► on_epoch, patience
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Protocol

from trainer.batches import Batch, Batches
from trainer.checkpoint import CheckpointFile, identity
from trainer.config import TrialConfig
from trainer.data.windows import Dataset
from trainer.evidence import Evidence, explain_epoch, explain_step
from trainer.guard import (
    Detection,
    EpochSignals,
    StepSignals,
    detect_epoch,
    detect_freeze,
    detect_step,
    intervene,
    stop,
)
from trainer.learner import Learner
from trainer.result import Action, EpochReport, FindingKind, Outcome, TrialResult
from trainer.runtime import find_device, reproducible
from trainer.skill import Baseline, skill
from trainer.trial import Trial


class Watch(Protocol):
    """Sees each epoch that the guard let pass; True ends the trial as `stopped`."""

    def __call__(self, report: EpochReport, /) -> bool:
        """Whether to stop."""


def fit(
    config: TrialConfig,
    data: Dataset,
    *,
    baseline: Baseline,
    ceiling: float,
    seed: int,
    on_epoch: Watch = lambda report: False,
    should_stop: Callable[[], bool] = lambda: False,
    checkpoint: Path | None = None,
) -> TrialResult:
    """Train on `data.train`, validate on `data.validation`, never touch `data.test`.

    `ceiling` is the skill over `baseline` above which a trial is suspicious. The same arguments give the
    same bits on the same machine. `on_epoch` is called after the guard has let an epoch pass;
    `should_stop` is asked before every batch. Raises TrainerError for a device that is not there.

    `checkpoint` is a file, in a folder that is there, written after each epoch and left for the caller to
    remove (`trainer.sealed.forget`). Where it is there already and this trial's, training goes on from it, to
    the same bits as if it had never stopped, and `on_epoch` is called for its epochs first. One that is
    damaged or another trial's is ignored.
    """
    device = find_device(config.training.device)
    file = None
    if checkpoint is not None:
        same = identity(config, data, baseline=baseline, ceiling=ceiling, seed=seed)
        file = CheckpointFile(checkpoint, same)
    with reproducible(seed):
        learner = Learner(data.features.shape[1], config, device)
        trial = Trial(config, data, baseline, ceiling, learner, Batches(data, device))
        saved = None if file is None else file.load()
        if saved is not None:
            trial.resume(saved)
        outcome = _train(trial, file, on_epoch, should_stop)
    best = trial.best.report
    return TrialResult(
        outcome=outcome,
        value=None if best is None else best.validation_loss,
        skill=None if best is None else best.skill,
        best_epoch=None if best is None else best.epoch,
        baseline=baseline.name,
        baseline_loss=baseline.loss,
        skill_ceiling=ceiling,
        epochs=tuple(trial.epochs),
        findings=tuple(trial.findings),
        effective=trial.learner.effective,
        final_learning_rate=trial.learner.lr,
        seed=seed,
        seconds=trial.seconds,
        resumed_from=None if saved is None else saved.epochs[-1].epoch,
        weights=trial.best.weights or None,
    )


class _Stop(Exception):
    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


@dataclass
class _Sums:
    """Over the good steps of one epoch; a bad step never enters them."""

    loss: float = 0.0
    windows: int = 0
    grad_norm: float = 0.0
    grad_norm_max: float = 0.0
    output_max: float = 0.0
    steps: int = 0
    skipped: int = 0

    def add(self, signals: StepSignals, batch: int) -> None:
        self.loss += signals.loss * batch
        self.windows += batch
        self.grad_norm += signals.grad_norm
        self.grad_norm_max = max(self.grad_norm_max, signals.grad_norm)
        self.output_max = max(self.output_max, signals.output_max)
        self.steps += 1


def _train(
    trial: Trial, file: CheckpointFile | None, on_epoch: Watch, should_stop: Callable[[], bool]
) -> Outcome:
    # What is restored has been trained, so all of it is told before an answer is heeded.
    answers = [on_epoch(report) for report in trial.epochs]
    if any(answers):
        return Outcome.STOPPED
    try:
        while not trial.over:
            report = _timed_epoch(trial, should_stop)
            trial.passed(report)
            # Before on_epoch, which may wait long for a store, or raise: the epoch is not to be lost with it.
            if file is not None:
                file.save(trial.checkpoint())
            if on_epoch(report):
                return Outcome.STOPPED
    except _Stop as stopped:
        return stopped.outcome
    return Outcome.FINISHED


def _timed_epoch(trial: Trial, should_stop: Callable[[], bool]) -> EpochReport:
    began = perf_counter()
    try:
        return _epoch(trial, len(trial.epochs), began, should_stop)
    finally:
        trial.seconds += perf_counter() - began


def _epoch(trial: Trial, epoch: int, began: float, should_stop: Callable[[], bool]) -> EpochReport:
    """Train and validate once. The report has passed the guard; what does not pass raises _Stop."""
    deadline, sums, learner = began + trial.seconds_left, _Sums(), trial.learner
    for batch in trial.batches.shuffled(trial.config.models.gru.batch_size):
        if should_stop():
            raise _Stop(Outcome.INTERRUPTED)
        if perf_counter() > deadline:
            raise _Stop(Outcome.TIMED_OUT)
        _train_step(trial, epoch, batch, sums)
        trial.step += 1
    validation = learner.validate(trial.batches.validation())
    signals = EpochSignals(
        inputs=validation.inputs,
        loss=validation.loss,
        output_max=validation.output_max,
        skill=skill(validation.loss, trial.baseline.loss),
        movement=learner.movement(),
        averages=learner.averages(),
        good_steps=sums.steps,
        share=(epoch + 1) / trial.config.training.epochs,
    )
    detection = detect_epoch(signals, trial.ceiling, trial.config.guard)
    if detection is not None:
        detection, where = explain_epoch(detection, trial.batches.validation(), learner.model, trial.data)
        if detection.kind is FindingKind.NONFINITE_AVERAGE:
            where = Evidence(parameter=learner.broken_average())
        trial.find(epoch, None, detection, stop(learner.lr), where)
        raise _Stop(detection.outcome)
    return EpochReport(
        epoch=epoch,
        train_loss=sums.loss / sums.windows,
        validation_loss=validation.loss,
        skill=signals.skill,
        learning_rate=learner.lr,
        grad_norm_mean=sums.grad_norm / sums.steps,
        grad_norm_max=sums.grad_norm_max,
        output_max=max(sums.output_max, validation.output_max),
        steps=sums.steps,
        skipped_steps=sums.skipped,
        movement=signals.movement,
        prediction_std_ratio=validation.prediction_std_ratio,
        seconds=perf_counter() - began,
    )


def _train_step(trial: Trial, epoch: int, batch: Batch, sums: _Sums) -> None:
    signals = trial.learner.backward(batch)
    detection = detect_step(signals, trial.config.guard)
    if detection is None:
        trial.bad_in_a_row = 0
        trial.learner.apply()
        sums.add(signals, len(batch.rows))
    else:
        sums.skipped += 1
        _respond(trial, epoch, batch, detection)


def _respond(trial: Trial, epoch: int, batch: Batch, detection: Detection) -> None:
    """Leave weights and optimiser as they are and cut the learning rate, or rewind, or end the trial."""
    learner, guard = trial.learner, trial.config.guard
    trial.bad_in_a_row += 1
    done = intervene(
        detection,
        lr=learner.lr,
        good_lr=trial.good.lr,
        bad_in_a_row=trial.bad_in_a_row,
        rewinds=trial.rewinds,
        config=guard,
    )
    detection, where = explain_step(detection, batch, learner.model, trial.data, replay=not trial.findings)
    trial.find(epoch, trial.step, detection, done, where)
    match done.action:
        case Action.STOP:
            raise _Stop(detection.outcome)
        case Action.REWIND:
            learner.restore(trial.good, done.lr_after)
            trial.rewinds, trial.bad_in_a_row = trial.rewinds + 1, 0
        case Action.SKIP_AND_CUT:
            learner.lr = done.lr_after
            frozen = detect_freeze(done, learner.start_lr, guard)
            if frozen is not None:
                trial.find(epoch, trial.step, frozen, stop(learner.lr))
                raise _Stop(frozen.outcome)
