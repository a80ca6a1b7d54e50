"""One trial: fit a GRU under the guard and hand back everything that happened.

epoch: of each fold: batch ──► backward ──► guard ──► apply │ skip the step, cut the learning rate │ stop
       validation of each fold ──► guard ──► best so far, checkpoint ──► on_epoch, patience
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import NoReturn, Protocol

import torch
from torch import Tensor

from trainer.config import KernelName, TrialConfig
from trainer.data.windows import Dataset
from trainer.kernels.kernel import load_kernel
from trainer.rivals.skill import Baseline, skill
from trainer.runtime import find_device, reproducible
from trainer.training.batches import Batches
from trainer.training.checkpoint import MALFORMED_CHECKPOINT_ERRORS, CheckpointFile, checkpoint_identity
from trainer.training.fault_location import FaultLocation, explain_epoch
from trainer.training.guard import Detection, EpochSignals, detect_epoch, stop
from trainer.training.learner import Learner
from trainer.training.result import EpochReport, FindingKind, Outcome, RefitResult, TrialResult
from trainer.training.train_fold import StopTraining, train_fold
from trainer.training.training_state import Fold, TrainingState


class EpochCallback(Protocol):
    """Sees each epoch that the guard let pass; True ends the trial as `stopped`."""

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
    should_stop: Callable[[], bool] = lambda: False,
    checkpoint: Path | None = None,
    checkpoint_key: bytes | None = None,
) -> TrialResult:
    """Train on the training rows of `data`, validate on its validation rows, never touch the test rows.

    Several datasets are the folds of one trial. They are trained side by side, an epoch of each in turn, and
    an epoch's validation loss is the mean over them: one epoch is the best for all, and what is reported at
    it means the same in every trial, whatever a fold alone is like.

    `ceiling` is the skill over `baseline`, the mean of whose losses over the folds it knows, above which a
    trial is suspicious. The same arguments give the same bits on the same machine. `on_epoch` is called after
    the guard has let an epoch pass; `should_stop` is asked before every batch, and before a restored epoch is
    told. Raises TrainerError for a device that is not there.

    `checkpoint` is a file, in a folder that is there, written after each epoch and left for the caller to
    remove (`trainer.atomic_files.remove_file`). Where it is there already and this
    trial's, training
    goes on from it, to
    the same bits as if it had never stopped, and `on_epoch` is called for its epochs first. One that is
    damaged or another trial's is ignored, and one that was not signed with `checkpoint_key`, where there is
    such a key: whoever else can write to the folder decides no result.
    """
    device = find_device(config.training.device)
    datasets = (data,) if isinstance(data, Dataset) else tuple(data)
    file = None
    if checkpoint is not None:
        same = checkpoint_identity(config, datasets, baseline=baseline, ceiling=ceiling, seed=seed)
        file = CheckpointFile(checkpoint, same, checkpoint_key)
    with reproducible(seed):
        trial = _trial(config, datasets, device, baseline, ceiling)
        saved = None if file is None else file.load()
        if file is not None and saved is not None:
            try:
                trial.resume(saved)
            except MALFORMED_CHECKPOINT_ERRORS as error:
                file.refuse(error)
                saved = None
                torch.manual_seed(seed)
                trial = _trial(config, datasets, device, baseline, ceiling)
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

    For a configuration whose number of epochs is known: nothing is validated, nothing is chosen, and the
    guard watches every step as it does in `fit`. A schedule runs over training.epochs here too, so that each
    epoch learns at the rates that it had when `epochs` was found. Raises TrainerError for a device that is
    not there.
    """
    device = find_device(config.training.device)
    with reproducible(seed):
        fold = _fold(0, data, config, device)
        trial = TrainingState(config, (fold,), baseline=Baseline("none", math.inf), ceiling=math.inf)
        outcome, forecasts = Outcome.FINISHED, None
        try:
            for epoch in range(epochs):
                train_fold(trial, fold, epoch, math.inf, should_stop)
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


def prepare_kernel(kernel: KernelName, device: str) -> None:
    """Import what trials on `device` compute with, and compile it if need be: seconds that are no trial's.

    Raises TrainerError for a device that is not there, or that has not this kernel.
    """
    load_kernel(kernel, find_device(device))


def _trial(
    config: TrialConfig, datasets: Sequence[Dataset], device: torch.device, baseline: Baseline, ceiling: float
) -> TrainingState:
    """Before its first epoch."""
    folds = tuple(_fold(number, each, config, device) for number, each in enumerate(datasets))
    for fold in folds[1:]:
        fold.learner.share_room(folds[0].learner)
    return TrainingState(config, folds, baseline, ceiling)


def _fold(number: int, data: Dataset, config: TrialConfig, device: torch.device) -> Fold:
    return Fold(number, data, Learner(data.features.shape[1], config, device), Batches(data, device))


def _train(
    trial: TrainingState,
    file: CheckpointFile | None,
    on_epoch: EpochCallback,
    should_stop: Callable[[], bool],
) -> Outcome:
    try:
        if _stops_where_it_was(trial, on_epoch, should_stop):
            return Outcome.STOPPED
        while not trial.over:
            report, forecasts = _timed_epoch(trial, should_stop)
            trial.passed(report, forecasts)
            # Before on_epoch, which may wait long for a store, or raise: the epoch is not to be lost with it.
            if file is not None:
                file.save(trial.checkpoint())
            if on_epoch(report):
                return Outcome.STOPPED
    except StopTraining as stopped:
        return stopped.outcome
    return Outcome.FINISHED


def _stops_where_it_was(
    trial: TrainingState, on_epoch: EpochCallback, should_stop: Callable[[], bool]
) -> bool:
    """Tell the restored epochs: they have been trained, so all are told before an answer is heeded."""
    answers = []
    for report in trial.epochs:
        if should_stop():
            raise StopTraining(Outcome.INTERRUPTED)
        answers.append(on_epoch(report))
    return any(answers)


def _timed_epoch(trial: TrainingState, should_stop: Callable[[], bool]) -> tuple[EpochReport, list[Tensor]]:
    began = perf_counter()
    try:
        return _epoch(trial, len(trial.epochs), began, should_stop)
    finally:
        trial.seconds += perf_counter() - began


def _epoch(
    trial: TrainingState, epoch: int, began: float, should_stop: Callable[[], bool]
) -> tuple[EpochReport, list[Tensor]]:
    """Train and validate every fold once. The report has passed the guard; what does not pass raises Stop.

    With it come the forecasts of each fold's validation rows.
    """
    deadline = began + trial.seconds_left
    sums, validations = [], []
    for fold in trial.folds:
        sums.append(train_fold(trial, fold, epoch, deadline, should_stop))
        validations.append(fold.learner.validate(fold.batches.validation()))
    losses = tuple(validation.loss for validation in validations)
    reached = skill(fmean(losses), trial.baseline.loss)
    movements = [fold.learner.movement() for fold in trial.folds]
    told = zip(trial.folds, sums, validations, movements, strict=True)
    # A fold that is broken comes first: the skill over all folds is broken with it, and is no other's fault.
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
        detection = detect_epoch(signals, trial.ceiling, trial.config.guard)
        if detection is not None:
            _end(trial, fold, epoch, detection)
    return EpochReport(
        epoch=epoch,
        train_loss=fmean(done.loss / done.windows for done in sums),
        validation_loss=fmean(losses),
        skill=reached,
        learning_rate=min(fold.learner.pace * fold.learner.lr for fold in trial.folds),
        grad_norm_mean=fmean(done.grad_norm / done.steps for done in sums),
        grad_norm_max=max(done.grad_norm_max for done in sums),
        output_max=max(*(done.output_max for done in sums), *(each.output_max for each in validations)),
        steps=sum(done.steps for done in sums),
        skipped_steps=sum(done.skipped for done in sums),
        movement=fmean(movements),
        prediction_std_ratio=fmean(validation.prediction_std_ratio for validation in validations),
        seconds=perf_counter() - began,
        fold_losses=losses,
    ), [validation.forecasts for validation in validations]


def _end(trial: TrainingState, fold: Fold, epoch: int, detection: Detection) -> NoReturn:
    """End the trial for what an epoch's end has shown."""
    learner = fold.learner
    detection, where = explain_epoch(detection, fold.batches.validation(), learner.model, fold.data)
    if detection.kind is FindingKind.NONFINITE_AVERAGE:
        where = FaultLocation(parameter=learner.broken_average())
    trial.find(fold, epoch, None, detection, stop(learner.lr), where)
    raise StopTraining(detection.outcome)


def _require_finite(trial: TrainingState, fold: Fold, epoch: int, forecasts: Tensor) -> None:
    """End a refit whose last step has left weights that forecast nothing."""
    largest = float(forecasts.abs().max())
    if not math.isfinite(largest):
        what = Detection(FindingKind.NONFINITE_OUTPUT, largest, None, f"the largest forecast is {largest}")
        trial.find(fold, epoch, None, what, stop(fold.learner.lr))
        raise StopTraining(what.outcome)
