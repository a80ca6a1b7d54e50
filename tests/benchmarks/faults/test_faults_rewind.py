"""Three bad steps in a row: back to the last good epoch with half its learning rate, once, then the end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from benchmarks.faults.faults import BadGradient, BadLoss, BadMoment, BadWeight
from trainer.training.result import Action, FindingKind, Outcome, TrialResult

if TYPE_CHECKING:
    from benchmarks.faults.fault_cases import Case
    from tests.benchmarks.faults.faulty_search import RunWithFault

NAN_LOSS = BadLoss(value=math.nan)
START = 8e-3


def result_of(case: Case) -> TrialResult:
    assert case.result is not None
    return case.result


def actions(case: Case) -> list[Action]:
    return [finding.action for finding in result_of(case).findings]


def test_three_in_a_row_return_to_the_bits_of_the_snapshot_with_half_its_learning_rate(
    strike: RunWithFault,
) -> None:
    case = strike(NAN_LOSS, 1, 2, 3)
    assert actions(case) == [Action.SKIP_AND_CUT, Action.SKIP_AND_CUT, Action.REWIND]
    assert case.rewound == [True]
    assert case.skipped == [True] * 3
    assert result_of(case).findings[-1].lr_after == START / 2
    assert result_of(case).final_learning_rates == (START / 2,)


def test_training_goes_on_after_a_rewind_and_the_trial_is_honest(strike: RunWithFault, steps: int) -> None:
    result = result_of(strike(NAN_LOSS, 1, 2, 3))
    assert result.outcome is Outcome.FINISHED
    assert [report.skipped_steps for report in result.epochs] == [3, 0, 0]
    assert [report.steps for report in result.epochs] == [steps - 3, steps, steps]
    assert result.epochs[-1].validation_loss < result.epochs[0].validation_loss


def test_a_rewind_returns_to_the_last_epoch_that_was_good(
    strike: RunWithFault, steps: int, unharmed: TrialResult
) -> None:
    last = range(2 * steps - 3, 2 * steps)
    result = result_of(strike(NAN_LOSS, *last))
    # Nothing was learnt in epoch 1 that outlived the rewind: the weights are those of the end of epoch 0.
    assert result.epochs[1].validation_loss == result.epochs[0].validation_loss
    assert result.epochs[0].validation_loss == unharmed.epochs[0].validation_loss
    assert result.epochs[2].learning_rate == START / 2


def test_three_more_bad_steps_end_the_trial(strike: RunWithFault) -> None:
    case = strike(NAN_LOSS, 1, 2, 3, 6, 7, 8)
    assert actions(case)[2:] == [Action.REWIND, Action.SKIP_AND_CUT, Action.SKIP_AND_CUT, Action.STOP]
    assert result_of(case).outcome is Outcome.UNSTABLE
    assert (result_of(case).value, result_of(case).weights) == (None, None)


def test_three_more_right_after_the_rewind_end_it_too(strike: RunWithFault) -> None:
    case = strike(NAN_LOSS, *range(1, 7))
    assert actions(case).count(Action.REWIND) == 1
    assert result_of(case).findings[-1].step == 6
    assert result_of(case).outcome is Outcome.UNSTABLE


def test_without_rewinds_the_third_bad_step_ends_the_trial(strike: RunWithFault) -> None:
    case = strike(NAN_LOSS, 1, 2, 3, rewinds=0)
    assert actions(case) == [Action.SKIP_AND_CUT, Action.SKIP_AND_CUT, Action.STOP]
    assert result_of(case).outcome is Outcome.UNSTABLE
    assert case.rewound == []


def test_two_rewinds_are_two_second_chances(strike: RunWithFault) -> None:
    case = strike(NAN_LOSS, *range(1, 7), rewinds=2)
    assert actions(case).count(Action.REWIND) == 2
    assert case.rewound == [True, True]
    assert result_of(case).outcome is Outcome.FINISHED


@pytest.mark.parametrize("average", ["exp_avg", "exp_avg_sq"])
def test_nan_in_the_optimiser_is_recovered_by_a_rewind(
    average: str, strike: RunWithFault, steps: int
) -> None:
    case = strike(BadMoment(average=average, value=math.nan), steps + 2)
    assert [finding.kind for finding in result_of(case).findings] == [FindingKind.NONFINITE_WEIGHT] * 3
    assert actions(case)[-1] is Action.REWIND
    assert case.rewound == [True]
    assert case.sane_at_end
    assert result_of(case).outcome is Outcome.FINISHED


def test_a_broken_weight_is_mended_by_a_rewind(strike: RunWithFault) -> None:
    case = strike(BadWeight(value=math.inf), 0)
    assert actions(case)[-1] is Action.REWIND
    assert case.sane_at_end
    assert result_of(case).outcome is Outcome.FINISHED


def test_bad_steps_apart_are_no_reason_to_rewind(strike: RunWithFault) -> None:
    case = strike(BadGradient(value=math.nan), 0, 1, 5)
    assert Action.REWIND not in actions(case)
    assert case.rewound == []


def test_a_rewind_with_the_last_step_of_the_first_epoch_leaves_nothing_that_moved(
    strike: RunWithFault, steps: int
) -> None:
    case = strike(NAN_LOSS, *range(steps - 3, steps))
    assert case.rewound == [True]
    assert result_of(case).findings[-1].kind is FindingKind.FROZEN
    assert result_of(case).outcome is Outcome.UNSTABLE
