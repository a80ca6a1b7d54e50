"""One trial: fits a GRU under the guard and returns its result.

each epoch, of each seed and fold: batch ──► backward ──► guard ──► apply, or record a finding and act on it
                                   validation ──► guard ──► checkpoint ──► on_epoch, patience
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainer.config import TrialConfig
from trainer.data.windows import Dataset
from trainer.losses import Loss
from trainer.rivals.skill import Baseline
from trainer.runtime import RandomStream, find_device, reproducible
from trainer.training.batches import Batches
from trainer.training.checkpoint import MALFORMED_CHECKPOINT_ERRORS, CheckpointFile, checkpoint_identity
from trainer.training.guard import stop
from trainer.training.learner import Learner, TrialLosses
from trainer.training.result import EpochReport, Finding, FindingKind, Outcome, RefitResult, TrialResult
from trainer.training.train_epoch import train_epoch
from trainer.training.train_fold import StopTraining, train_fold
from trainer.training.training_state import Fold, TrainingState


class EpochCallback(Protocol):
    """Called with each epoch that passed the guard. If it returns True, the trial ends as `stopped`."""

    def __call__(self, report: EpochReport, /) -> bool:
        """Whether to stop."""


def fit(
    config: TrialConfig,
    data: Dataset | Sequence[Dataset],
    *,
    baseline: Baseline,
    ceiling: float,
    seed: int | Sequence[int],
    metric: Loss | None = None,
    on_epoch: EpochCallback = lambda report: False,
    on_finding: Callable[[Finding], None] = lambda finding: None,
    should_stop: Callable[[], bool] = lambda: False,
    checkpoint: Path | None = None,
    checkpoint_key: bytes | None = None,
) -> TrialResult:
    """Train on the training rows of `data`, validate on its validation rows, and never read the test rows.

    Several datasets are the folds of one trial. Each epoch trains all of them in turn. Its validation loss
    is the mean over the folds, so that all folds have the same best epoch.

    Several seeds are trained side by side in the same way. Each draws its own weights, order of batches and
    dropout, and ends with the bits that it would have alone; the seeds share the data. The loss of an epoch
    is the mean over the seeds, and each seed is guarded as if it were alone.

    Validation losses and skill are those of `metric`; None: of the loss that `config` trains by. A trial
    whose skill over `baseline` is above `ceiling` is suspicious; the loss of `baseline` is a mean
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
    seeds = (seed,) if isinstance(seed, int) else tuple(seed)
    new_trial = partial(_trial, config, metric, datasets, seeds, device, baseline, ceiling, on_finding)
    file = None
    if checkpoint is not None:
        identity = checkpoint_identity(
            config, datasets, metric=metric, baseline=baseline, ceiling=ceiling, seeds=seeds
        )
        file = CheckpointFile(checkpoint, identity, checkpoint_key)
    with reproducible(seeds[0]):
        trial, resumed_from = _new_or_resumed(new_trial, file)
        outcome = _train(trial, file, on_epoch, should_stop)
    return _result(trial, outcome, seeds, resumed_from)


def refit(
    config: TrialConfig,
    data: Dataset,
    *,
    epochs: int,
    seed: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> RefitResult:
    """Train on the training rows of `data` for `epochs` epochs, then forecast its test rows, once; without
    any, its training rows, which shows that the weights give numbers.

    Nothing is validated or chosen; the guard judges every step as in `fit`. A schedule runs over
    `training.epochs` here too, so that each epoch has the learning rates that it had when `epochs` was found.

    Raises TrainerError if the device does not exist.
    """
    device = find_device(config.training.device)
    with reproducible(seed):
        fold = _fold(0, data, config, None, device, _batches(data, config, device))
        trial = TrainingState(config, (fold,), baseline=Baseline("none", math.inf), ceiling=math.inf)
        outcome, forecasts = Outcome.FINISHED, None
        try:
            for epoch in range(epochs):
                train_fold(trial, fold, epoch, should_stop)
                fold.good = fold.learner.snapshot()
            last = fold.batches.test() if len(data.test) else fold.batches.training()
            forecasts = fold.learner.forecast(last)
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
    metric: Loss | None,
    datasets: Sequence[Dataset],
    seeds: Sequence[int],
    device: torch.device,
    baseline: Baseline,
    ceiling: float,
    on_finding: Callable[[Finding], None],
) -> TrainingState:
    """A trial before its first epoch."""
    streams = tuple(RandomStream(seed, device) for seed in seeds)
    batches = [_batches(data, config, device) for data in datasets]
    folds: list[Fold] = []
    for seed, stream in enumerate(streams):
        with stream.in_use():
            folds += [
                _fold(number, data, config, metric, device, drawn, seed)
                for number, (data, drawn) in enumerate(zip(datasets, batches, strict=True))
            ]
    for fold in folds[1:]:
        fold.learner.share_workspace(folds[0].learner)
    limit = config.training.max_seconds
    return TrainingState(
        config,
        tuple(folds),
        baseline,
        ceiling,
        streams,
        on_finding=on_finding,
        max_seconds=math.inf if limit is None else limit,
    )


def _new_or_resumed(
    new_trial: Callable[[], TrainingState], file: CheckpointFile | None
) -> tuple[TrainingState, int | None]:
    """The trial, and the last epoch (0-based) that was restored from `file`; None if it begins anew."""
    trial = new_trial()
    saved = None if file is None else file.load()
    if file is None or saved is None:
        return trial, None
    try:
        trial.resume(saved)
    except MALFORMED_CHECKPOINT_ERRORS as error:
        file.refuse(error)
        return new_trial(), None
    return trial, saved.epochs[-1].epoch


def _result(
    trial: TrainingState, outcome: Outcome, seeds: tuple[int, ...], resumed_from: int | None
) -> TrialResult:
    best, several = trial.best, len(trial.folds) > 1
    forecasts = () if best is None else _forecasts_of_folds(trial, len(seeds))
    return TrialResult(
        outcome=outcome,
        value=None if best is None else best.validation_loss,
        skill=None if best is None else best.skill,
        best_epoch=None if best is None else best.epoch,
        baseline=trial.baseline.name,
        baseline_loss=trial.baseline.loss,
        skill_ceiling=trial.ceiling,
        epochs=tuple(trial.epochs),
        findings=tuple(trial.findings),
        effective=trial.effective,
        final_learning_rates=tuple(fold.learner.lr for fold in trial.folds),
        seed=seeds[0],
        seconds=trial.seconds,
        resumed_from=resumed_from,
        weights=None if best is None or several else trial.folds[0].best_weights,
        fold_weights=() if best is None else tuple(fold.best_weights for fold in trial.folds),
        forecasts=tuple(each.mean(axis=0, dtype=np.float64).astype(np.float32) for each in forecasts),
        seed_forecasts=forecasts,
        seeds=seeds,
    )


def _forecasts_of_folds(trial: TrainingState, seeds: int) -> tuple[npt.NDArray[np.float32], ...]:
    """The forecasts (seeds, rows) of the validation rows of each fold, in the best epoch."""
    forecasts, folds = [fold.best_forecasts.numpy() for fold in trial.folds], len(trial.folds) // seeds
    return tuple(np.stack(forecasts[number::folds]) for number in range(folds))


def _batches(data: Dataset, config: TrialConfig, device: torch.device) -> Batches:
    return Batches(data, device, config.training.batches, config.training.half_life)


def _fold(
    number: int,
    data: Dataset,
    config: TrialConfig,
    metric: Loss | None,
    device: torch.device,
    batches: Batches,
    seed: int = 0,
) -> Fold:
    loss, start = data.in_units(config.loss), ()
    if loss.outputs > 1:
        start = tuple(loss.best_constant(data.target[data.fitting].astype(np.float64)).tolist())
    losses = TrialLosses(loss, data.in_units(metric or config.loss), start)
    return Fold(
        number,
        data,
        Learner(data.features.shape[1], config, device, losses),
        batches,
        seed,
    )


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
            # Saved before on_epoch, which may wait for a store or raise: the epoch must not be lost then.
            if file is not None:
                file.save(trial.checkpoint())
            if on_epoch(report):
                return Outcome.STOPPED
    except StopTraining as stopped:
        return stopped.outcome
    return Outcome.FINISHED


def _report_restored(trial: TrainingState, on_epoch: EpochCallback, should_stop: Callable[[], bool]) -> bool:
    """Report the restored epochs with their findings, in order. Returns whether to stop; reports all of them
    first, because they are trained already.
    """
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
        return train_epoch(trial, len(trial.epochs), should_stop)
    finally:
        trial.seconds += trial.epoch_seconds


def _require_finite(trial: TrainingState, fold: Fold, epoch: int, forecasts: Tensor) -> None:
    """Raise StopTraining if a refit's final weights give a forecast that is not finite."""
    largest = float(forecasts.abs().max())
    if not math.isfinite(largest):
        finding = Finding(FindingKind.NONFINITE_OUTPUT, largest, None, f"the largest forecast is {largest}")
        trial.record(stop(finding, fold.learner.lr), fold, epoch, None)
        raise StopTraining(finding.outcome)
