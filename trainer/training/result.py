"""Reports of training: an EpochReport for each epoch, a Finding for each detection, a result at the end."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor


class Outcome(StrEnum):
    """How training ended.

    fit ──► FINISHED      all epochs, or patience ran out
        ├─► STOPPED       on_epoch asked for it (the pruner)
        ├─► UNSTABLE      the guard gave up, or nothing moved
        ├─► SUSPICIOUS    too good to be true
        ├─► TIMED_OUT     training.max_seconds were over
        └─► INTERRUPTED   should_stop asked for it (a signal)
    """

    FINISHED = "finished"
    STOPPED = "stopped"
    UNSTABLE = "unstable"
    SUSPICIOUS = "suspicious"
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"


class FindingKind(StrEnum):
    """What the guard can detect; the value is the reason code that users see."""

    NONFINITE_INPUT = "nonfinite_input"
    NONFINITE_TARGET = "nonfinite_target"
    NONFINITE_WEIGHT = "nonfinite_weight"
    NONFINITE_AVERAGE = "nonfinite_average"
    NONFINITE_OUTPUT = "nonfinite_output"
    NONFINITE_LOSS = "nonfinite_loss"
    NONFINITE_GRADIENT = "nonfinite_gradient"
    OUTPUT_EXPLOSION = "output_explosion"
    LOSS_EXPLOSION = "loss_explosion"
    FROZEN = "frozen"
    LOSS_TOO_LOW = "loss_too_low"
    SKILL_TOO_HIGH = "skill_too_high"


class Action(StrEnum):
    """What the guard can do."""

    SKIP_AND_CUT = "skip_and_cut"
    REWIND = "rewind"
    STOP = "stop"


_SUSPICIOUS = frozenset({FindingKind.LOSS_TOO_LOW, FindingKind.SKILL_TOO_HIGH})


@dataclass(frozen=True)
class Finding:
    """One event: what the guard detected, where, and what was done about it.

    The guard creates it and sets the intervention, `fault_location` adds the place, and
    `TrainingState.record` adds the key. (seed, fold, epoch, step, kind) is unique within a trial.
    """

    kind: FindingKind
    value: float
    threshold: float | None
    message: str

    action: Action = Action.STOP
    lr_before: float = math.nan
    lr_after: float = math.nan
    """Equal to `lr_before` unless the learning rate was changed."""

    seed: int = 0
    """Which of the trial's seeds, 0-based."""
    fold: int = 0
    epoch: int = 0
    step: int | None = None
    """The optimiser update of this seed and fold, 0-based over all epochs; None for a finding of the epoch's
    end."""

    parameter: str | None = None
    rows: tuple[int, ...] = ()
    """Positions in the fold's Dataset of the last row of each window in the batch."""
    cell: str | None = None
    """The first bad cell, as `column at time (line N)`."""

    @property
    def outcome(self) -> Outcome:
        """The outcome of a trial that is stopped for this finding."""
        return Outcome.SUSPICIOUS if self.kind in _SUSPICIOUS else Outcome.UNSTABLE


@dataclass(frozen=True)
class EpochReport:
    """Signals of one epoch. Losses are means over rows, on the standardised target.

    For several folds and seeds a value is the mean over them, with these exceptions: `steps`, `skipped_steps`
    and `seconds` are sums, `grad_norm_max` and `output_max` maxima, `learning_rate` is the smallest.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    skill: float
    learning_rate: float
    """Of the last step."""
    grad_norm_mean: float
    grad_norm_max: float
    output_max: float
    steps: int
    skipped_steps: int
    movement: float
    """L2 distance from the initial weights, relative to the norm of weights of ordinary size."""
    prediction_std_ratio: float
    """std(prediction) / std(target) on validation rows; near 0 if the model predicts a constant."""
    seconds: float
    fold_losses: tuple[float, ...] = ()
    """Validation loss of each fold, the mean over the seeds."""
    seed_losses: tuple[float, ...] = ()
    """Validation loss of each seed, the mean over the folds; `validation_loss` is the mean of these."""


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial.

    `value` (validation loss), `skill`, `weights` and `forecasts` are those of the best epoch, which is the
    last one if a schedule lowers the learning rate. They are None or empty if no epoch passed the guard;
    `weights` are None also if there are several folds or seeds; `fold_weights` has those of each fold, seed
    by seed. `forecasts` are (rows,) float32 for each fold: its validation rows, standardised, the mean over
    the seeds; `seed_forecasts` are (seeds, rows). `effective` holds the settings as read from the optimiser,
    the model and the tensors. `seconds` were spent in training and validation: restored and interrupted
    epochs count, time in callbacks does not. `resumed_from` is the last epoch (0-based) that came from a
    checkpoint, None without one. `final_learning_rates` has one value per fold, seed by seed, before the
    schedule. `seed` is the first of `seeds`.
    """

    outcome: Outcome
    value: float | None
    skill: float | None
    best_epoch: int | None
    baseline: str
    baseline_loss: float
    skill_ceiling: float
    epochs: tuple[EpochReport, ...]
    findings: tuple[Finding, ...]
    effective: Mapping[str, Any]
    final_learning_rates: tuple[float, ...]
    seed: int
    seconds: float
    resumed_from: int | None = None
    weights: "Mapping[str, Tensor] | None" = field(default=None, repr=False)
    fold_weights: "tuple[Mapping[str, Tensor], ...]" = field(default=(), repr=False)
    forecasts: "tuple[npt.NDArray[np.float32], ...]" = field(default=(), repr=False)
    seed_forecasts: "tuple[npt.NDArray[np.float32], ...]" = field(default=(), repr=False)
    seeds: tuple[int, ...] = ()

    @property
    def networks(self) -> "tuple[Mapping[str, Tensor], ...]":
        """The weights of each seed; () if no epoch passed the guard, or if each fold has its own."""
        return self.fold_weights if len(self.fold_weights) == max(1, len(self.seeds)) else ()


@dataclass(frozen=True)
class RefitResult:
    """The result of training for a known number of epochs, without validation.

    `forecasts` are of the test rows, or of the training rows if there are none: standardised, shape (rows,)
    float32; they and `weights` are None unless training FINISHED. The rest is as in TrialResult.
    """

    outcome: Outcome
    findings: tuple[Finding, ...]
    effective: Mapping[str, Any]
    seed: int
    weights: "Mapping[str, Tensor] | None" = field(repr=False)
    forecasts: "npt.NDArray[np.float32] | None" = field(repr=False)
