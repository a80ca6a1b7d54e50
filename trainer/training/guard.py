"""The guard: signals in, findings out. Pure decisions; the loop carries them out.

    signal ──► detection ──► intervention ──► finding

Every finite test stands before any comparison: NaN is never `> threshold`, so a test that compares first
would let it pass. Thresholds and their sources: docs/guard.md.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from trainer.config import GuardConfig
from trainer.training.result import Action, FindingKind, Intervention, Outcome

SUSPICIOUS = frozenset({FindingKind.LOSS_TOO_LOW, FindingKind.SKILL_TOO_HIGH})
_ROUNDING = 1 - 1e-9
"""Three cuts by 0.1 are 1e-3 of the start but for float rounding; they must not count as below it."""

_HALF = 0.5

_Row = tuple[str, FindingKind, str]
_FORWARD_SIGNALS: tuple[_Row, ...] = (
    ("inputs", FindingKind.NONFINITE_INPUT, "an input or a target"),
    ("output_max", FindingKind.NONFINITE_OUTPUT, "an output of the model"),
    ("loss", FindingKind.NONFINITE_LOSS, "the loss"),
)
"""In the order of causes: the first that is not finite is what the finding is called after."""
_STEP_SIGNALS = (
    *_FORWARD_SIGNALS,
    ("grad_norm", FindingKind.NONFINITE_GRADIENT, "the norm of the gradients"),
)
_EPOCH_SIGNALS = (
    *_FORWARD_SIGNALS,
    # A gate saturated by an infinite weight has a finite output: only the movement tells.
    ("movement", FindingKind.NONFINITE_WEIGHT, "the movement of the weights"),
    # An infinite average stills its weight for good, and every other signal stays finite.
    ("averages", FindingKind.NONFINITE_AVERAGE, "a moving average of the optimiser"),
    ("skill", FindingKind.NONFINITE_LOSS, "the skill"),
)


class StepSignals(NamedTuple):
    """What one training step says: finite or not, these are the raw numbers."""

    inputs: float
    """Sum over the batch's inputs and targets: finite iff all of them are (clipping bounds them).

    0 where all data of the trial is known to be finite.
    """
    loss: float
    output_max: float
    grad_norm: float
    """L2 norm of all gradients before clipping: finite iff all of them are, and their norm is a float."""


@dataclass(frozen=True)
class EpochSignals:
    """What the validation pass and the weights say at the end of an epoch of one fold."""

    inputs: float
    loss: float
    output_max: float
    skill: float
    """Of the trial, over all its folds."""
    movement: float
    averages: float
    good_steps: int
    share: float
    """Epochs that were trained, of all that the trial may train: above 0, at most 1."""


@dataclass(frozen=True)
class Detection:
    """Something is wrong: what, how much, against which bound, in words."""

    kind: FindingKind
    value: float
    threshold: float | None
    message: str

    @property
    def outcome(self) -> Outcome:
        """How a trial ends that is stopped for this."""
        return Outcome.SUSPICIOUS if self.kind in SUSPICIOUS else Outcome.UNSTABLE


def detect_step(signals: StepSignals, config: GuardConfig) -> Detection | None:
    """The first thing wrong with a training step, None if nothing is."""
    inputs, loss, output, norm = signals
    # A sum is finite only if its parts are: of a good step one sum and three comparisons are asked.
    if (
        math.isfinite(inputs + loss + output + norm)
        and output <= config.output_limit
        and config.loss_floor <= loss <= config.loss_limit
    ):
        return None
    return _not_finite(signals, _STEP_SIGNALS) or _out_of_bounds(output, loss, config)


def detect_epoch(signals: EpochSignals, ceiling: float, config: GuardConfig) -> Detection | None:
    """The first thing wrong with an epoch, None if its validation loss may be believed and reported."""
    return (
        _not_finite(signals, _EPOCH_SIGNALS)
        or _out_of_bounds(signals.output_max, signals.loss, config)
        or _too_good(signals.skill, ceiling)
        or _nothing_moved(signals, config)
    )


def intervene(
    detection: Detection, *, lr: float, good_lr: float, bad_in_a_row: int, rewinds: int, config: GuardConfig
) -> Intervention:
    """What to do about a bad training step: skip it and cut the learning rate, rewind, or end the trial.

    `bad_in_a_row` counts this step. When it reaches `guard.max_bad_steps`, the trial returns to its last good
    snapshot with half of the learning rate `good_lr` that it had there; after `guard.rewinds` such returns
    (`rewinds` counts those made) it ends.
    """
    if detection.kind in SUSPICIOUS:
        return stop(lr)
    if bad_in_a_row >= config.max_bad_steps:
        return stop(lr) if rewinds >= config.rewinds else Intervention(Action.REWIND, lr, _HALF * good_lr)
    return Intervention(Action.SKIP_AND_CUT, lr, min(lr, max(config.lr_cut * lr, config.lr_min)))


def stop(lr: float) -> Intervention:
    """End the trial; the learning rate stays what it is."""
    return Intervention(Action.STOP, lr, lr)


def detect_freeze(intervention: Intervention, start_lr: float, config: GuardConfig) -> Detection | None:
    """A learning rate that was cut so far, or that cannot be cut, teaches nothing more."""
    bound = config.frozen_lr_ratio * start_lr
    if intervention.lr_after >= bound * _ROUNDING and intervention.lr_after < intervention.lr_before:
        return None
    return Detection(
        FindingKind.FROZEN,
        intervention.lr_after,
        bound,
        f"the learning rate was cut to {intervention.lr_after:.3g} from {start_lr:.3g} at the start: "
        "nothing more would be learnt",
    )


def _not_finite(signals: StepSignals | EpochSignals, table: tuple[_Row, ...]) -> Detection | None:
    for name, kind, what in table:
        value = getattr(signals, name)
        if not math.isfinite(value):
            return Detection(kind, value, None, f"{what} is {value}")
    return None


def _out_of_bounds(output: float, loss: float, config: GuardConfig) -> Detection | None:
    if output > config.output_limit:
        return Detection(
            FindingKind.OUTPUT_EXPLOSION,
            output,
            config.output_limit,
            f"|output| reached {output:.4g}, above guard.output_limit = {config.output_limit:g}",
        )
    if loss > config.loss_limit:
        return Detection(
            FindingKind.LOSS_EXPLOSION,
            loss,
            config.loss_limit,
            f"the loss is {loss:.4g}, above guard.loss_limit = {config.loss_limit:g}",
        )
    if loss < config.loss_floor:
        return Detection(
            FindingKind.LOSS_TOO_LOW,
            loss,
            config.loss_floor,
            f"the loss is {loss:.4g}, below guard.loss_floor = {config.loss_floor:g}: "
            "a leak or a degenerate target",
        )
    return None


def _too_good(skill: float, ceiling: float) -> Detection | None:
    if not skill > ceiling:
        return None
    return Detection(
        FindingKind.SKILL_TOO_HIGH,
        skill,
        ceiling,
        f"the skill over the best naive forecast is {skill:.4g}, above the ceiling of {ceiling:.4g}: "
        "look for a leak before believing it",
    )


def _nothing_moved(signals: EpochSignals, config: GuardConfig) -> Detection | None:
    if signals.good_steps == 0:
        message = "no step of the epoch could be used"
    elif signals.movement < config.min_movement * signals.share:
        message = (
            f"the weights moved by {signals.movement:.3g} of their ordinary size in {signals.share:.0%} of "
            f"the epochs, below the pace of guard.min_movement = {config.min_movement:g}: nothing is learnt"
        )
    else:
        return None
    return Detection(FindingKind.FROZEN, signals.movement, config.min_movement * signals.share, message)
