"""Trains and validates every fold of a trial for one epoch, with each seed; the guard then judges it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import NamedTuple, NoReturn

from torch import Tensor

from trainer.rivals.skill import skill
from trainer.training.fault_location import explain_epoch
from trainer.training.guard import EpochSignals, detect_epoch, stop
from trainer.training.learner import ValidationResult
from trainer.training.result import EpochReport, Finding, FindingKind
from trainer.training.train_fold import EpochSums, StopTraining, train_fold
from trainer.training.training_state import Fold, TrainingState


class _FoldEpoch(NamedTuple):
    """One fold after an epoch: what it summed over its steps, its validation pass, and its movement."""

    fold: Fold
    sums: EpochSums
    validation: ValidationResult
    movement: float


def train_epoch(
    trial: TrainingState, epoch: int, should_stop: Callable[[], bool]
) -> tuple[EpochReport, list[Tensor]]:
    """Train and validate every fold once; the report, and each fold's forecasts of its validation rows.

    Raises StopTraining if the epoch does not pass the guard.
    """
    folds: list[_FoldEpoch] = []
    for seed, stream in enumerate(trial.streams):
        with stream.in_use():
            folds += [
                _FoldEpoch(
                    fold,
                    train_fold(trial, fold, epoch, should_stop),
                    fold.learner.validate(fold.batches.validation()),
                    fold.learner.movement(),
                )
                for fold in trial.folds
                if fold.seed == seed
            ]
    losses = _mean_losses(folds, lambda fold: fold.seed)
    _judge(trial, folds, epoch, [skill(loss, trial.baseline.loss) for loss in losses])
    return _report(trial, folds, epoch, losses), [each.validation.forecasts for each in folds]


def _mean_losses(folds: Sequence[_FoldEpoch], number: Callable[[Fold], int]) -> tuple[float, ...]:
    """The mean validation loss of each seed or of each fold, whichever `number` tells."""
    losses: dict[int, list[float]] = {}
    for each in folds:
        losses.setdefault(number(each.fold), []).append(each.validation.loss)
    return tuple(map(fmean, losses.values()))


def _judge(trial: TrainingState, folds: Sequence[_FoldEpoch], epoch: int, reached: Sequence[float]) -> None:
    """Raise StopTraining if a fold does not pass the guard; `reached` is the skill of each seed over its
    folds.

    Each seed is judged as if it were alone: a leak that one of them has found is a leak. The mean is never
    above the ceiling if no seed is.
    """
    # A fold whose loss is not finite comes first, because it makes the skill over all folds not finite.
    for fold, sums, validation, moved in sorted(folds, key=lambda each: math.isfinite(each.validation.loss)):
        signals = EpochSignals(
            inputs=validation.inputs,
            loss=validation.loss,
            output_max=validation.output_max,
            skill=reached[fold.seed],
            movement=moved,
            averages=fold.learner.averages(),
            good_steps=sums.steps,
            share=(epoch + 1) / trial.config.training.epochs,
        )
        finding = detect_epoch(signals, trial.ceiling, trial.config.guard, fold.learner.epoch_limits)
        if finding is not None:
            _end(trial, fold, epoch, finding)


def _report(
    trial: TrainingState, folds: Sequence[_FoldEpoch], epoch: int, seed_losses: tuple[float, ...]
) -> EpochReport:
    """The report of an epoch that passed the guard, in which every fold therefore has a good step."""
    sums, validations = [each.sums for each in folds], [each.validation for each in folds]
    loss = fmean(seed_losses)
    return EpochReport(
        epoch=epoch,
        train_loss=fmean(each.loss / each.windows for each in sums),
        validation_loss=loss,
        skill=skill(loss, trial.baseline.loss),
        learning_rate=min(fold.learner.learning_rate_factor * fold.learner.lr for fold in trial.folds),
        grad_norm_mean=fmean(each.grad_norm / each.steps for each in sums),
        grad_norm_max=max(each.grad_norm_max for each in sums),
        output_max=max(*(each.output_max for each in sums), *(each.output_max for each in validations)),
        steps=sum(each.steps for each in sums),
        skipped_steps=sum(each.skipped for each in sums),
        movement=fmean(each.movement for each in folds),
        prediction_std_ratio=fmean(each.prediction_std_ratio for each in validations),
        seconds=trial.epoch_seconds,
        fold_losses=_mean_losses(folds, lambda fold: fold.number),
        seed_losses=seed_losses,
    )


def _end(trial: TrainingState, fold: Fold, epoch: int, finding: Finding) -> NoReturn:
    """End the trial for a finding at the end of an epoch."""
    learner = fold.learner
    finding = explain_epoch(finding, fold.batches.validation(), learner.model, fold.data)
    if finding.kind is FindingKind.NONFINITE_AVERAGE:
        finding = replace(finding, parameter=learner.broken_average())
    trial.record(stop(finding, learner.lr), fold, epoch, None)
    raise StopTraining(finding.outcome)
