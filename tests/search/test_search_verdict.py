"""From what a trial hands back to what is thought of it."""

from dataclasses import replace
from typing import Any

import pytest

from search.verdict import OVERRIDE_NOT_APPLIED, judge, settings_not_applied
from storage.verdicts import Verdict
from trainer.training.result import (
    Action,
    EpochReport,
    Finding,
    FindingKind,
    Outcome,
    TrialResult,
)

EPOCH = EpochReport(
    epoch=0,
    train_loss=0.9,
    validation_loss=0.8,
    skill=0.1,
    learning_rate=1e-3,
    grad_norm_mean=0.5,
    grad_norm_max=0.9,
    output_max=1.0,
    steps=5,
    skipped_steps=0,
    movement=0.3,
    prediction_std_ratio=0.4,
    seconds=0.1,
)
REQUESTED: dict[str, Any] = {
    "models.gru.learning_rate": 1e-3,
    "models.gru.hidden_size": 32,
    "models.gru.init": "gains",
    "training.mixed_precision": False,
    "training.epochs": 15,
    "training.max_seconds": 60.0,
}
RESULT = TrialResult(
    outcome=Outcome.FINISHED,
    value=0.8,
    skill=0.1,
    best_epoch=0,
    baseline="har",
    baseline_loss=0.9,
    skill_ceiling=0.3,
    epochs=(EPOCH,),
    findings=(),
    effective={k: v for k, v in REQUESTED.items() if k not in ("training.epochs", "training.max_seconds")},
    final_learning_rates=(1e-3,),
    seed=0,
    seconds=0.1,
)


def found(kind: FindingKind, message: str = "made up") -> Finding:
    return Finding(kind, 1.0, None, message, Action.STOP, 1e-3, 1e-3, step=0)


def read_back(**changes: Any) -> TrialResult:
    return replace(RESULT, effective={**RESULT.effective, **changes})


@pytest.mark.parametrize(
    ("outcome", "kinds", "verdict", "reasons"),
    [
        (Outcome.FINISHED, [], Verdict.ACCEPTED, ()),
        (Outcome.FINISHED, [FindingKind.NONFINITE_GRADIENT], Verdict.ACCEPTED, ()),
        (Outcome.STOPPED, [], Verdict.UNPROMISING, ("pruned",)),
        (Outcome.TIMED_OUT, [], Verdict.UNPROMISING, ("max_seconds",)),
        (Outcome.TIMED_OUT, [FindingKind.NONFINITE_LOSS], Verdict.UNPROMISING, ("max_seconds",)),
        (Outcome.INTERRUPTED, [], Verdict.INTERRUPTED, ("signal",)),
        (
            Outcome.UNSTABLE,
            [FindingKind.NONFINITE_LOSS, FindingKind.NONFINITE_LOSS, FindingKind.FROZEN],
            Verdict.UNSTABLE,
            ("nonfinite_loss", "frozen"),
        ),
        (Outcome.SUSPICIOUS, [FindingKind.SKILL_TOO_HIGH], Verdict.SUSPICIOUS, ("skill_too_high",)),
    ],
    ids=[
        "finished",
        "finished_after_a_skip",
        "stopped",
        "timed_out",
        "timed_out_after_a_skip",
        "interrupted",
        "unstable",
        "suspicious",
    ],
)
def test_each_outcome_has_its_verdict_and_reasons(
    outcome: Outcome, kinds: list[FindingKind], verdict: Verdict, reasons: tuple[str, ...]
) -> None:
    judgement = judge(replace(RESULT, outcome=outcome, findings=tuple(map(found, kinds))), REQUESTED)
    assert (judgement.verdict, judgement.reasons) == (verdict, reasons)
    assert judgement.message


@pytest.mark.parametrize("outcome", Outcome)
def test_no_outcome_is_without_a_verdict(outcome: Outcome) -> None:
    result = replace(RESULT, outcome=outcome, findings=(found(FindingKind.FROZEN),))
    assert judge(result, REQUESTED).verdict in Verdict


def test_the_message_of_a_stopped_trial_is_that_of_its_last_finding() -> None:
    findings = (found(FindingKind.NONFINITE_LOSS, "the loss is nan"), found(FindingKind.FROZEN, "too slow"))
    result = replace(RESULT, outcome=Outcome.UNSTABLE, findings=findings)
    assert judge(result, REQUESTED).message == "too slow"


@pytest.mark.parametrize("outcome", Outcome)
def test_an_override_that_was_not_applied_fails_a_trial_however_it_ended(outcome: Outcome) -> None:
    result = replace(
        read_back(**{"training.mixed_precision": True}),
        outcome=outcome,
        findings=(found(FindingKind.FROZEN),),
    )
    judgement = judge(result, REQUESTED)
    assert (judgement.verdict, judgement.reasons) == (Verdict.FAILED, (OVERRIDE_NOT_APPLIED,))
    assert judgement.message == "training.mixed_precision was to be False, the trainer used True"


@pytest.mark.parametrize(
    ("key", "used"),
    [
        ("models.gru.learning_rate", 1.001e-3),
        ("models.gru.learning_rate", float("nan")),
        ("models.gru.hidden_size", 64),
        ("models.gru.hidden_size", True),
        ("models.gru.init", "torch"),
        ("training.mixed_precision", 0),
        ("training.mixed_precision", None),
    ],
)
def test_a_different_value_or_kind_of_value_is_not_the_same(key: str, used: object) -> None:
    assert settings_not_applied(read_back(**{key: used}).effective, REQUESTED) == [
        f"{key} was to be {REQUESTED[key]!r}, the trainer used {used!r}"
    ]


@pytest.mark.parametrize(
    ("key", "used"),
    [("models.gru.learning_rate", 1e-3 * (1 + 1e-15)), ("models.gru.hidden_size", 32.0)],
)
def test_rounding_and_whole_floats_are_the_same(key: str, used: object) -> None:
    assert settings_not_applied(read_back(**{key: used}).effective, REQUESTED) == []


def test_all_differences_are_reported_at_once() -> None:
    result = read_back(**{"models.gru.init": "torch", "models.gru.hidden_size": 64})
    assert judge(result, REQUESTED).message == (
        "models.gru.hidden_size was to be 32, the trainer used 64; "
        "models.gru.init was to be 'gains', the trainer used 'torch'"
    )


def test_settings_that_cannot_be_read_back_are_no_difference() -> None:
    assert "training.epochs" not in RESULT.effective
    assert settings_not_applied({"training.device": "cpu"}, REQUESTED) == []
    assert judge(replace(RESULT, effective={}, outcome=Outcome.INTERRUPTED), REQUESTED).reasons == ("signal",)


def test_a_change_of_the_learning_rate_that_is_not_on_record_fails_the_trial() -> None:
    judgement = judge(replace(RESULT, final_learning_rates=(1.0,)), REQUESTED)
    assert (judgement.verdict, judgement.reasons) == (Verdict.FAILED, (OVERRIDE_NOT_APPLIED,))
    assert judgement.message == "models.gru.learning_rate was left at 0.001, and later found to be 1.0"


def test_a_learning_rate_that_the_guard_has_cut_and_set_again_is_as_it_should_be() -> None:
    acts = ((Action.SKIP_AND_CUT, 1e-3, 1e-4), (Action.REWIND, 1e-4, 5e-4))
    findings = tuple(
        replace(found(FindingKind.NONFINITE_LOSS), action=action, lr_before=before, lr_after=now)
        for action, before, now in acts
    )
    judgement = judge(replace(RESULT, findings=findings, final_learning_rates=(5e-4,)), REQUESTED)
    assert judgement.verdict is Verdict.ACCEPTED


def test_the_message_of_a_timed_out_trial_tells_the_figures() -> None:
    stopped = replace(RESULT, outcome=Outcome.TIMED_OUT, seconds=61.04)
    assert judge(stopped, REQUESTED).message == (
        "stopped after 61.0 s by training.max_seconds = 60; complete epochs: 1, best was 0"
    )
    barely_begun = replace(stopped, epochs=(), value=None, skill=None, best_epoch=None)
    assert judge(barely_begun, REQUESTED).message == (
        "stopped after 61.0 s by training.max_seconds = 60; complete epochs: 0"
    )
