"""Decisions of the guard, as tables: signals in, detection and intervention out."""

import math
from dataclasses import replace
from typing import Any

import pytest

from trainer.config import GuardConfig
from trainer.losses import MSE, AbsoluteError, HuberLoss, Loss, QLike
from trainer.quantile_loss import QuantileLoss
from trainer.training.guard import (
    EpochSignals,
    StepSignals,
    detect_epoch,
    detect_freeze,
    detect_step,
    intervene,
    loss_limits,
    stop,
)
from trainer.training.result import Action, Finding, FindingKind, Outcome

GUARD = GuardConfig()
LIMITS = loss_limits(GUARD, MSE)
CEILING = 0.3
GOOD_STEP = StepSignals(inputs=3.0, loss=0.5, output_max=2.0, grad_norm=0.7)
GOOD_EPOCH = EpochSignals(
    inputs=3.0, loss=0.5, output_max=2.0, skill=0.1, movement=0.2, averages=0.4, good_steps=5, share=1.0
)
NOT_FINITE = [math.nan, math.inf, -math.inf]

STEP_KINDS = {
    "inputs": FindingKind.NONFINITE_INPUT,
    "loss": FindingKind.NONFINITE_LOSS,
    "output_max": FindingKind.NONFINITE_OUTPUT,
    "grad_norm": FindingKind.NONFINITE_GRADIENT,
}
EPOCH_KINDS = {
    "inputs": FindingKind.NONFINITE_INPUT,
    "loss": FindingKind.NONFINITE_LOSS,
    "output_max": FindingKind.NONFINITE_OUTPUT,
    "skill": FindingKind.NONFINITE_LOSS,
    "movement": FindingKind.NONFINITE_WEIGHT,
    "averages": FindingKind.NONFINITE_AVERAGE,
}


def step_with(**signals: float) -> StepSignals:
    return GOOD_STEP._replace(**signals)


def epoch_with(**signals: Any) -> EpochSignals:
    return replace(GOOD_EPOCH, **signals)


def found_in_step(signals: StepSignals) -> FindingKind | None:
    detection = detect_step(signals, GUARD, LIMITS)
    return None if detection is None else detection.kind


def found_in_epoch(signals: EpochSignals, ceiling: float = CEILING) -> FindingKind | None:
    detection = detect_epoch(signals, ceiling, GUARD, LIMITS)
    return None if detection is None else detection.kind


def a_finding(kind: FindingKind) -> Finding:
    return Finding(kind, 1.0, None, "made up")


def a_cut(before: float, now: float) -> Finding:
    finding = a_finding(FindingKind.NONFINITE_LOSS)
    return replace(finding, action=Action.SKIP_AND_CUT, lr_before=before, lr_after=now)


def test_good_signals_pass() -> None:
    assert found_in_step(GOOD_STEP) is None
    assert found_in_epoch(GOOD_EPOCH) is None


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("signal", STEP_KINDS)
def test_a_step_with_a_signal_that_is_not_finite_is_found(signal: str, value: float) -> None:
    assert found_in_step(step_with(**{signal: value})) is STEP_KINDS[signal]


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("signal", EPOCH_KINDS)
def test_an_epoch_with_a_signal_that_is_not_finite_is_found(signal: str, value: float) -> None:
    assert found_in_epoch(epoch_with(**{signal: value})) is EPOCH_KINDS[signal]


@pytest.mark.parametrize("value", NOT_FINITE)
def test_the_finite_test_of_a_late_signal_comes_before_the_comparison_of_an_early_one(value: float) -> None:
    exploded = step_with(output_max=1e6, loss=1e6, grad_norm=value)
    assert found_in_step(exploded) is FindingKind.NONFINITE_GRADIENT
    too_good = epoch_with(output_max=1e6, loss=1e6, skill=1.0, movement=value)
    assert found_in_epoch(too_good) is FindingKind.NONFINITE_WEIGHT


@pytest.mark.parametrize(
    ("signal", "at", "beyond", "kind"),
    [
        ("output_max", 10.0, math.nextafter(10.0, math.inf), FindingKind.OUTPUT_EXPLOSION),
        ("loss", 100.0, math.nextafter(100.0, math.inf), FindingKind.LOSS_EXPLOSION),
        ("loss", 1e-8, math.nextafter(1e-8, 0.0), FindingKind.LOSS_TOO_LOW),
        ("loss", 1e-8, 0.0, FindingKind.LOSS_TOO_LOW),
    ],
)
def test_a_threshold_is_the_last_good_value_of_steps_and_epochs(
    signal: str, at: float, beyond: float, kind: FindingKind
) -> None:
    assert found_in_step(step_with(**{signal: at})) is None
    assert found_in_step(step_with(**{signal: beyond})) is kind
    assert found_in_epoch(epoch_with(**{signal: at})) is None
    assert found_in_epoch(epoch_with(**{signal: beyond})) is kind


@pytest.mark.parametrize("norm", [0.0, 1e3, 3e38])
def test_a_large_gradient_that_is_finite_is_for_clipping_and_no_finding(norm: float) -> None:
    assert found_in_step(step_with(grad_norm=norm)) is None


def test_skill_at_the_ceiling_passes_and_above_it_is_suspicious() -> None:
    assert found_in_epoch(epoch_with(skill=CEILING)) is None
    above = epoch_with(skill=math.nextafter(CEILING, 1.0))
    assert found_in_epoch(above) is FindingKind.SKILL_TOO_HIGH
    detection = detect_epoch(epoch_with(skill=0.945), CEILING, GUARD, LIMITS)
    assert detection is not None
    assert "0.945" in detection.message
    assert "look for a leak" in detection.message


@pytest.mark.parametrize(
    ("movement", "kind"), [(1e-3, None), (9.9e-4, FindingKind.FROZEN), (0.0, FindingKind.FROZEN)]
)
def test_weights_that_moved_less_than_the_minimum_are_frozen(
    movement: float, kind: FindingKind | None
) -> None:
    assert found_in_epoch(epoch_with(movement=movement)) is kind


def test_an_epoch_without_a_good_step_is_frozen_however_far_the_weights_moved_before() -> None:
    assert found_in_epoch(epoch_with(good_steps=0)) is FindingKind.FROZEN


def test_suspicion_comes_before_the_freeze_so_that_a_leak_is_called_a_leak() -> None:
    assert found_in_epoch(epoch_with(skill=0.9, movement=0.0)) is FindingKind.SKILL_TOO_HIGH


@pytest.mark.parametrize("kind", FindingKind)
def test_only_the_two_findings_that_are_too_good_make_a_trial_suspicious(kind: FindingKind) -> None:
    too_good = {FindingKind.LOSS_TOO_LOW, FindingKind.SKILL_TOO_HIGH}
    expected = Outcome.SUSPICIOUS if kind in too_good else Outcome.UNSTABLE
    assert a_finding(kind).outcome is expected


def after(
    finding: Finding,
    *,
    lr: float,
    good_lr: float = 1e-2,
    bad_in_a_row: int = 1,
    rewinds: int = 0,
    config: GuardConfig = GUARD,
) -> Finding:
    return intervene(
        finding, lr=lr, good_lr=good_lr, bad_in_a_row=bad_in_a_row, rewinds=rewinds, config=config
    )


@pytest.mark.parametrize(("rewinds", "action"), [(0, Action.REWIND), (1, Action.REWIND), (2, Action.STOP)])
def test_too_many_bad_steps_rewind_to_half_the_good_rate_as_often_as_is_allowed(
    rewinds: int, action: Action
) -> None:
    gradient = a_finding(FindingKind.NONFINITE_GRADIENT)
    done = after(gradient, lr=1e-5, bad_in_a_row=3, rewinds=rewinds, config=GuardConfig(rewinds=2))
    assert done.action is action
    assert done.lr_after == (0.5e-2 if action is Action.REWIND else 1e-5)


@pytest.mark.parametrize(
    ("lr", "bad_in_a_row", "expected"),
    [
        (1e-3, 1, (Action.SKIP_AND_CUT, 1e-3, 0.1 * 1e-3)),
        (1e-3, 2, (Action.SKIP_AND_CUT, 1e-3, 0.1 * 1e-3)),
        (1e-3, 3, (Action.STOP, 1e-3, 1e-3)),
        (1e-3, 7, (Action.STOP, 1e-3, 1e-3)),
        (2e-8, 1, (Action.SKIP_AND_CUT, 2e-8, 1e-8)),
        (1e-8, 1, (Action.SKIP_AND_CUT, 1e-8, 1e-8)),
        (1e-9, 1, (Action.SKIP_AND_CUT, 1e-9, 1e-9)),
    ],
    ids=["first", "second", "third", "beyond", "down_to_the_floor", "at_the_floor", "never_raised"],
)
def test_a_bad_step_is_skipped_and_the_rate_cut_until_there_are_too_many_in_a_row(
    lr: float, bad_in_a_row: int, expected: tuple[Action, float, float]
) -> None:
    gradient = a_finding(FindingKind.NONFINITE_GRADIENT)
    done = after(gradient, lr=lr, bad_in_a_row=bad_in_a_row, rewinds=1)
    assert (done.action, done.lr_before, done.lr_after) == expected


def test_max_bad_steps_of_one_ends_the_trial_at_the_first_bad_step() -> None:
    strict = GuardConfig(max_bad_steps=1)
    gradient = a_finding(FindingKind.NONFINITE_GRADIENT)
    assert after(gradient, lr=1e-3, rewinds=1, config=strict).action is Action.STOP


@pytest.mark.parametrize("kind", [FindingKind.LOSS_TOO_LOW, FindingKind.SKILL_TOO_HIGH])
def test_suspicion_ends_the_trial_at_once(kind: FindingKind) -> None:
    assert after(a_finding(kind), lr=1e-3) == stop(a_finding(kind), 1e-3)


@pytest.mark.parametrize("start", [1e-2, 1e-3, 1e-4, 3e-4, 7e-3, 0.0123])
def test_three_cuts_are_no_freeze_and_the_fourth_is(start: float) -> None:
    config, lr, frozen = GuardConfig(lr_min=1e-12), start, []
    for _ in range(4):
        cut = after(a_finding(FindingKind.NONFINITE_LOSS), lr=lr, config=config)
        frozen.append(detect_freeze(cut, start, config))
        lr = cut.lr_after
    assert frozen[:3] == [None, None, None]
    assert frozen[3] is not None
    assert frozen[3].kind is FindingKind.FROZEN


def test_a_rate_that_cannot_be_cut_any_further_is_frozen_although_it_is_far_above_the_share() -> None:
    at_floor = a_cut(1e-8, 1e-8)
    detection = detect_freeze(at_floor, 1e-7, GUARD)
    assert detection is not None
    assert detection.outcome is Outcome.UNSTABLE
    assert "1e-08 from 1e-07" in detection.message


def test_a_cut_down_to_the_floor_that_still_is_a_cut_goes_on() -> None:
    assert detect_freeze(a_cut(2e-8, 1e-8), 1e-7, GUARD) is None


@pytest.mark.parametrize(
    ("loss", "low", "high", "label"),
    [
        (AbsoluteError(), 1e-4, 10.0, "MAE"),
        (HuberLoss(0.5), 5e-9, 0.5 * (10 - 0.25), "Huber loss"),
        (QLike(2.0, 0.5), 5e-9, math.expm1(10) - 10, "QLIKE"),
        (QuantileLoss(), 1e-4, 10.0, "pinball loss"),
        (QuantileLoss((0.05, 0.5)), 5.5e-5, 2 * 0.725 * 10, "pinball loss"),
    ],
    ids=repr,
)
def test_limits_of_squared_errors_are_told_in_the_loss(
    loss: Loss, low: float, high: float, label: str
) -> None:
    limits = loss_limits(GUARD, loss)
    assert (limits.low, limits.high) == pytest.approx((low, high), rel=1e-3)
    above = detect_step(step_with(loss=1.01 * high), GUARD, limits)
    below = detect_step(step_with(loss=0.99 * low), GUARD, limits)
    assert above is not None
    assert below is not None
    assert f"above guard.loss_limit = 100, a squared error, which is {limits.high:.4g} in {label}" in (
        above.message
    )
    assert f"below guard.loss_floor = 1e-08, a squared error, which is {limits.low:.4g} in {label}" in (
        below.message
    )
    assert detect_step(step_with(loss=0.99 * high), GUARD, limits) is None


def test_limits_of_squared_errors_stand_alone_in_a_message_about_one() -> None:
    found = detect_step(step_with(loss=101.0), GUARD, LIMITS)
    assert found is not None
    assert found.message == "the loss is 101, above guard.loss_limit = 100"
