"""One trial: fits a GRU under the guard and returns its result.

each epoch, of each fold: batch ──► backward ──► guard ──► apply, or record a finding and act on it
                          validation ──► guard ──► checkpoint ──► on_epoch, patience
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import NoReturn, Protocol

import torch
from torch import Tensor

from trainer.config import TrialConfig
from trainer.data.windows import Dataset
from trainer.rivals.skill import Baseline, skill
from trainer.runtime import find_device, reproducible
from trainer.training.batches import Batches
from trainer.training.checkpoint import MALFORMED_CHECKPOINT_ERRORS, CheckpointFile, checkpoint_identity
from trainer.training.fault_location import explain_epoch
from trainer.training.guard import EpochSignals, detect_epoch, stop
from trainer.training.learner import Learner
from trainer.training.result import EpochReport, Finding, FindingKind, Outcome, RefitResult, TrialResult
from trainer.training.train_fold import StopTraining, train_fold
from trainer.training.training_state import Fold, TrainingState


class EpochCallback(Protocol):
    """Called with each epoch that passed the guard; True ends the trial as `stopped`."""

    def __call__(self, report: EpochReport, /) -> bool:
        """Whether to stop."""


def fit(
    config: TrialConfig,
    data: Dataset | Sequence[Dataset],
    *,
    baseline: Baseline,
    ceiling: float,
    seed: int,
    on_epoch: EpochCallback = lambda report: False,
    on_finding: Callable[[Finding], None] = lambda finding: None,
    should_stop: Callable[[], bool] = lambda: False,
    checkpoint: Path | None = None,
    checkpoint_key: bytes | None = None,
) -> TrialResult:
    """Train on the training rows of `data`, validate on its validation rows, and never read the test rows.

    Several datasets are the folds of one trial. Each epoch trains all of them in turn, and its validation
    loss is the mean over them, so that one epoch is the best for all folds.

    A trial whose skill over `baseline` is above `ceiling` is suspicious; the loss of `baseline` is a mean
    over the folds too. The same arguments give the same bits on the same machine. `on_epoch` is called
    after each epoch that passed the guard, `on_finding` with each finding as soon as it is made; the time
    that they take does not count towards `training.max_seconds`. `should_stop` is called before every batch,
    and before a restored epoch is reported. Raises TrainerError if the device does not exist.

    `checkpoint` is a file in an existing folder. It is written after each epoch, and the caller removes it
    (`trainer.atomic_files.remove_file`). If it exists and belongs to this trial, training
    continues from it, to the same bits as if it had never stopped, and its findings and epochs are reported
    first. A checkpoint that is damaged, of another trial, or not signed with `checkpoint_key` is ignored;
    the key ensures that nobody else who can write to the folder decides a result.
    """
    device = find_device(config.training.device)
    datasets = (data,) if isinstance(data, Dataset) else tuple(data)
    file = None
    if checkpoint is not None:
        same = checkpoint_identity(config, datasets, baseline=baseline, ceiling=ceiling, seed=seed)
        file = CheckpointFile(checkpoint, same, checkpoint_key)
    with reproducible(seed):
        trial = _trial(config, datasets, device, baseline, ceiling, on_finding)
        saved = None if file is None else file.load()
        if file is not None and saved is not None:
            try:
                trial.resume(saved)
            except MALFORMED_CHECKPOINT_ERRORS as error:
                file.refuse(error)
                saved = None
                torch.manual_seed(seed)
                trial = _trial(config, datasets, device, baseline, ceiling, on_finding)
        outcome = _train(trial, file, on_epoch, should_stop)
    best = trial.best
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
        effective=trial.effective,
        final_learning_rates=tuple(fold.learner.lr for fold in trial.folds),
        seed=seed,
        seconds=trial.seconds,
        resumed_from=None if saved is None else saved.epochs[-1].epoch,
        weights=None if best is None or len(trial.folds) > 1 else trial.folds[0].best_weights,
        forecasts=() if best is None else tuple(fold.best_forecasts.numpy() for fold in trial.folds),
    )


def refit(
    config: TrialConfig,
    data: Dataset,
    *,
    epochs: int,
    seed: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> RefitResult:
    """Train on the training rows of `data` for `epochs` epochs, then forecast its test rows, once.

    For a configuration whose number of epochs is known. Nothing is validated or chosen; the guard judges
    every step as in `fit`. A schedule runs over `training.epochs` here too, so that each epoch has the
    learning rates that it had when `epochs` was found. Raises TrainerError if the device does not exist.
    """
    device = find_device(config.training.device)
    with reproducible(seed):
        fold = _fold(0, data, config, device)
        trial = TrainingState(config, (fold,), baseline=Baseline("none", math.inf), ceiling=math.inf)
        outcome, forecasts = Outcome.FINISHED, None
        try:
            for epoch in range(epochs):
                train_fold(trial, fold, epoch, should_stop)
                fold.good = fold.learner.snapshot()
            forecasts = fold.learner.forecast(fold.batches.test())
            _require_finite(trial, fold, epochs - 1, forecasts)
        except StopTraining as stopped:
            outcome, forecasts = stopped.outcome, None
    return RefitResult(
        outcome=outcome,
        findings=tuple(trial.findings),
        effective=trial.effective,
        seed=seed,
        weights=None if forecasts is None else fold.learner.weights(),
        forecasts=None if forecasts is None else forecasts.cpu().numpy(),
    )


def _trial(
    config: TrialConfig,
    datasets: Sequence[Dataset],
    device: torch.device,
    baseline: Baseline,
    ceiling: float,
    on_finding: Callable[[Finding], None],
) -> TrainingState:
    """A trial before its first epoch."""
    folds = tuple(_fold(number, each, config, device) for number, each in enumerate(datasets))
    for fold in folds[1:]:
        fold.learner.share_workspace(folds[0].learner)
    limit = config.training.max_seconds
    return TrainingState(
        config,
        folds,
        baseline,
        ceiling,
        on_finding=on_finding,
        max_seconds=math.inf if limit is None else limit,
    )


def _fold(number: int, data: Dataset, config: TrialConfig, device: torch.device) -> Fold:
    return Fold(number, data, Learner(data.features.shape[1], config, device), Batches(data, device))


def _train(
    trial: TrainingState,
    file: CheckpointFile | None,
    on_epoch: EpochCallback,
    should_stop: Callable[[], bool],
) -> Outcome:
    try:
        if _report_restored(trial, on_epoch, should_stop):
            return Outcome.STOPPED
        while not trial.over:
            report, forecasts = _timed_epoch(trial, should_stop)
            trial.passed(report, forecasts)
            # Before on_epoch, which may wait for a store or raise: the epoch must not be lost with it.
            if file is not None:
                file.save(trial.checkpoint())
            if on_epoch(report):
                return Outcome.STOPPED
    except StopTraining as stopped:
        return stopped.outcome
    return Outcome.FINISHED


def _report_restored(trial: TrainingState, on_epoch: EpochCallback, should_stop: Callable[[], bool]) -> bool:
    """Report what was restored, in order; whether to stop. All is reported first: it was trained already."""
    answers = []
    for report in trial.epochs:
        if should_stop():
            raise StopTraining(Outcome.INTERRUPTED)
        for finding in trial.findings:
            if finding.epoch == report.epoch:
                trial.on_finding(finding)
        answers.append(on_epoch(report))
    return any(answers)


def _timed_epoch(trial: TrainingState, should_stop: Callable[[], bool]) -> tuple[EpochReport, list[Tensor]]:
    trial.began = perf_counter()
    try:
        return _epoch(trial, len(trial.epochs), should_stop)
    finally:
        trial.seconds += trial.epoch_seconds


def _epoch(
    trial: TrainingState, epoch: int, should_stop: Callable[[], bool]
) -> tuple[EpochReport, list[Tensor]]:
    """Train and validate every fold once; the report, and each fold's forecasts of its validation rows.

    Raises StopTraining if the epoch does not pass the guard.
    """
    sums, validations = [], []
    for fold in trial.folds:
        sums.append(train_fold(trial, fold, epoch, should_stop))
        validations.append(fold.learner.validate(fold.batches.validation()))
    losses = tuple(validation.loss for validation in validations)
    reached = skill(fmean(losses), trial.baseline.loss)
    movements = [fold.learner.movement() for fold in trial.folds]
    told = zip(trial.folds, sums, validations, movements, strict=True)
    # A fold whose loss is not finite comes first: it is the one that makes the skill over all folds so.
    for fold, done, validation, moved in sorted(told, key=lambda each: math.isfinite(each[2].loss)):
        signals = EpochSignals(
            inputs=validation.inputs,
            loss=validation.loss,
            output_max=validation.output_max,
            skill=reached,
            movement=moved,
            averages=fold.learner.averages(),
            good_steps=done.steps,
            share=(epoch + 1) / trial.config.training.epochs,
        )
        finding = detect_epoch(signals, trial.ceiling, trial.config.guard)
        if finding is not None:
            _end(trial, fold, epoch, finding)
    return EpochReport(
        epoch=epoch,
        train_loss=fmean(done.loss / done.windows for done in sums),
        validation_loss=fmean(losses),
        skill=reached,
        learning_rate=min(fold.learner.learning_rate_factor * fold.learner.lr for fold in trial.folds),
        grad_norm_mean=fmean(done.grad_norm / done.steps for done in sums),
        grad_norm_max=max(done.grad_norm_max for done in sums),
        output_max=max(*(done.output_max for done in sums), *(each.output_max for each in validations)),
        steps=sum(done.steps for done in sums),
        skipped_steps=sum(done.skipped for done in sums),
        movement=fmean(movements),
        prediction_std_ratio=fmean(validation.prediction_std_ratio for validation in validations),
        seconds=trial.epoch_seconds,
        fold_losses=losses,
    ), [validation.forecasts for validation in validations]


def _end(trial: TrainingState, fold: Fold, epoch: int, finding: Finding) -> NoReturn:
    """End the trial for a finding at the end of an epoch."""
    learner = fold.learner
    finding = explain_epoch(finding, fold.batches.validation(), learner.model, fold.data)
    if finding.kind is FindingKind.NONFINITE_AVERAGE:
        finding = replace(finding, parameter=learner.broken_average())
    trial.record(stop(finding, learner.lr), fold, epoch, None)
    raise StopTraining(finding.outcome)


def _require_finite(trial: TrainingState, fold: Fold, epoch: int, forecasts: Tensor) -> None:
    """End a refit whose last step left weights with a forecast that is not finite."""
    largest = float(forecasts.abs().max())
    if not math.isfinite(largest):
        finding = Finding(FindingKind.NONFINITE_OUTPUT, largest, None, f"the largest forecast is {largest}")
        trial.record(stop(finding, fold.learner.lr), fold, epoch, None)
        raise StopTraining(finding.outcome)
