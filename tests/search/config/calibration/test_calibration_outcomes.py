"""What a short guarded run says: it learns, does not learn, is frozen, diverges or is suspicious."""

from collections.abc import Sequence

import pytest

from search.config.calibration.outcomes import Point, Run, RunOutcome, judge_run, outcome_spans
from trainer.training.result import Action, EpochReport, Finding, FindingKind, Outcome, TrialResult

LEARNS, DOES_NOT_LEARN, FROZEN, DIVERGES, SUSPICIOUS = RunOutcome


def epoch(number: int, train_loss: float, movement: float) -> EpochReport:
    return EpochReport(
        epoch=number,
        train_loss=train_loss,
        validation_loss=99.0,  # nothing is judged by it
        skill=-98.0,
        learning_rate=1e-3,
        grad_norm_mean=1.0,
        grad_norm_max=1.0,
        output_max=1.0,
        steps=1,
        skipped_steps=0,
        movement=movement,
        prediction_std_ratio=1.0,
        seconds=0.0,
    )


def run(
    *losses: float,
    movement: float = 2.0,
    findings: Sequence[FindingKind] = (),
    outcome: Outcome = Outcome.STOPPED,
    action: Action = Action.STOP,
) -> Run:
    """The judgement on a run with these training losses; the best constant has a loss of 1."""
    epochs = tuple(epoch(number, loss, movement) for number, loss in enumerate(losses))
    result = TrialResult(
        outcome=outcome,
        value=None,
        skill=None,
        best_epoch=None,
        baseline="zero",
        baseline_loss=1.0,
        skill_ceiling=1.0,
        epochs=epochs,
        findings=tuple(Finding(kind, 1.0, None, str(kind), action=action) for kind in findings),
        effective={},
        final_learning_rates=(),
        seed=5,
        seconds=0.0,
    )
    return judge_run(result, 1.0)


def test_a_training_loss_below_that_of_the_best_constant_is_learning() -> None:
    assert run(1.02, 0.95).outcome is LEARNS
    assert run(0.95, 1.0).outcome is DOES_NOT_LEARN
    assert run(1.0, 0.9995).outcome is DOES_NOT_LEARN


def test_a_training_loss_far_above_it_is_divergence_in_any_epoch() -> None:
    found = run(1.7, 0.9)
    assert found.outcome is DIVERGES
    assert found.why == ("the training loss reached 1.7, above 1.1 times that of the best constant, 1")


def test_an_unlucky_start_is_no_divergence() -> None:
    assert run(1.3, 1.29, movement=0.01).outcome is DOES_NOT_LEARN


@pytest.mark.parametrize("kind", [kind for kind in FindingKind if kind is not FindingKind.FROZEN])
def test_what_the_guard_repaired_is_divergence(kind: FindingKind) -> None:
    assert run(0.9, 0.8, findings=[kind], action=Action.SKIP_AND_CUT).outcome is DIVERGES


def test_a_freeze_is_frozen_unless_cuts_after_an_explosion_led_to_it() -> None:
    frozen, explosion = FindingKind.FROZEN, FindingKind.OUTPUT_EXPLOSION
    assert run(findings=[frozen], outcome=Outcome.UNSTABLE).outcome is FROZEN
    assert run(findings=[explosion, frozen], outcome=Outcome.UNSTABLE).outcome is DIVERGES


def test_a_loss_too_good_to_be_true_is_suspicious() -> None:
    assert run(findings=[FindingKind.LOSS_TOO_LOW], outcome=Outcome.SUSPICIOUS).outcome is SUSPICIOUS


def test_a_point_is_as_good_as_its_worst_run() -> None:
    runs = [Run(seed, outcome, "") for seed, outcome in enumerate((LEARNS, DOES_NOT_LEARN, LEARNS))]
    assert Point(0.1, runs).outcome is DOES_NOT_LEARN
    assert Point(0.1, runs).is_stable
    assert not Point(0.1, [*runs, Run(3, DIVERGES, "why")]).is_stable


def test_equal_outcomes_in_a_row_are_one_span() -> None:
    points = [
        Point(value, [Run(0, outcome, "")])
        for value, outcome in ((1, FROZEN), (2, FROZEN), (3, LEARNS), (4, FROZEN))
    ]
    assert outcome_spans(points) == ((1, 2, FROZEN), (3, 3, LEARNS), (4, 4, FROZEN))
