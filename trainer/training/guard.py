"""The guard: signals in, findings out. Pure functions decide; `train_fold` and `train_epoch` act on it.

Every signal is tested for being finite before it is compared: `NaN > threshold` is False, so a comparison
alone would let NaN pass. Thresholds and their sources: docs/guard.md.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from trainer.config import GuardConfig
from trainer.losses import Loss
from trainer.training.result import Action, Finding, FindingKind, Outcome

_ROUNDING = 1 - 1e-9
"""Rounding may put three cuts by 0.1 slightly below 1e-3 of the start; that must not count as below."""

_HALF = 0.5

_Row = tuple[str, FindingKind, str]
_FORWARD_SIGNALS: tuple[_Row, ...] = (
    ("inputs", FindingKind.NONFINITE_INPUT, "an input or a target"),
    ("output_max", FindingKind.NONFINITE_OUTPUT, "an output of the model"),
    ("loss", FindingKind.NONFINITE_LOSS, "the loss"),
)
"""In causal order: the first signal that is not finite names the finding."""
_STEP_SIGNALS = (
    *_FORWARD_SIGNALS,
    ("grad_norm", FindingKind.NONFINITE_GRADIENT, "the norm of the gradients"),
)
_EPOCH_SIGNALS = (
    *_FORWARD_SIGNALS,
    # An infinite weight can saturate a gate and leave the output finite; only the movement shows it.
    ("movement", FindingKind.NONFINITE_WEIGHT, "the movement of the weights"),
    # An infinite average stops its weight from moving, and every other signal stays finite.
    ("averages", FindingKind.NONFINITE_AVERAGE, "a moving average of the optimiser"),
    ("skill", FindingKind.NONFINITE_LOSS, "the skill"),
)


class StepSignals(NamedTuple):
    """The raw numbers of one training step, finite or not."""

    inputs: float
    """Sum over the batch's inputs and targets; these are clipped, so it is finite only if all of them are.

    0 if all data of the fold is known to be finite.
    """
    loss: float
    output_max: float
    grad_norm: float
    """L2 norm of all gradients before clipping; not finite if a gradient is not, or if the norm overflows."""


@dataclass(frozen=True)
class EpochSignals:
    """The raw numbers of one fold at the end of an epoch: of its validation pass, weights and optimiser."""

    inputs: float
    loss: float
    output_max: float
    skill: float
    """Of the trial, over all its folds."""
    movement: float
    averages: float
    good_steps: int
    share: float
    """Epochs trained, as a share of `training.epochs`; in (0, 1]."""


@dataclass(frozen=True)
class LossLimits:
    """`guard.loss_floor` and `guard.loss_limit`, which are squared errors, as the loss of forecasts with this
    error, for a loss with the name `label`.
    """

    low: float
    high: float
    label: str


def loss_limits(config: GuardConfig, loss: Loss) -> LossLimits:
    """The limits of a `loss` in the unit of the data."""
    low, high = (loss.of_squared_error(square) for square in (config.loss_floor, config.loss_limit))
    return LossLimits(low[0], high[1], loss.label)


def detect_step(signals: StepSignals, config: GuardConfig, limits: LossLimits) -> Finding | None:
    """The first problem of a training step, or None."""
    inputs, loss, output, norm = signals
    # A sum is finite only if its parts are, so a good step costs one sum and three comparisons.
    if (
        math.isfinite(inputs + loss + output + norm)
        and output <= config.output_limit
        and limits.low <= loss <= limits.high
    ):
        return None
    return _not_finite(signals, _STEP_SIGNALS) or _out_of_bounds(output, loss, config, limits)


def detect_epoch(
    signals: EpochSignals, ceiling: float, config: GuardConfig, limits: LossLimits
) -> Finding | None:
    """The first problem of an epoch, or None if its validation loss may be reported.

    `ceiling` is the highest believable skill.
    """
    return (
        _not_finite(signals, _EPOCH_SIGNALS)
        or _out_of_bounds(signals.output_max, signals.loss, config, limits)
        or _too_good(signals.skill, ceiling)
        or _nothing_moved(signals, config)
    )


def intervene(
    finding: Finding, *, lr: float, good_lr: float, bad_in_a_row: int, rewinds: int, config: GuardConfig
) -> Finding:
    """The finding of a training step with the intervention: skip and cut the learning rate, rewind, or stop.

    `bad_in_a_row` includes this step. When it reaches `guard.max_bad_steps`, the fold returns to its last
    good snapshot with half of `good_lr`, the learning rate that it had there; the trial ends instead once
    `guard.rewinds` returns were made, which `rewinds` counts.
    """
    if finding.outcome is Outcome.SUSPICIOUS:
        return stop(finding, lr)
    if bad_in_a_row < config.max_bad_steps:
        cut = min(lr, max(config.lr_cut * lr, config.lr_min))
        return replace(finding, action=Action.SKIP_AND_CUT, lr_before=lr, lr_after=cut)
    if rewinds < config.rewinds:
        return replace(finding, action=Action.REWIND, lr_before=lr, lr_after=_HALF * good_lr)
    return stop(finding, lr)


def stop(finding: Finding, lr: float) -> Finding:
    """The finding with the intervention that ends the trial; the learning rate stays `lr`."""
    return replace(finding, action=Action.STOP, lr_before=lr, lr_after=lr)


def detect_freeze(cut: Finding, start_lr: float, config: GuardConfig) -> Finding | None:
    """A finding that stops the trial if `cut` left too low a learning rate or could not lower it."""
    bound = config.frozen_lr_ratio * start_lr
    if cut.lr_after >= bound * _ROUNDING and cut.lr_after < cut.lr_before:
        return None
    message = (
        f"the learning rate was cut to {cut.lr_after:.3g} from {start_lr:.3g} at the start: "
        "nothing more would be learnt"
    )
    return stop(Finding(FindingKind.FROZEN, cut.lr_after, bound, message), cut.lr_after)


def _not_finite(signals: StepSignals | EpochSignals, table: tuple[_Row, ...]) -> Finding | None:
    for name, kind, what in table:
        value = getattr(signals, name)
        if not math.isfinite(value):
            return Finding(kind, value, None, f"{what} is {value}")
    return None


def _out_of_bounds(output: float, loss: float, config: GuardConfig, limits: LossLimits) -> Finding | None:
    if output > config.output_limit:
        return Finding(
            FindingKind.OUTPUT_EXPLOSION,
            output,
            config.output_limit,
            f"|output| reached {output:.4g}, above guard.output_limit = {config.output_limit:g}",
        )
    if loss > limits.high:
        return Finding(
            FindingKind.LOSS_EXPLOSION,
            loss,
            limits.high,
            f"the loss is {loss:.4g}, above guard.loss_limit = "
            f"{_limit_text(config.loss_limit, limits.high, limits.label)}",
        )
    if loss < limits.low:
        return Finding(
            FindingKind.LOSS_TOO_LOW,
            loss,
            limits.low,
            f"the loss is {loss:.4g}, below guard.loss_floor = "
            f"{_limit_text(config.loss_floor, limits.low, limits.label)}: "
            "a leak or a degenerate target",
        )
    return None


def _limit_text(square: float, limit: float, label: str) -> str:
    other = "" if limit == square else f", a squared error, which is {limit:.4g} in {label}"
    return f"{square:g}{other}"


def _too_good(skill: float, ceiling: float) -> Finding | None:
    if not skill > ceiling:
        return None
    return Finding(
        FindingKind.SKILL_TOO_HIGH,
        skill,
        ceiling,
        f"the skill over the best naive forecast is {skill:.4g}, above the ceiling of {ceiling:.4g}: "
        "look for a leak before believing it",
    )


def _nothing_moved(signals: EpochSignals, config: GuardConfig) -> Finding | None:
    if signals.good_steps == 0:
        message = "no step of the epoch could be used"
    elif signals.movement < config.min_movement * signals.share:
        message = (
            f"the weights moved by {signals.movement:.3g} of their ordinary size in {signals.share:.0%} of "
            f"the epochs, below the pace of guard.min_movement = {config.min_movement:g}: nothing is learnt"
        )
    else:
        return None
    return Finding(FindingKind.FROZEN, signals.movement, config.min_movement * signals.share, message)
