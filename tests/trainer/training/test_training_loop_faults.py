"""The training loop under injected faults: what it finds, does, records, and leaves untouched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from benchmarks.faults import tamper
from tests.trainer.fit_fixtures import HEAD, gradients_times
from trainer.data.windows import Dataset
from trainer.training.batches import Batch
from trainer.training.learner import Learner
from trainer.training.result import Action, EpochReport, FindingKind, Outcome, TrialResult

if TYPE_CHECKING:
    from tests.trainer.fit_fixtures import Fault, Fit, LearnerPatches, MakeConfig


@contextmanager
def huge_gradients(learner: Learner, batch: Batch) -> Iterator[None]:
    """Each gradient is a float, their norm is not."""
    with tamper.gradient(learner, HEAD, lambda gradient: torch.full_like(gradient, 1e38)):
        yield


def weight_set_to(value: float, *, for_good: bool, name: str = HEAD) -> Fault:
    """The first element of a weight set to a value, for this step or for good."""

    @contextmanager
    def struck(learner: Learner, batch: Batch) -> Iterator[None]:
        weight = learner.model.get_parameter(name).data.view(-1)
        before = weight[0].clone()
        weight[0] = value
        yield
        if not for_good:
            weight[0] = before

    return struck


def kinds(result: TrialResult) -> list[FindingKind]:
    return [finding.kind for finding in result.findings]


def witness() -> tuple[list[EpochReport], Callable[[EpochReport], bool]]:
    """A list, and an `on_epoch` that fills it and never stops the trial."""
    seen: list[EpochReport] = []

    def on_epoch(report: EpochReport) -> bool:
        seen.append(report)
        return False

    return seen, on_epoch


def test_a_clean_run_finds_nothing_and_every_step_moves_the_weights(
    settings_of: MakeConfig, run_fit: Fit, lab: LearnerPatches, all_finite: Callable[[TrialResult], bool]
) -> None:
    result = run_fit(settings_of())
    lab.close()
    assert result.outcome is Outcome.FINISHED
    assert result.findings == ()
    assert [report.skipped_steps for report in result.epochs] == [0, 0]
    assert not any(lab.unchanged_by(step) for step in range(10))
    assert all_finite(result)


BAD_STEPS = {
    "nan_gradient": (gradients_times(math.nan), FindingKind.NONFINITE_GRADIENT),
    "inf_gradient": (gradients_times(math.inf), FindingKind.NONFINITE_GRADIENT),
    "huge_gradient": (huge_gradients, FindingKind.NONFINITE_GRADIENT),
    "nan_output": (weight_set_to(math.nan, for_good=False), FindingKind.NONFINITE_OUTPUT),
    "inf_output": (weight_set_to(math.inf, for_good=False), FindingKind.NONFINITE_OUTPUT),
    "output_explosion": (weight_set_to(10.5, for_good=False), FindingKind.OUTPUT_EXPLOSION),
}


@pytest.mark.parametrize("name", BAD_STEPS)
@pytest.mark.parametrize("step", [0, 2])
def test_a_bad_step_is_skipped_to_the_bit_and_training_goes_on(
    name: str,
    step: int,
    settings_of: MakeConfig,
    run_fit: Fit,
    lab: LearnerPatches,
    all_finite: Callable[[TrialResult], bool],
) -> None:
    fault, kind = BAD_STEPS[name]
    lab.faults = {step: fault}
    result = run_fit(settings_of())
    lab.close()
    assert [number for number in range(10) if lab.unchanged_by(number)] == [step]
    assert result.outcome is Outcome.FINISHED
    assert kinds(result) == [kind]
    (finding,) = result.findings
    assert (finding.epoch, finding.step) == (0, step)
    assert (finding.action, finding.lr_before) == (Action.SKIP_AND_CUT, 1e-3)
    assert finding.lr_after == pytest.approx(1e-4)
    assert result.final_learning_rates == (finding.lr_after,)
    assert [(report.steps, report.skipped_steps) for report in result.epochs] == [(4, 1), (5, 0)]
    assert [report.learning_rate for report in result.epochs] == [finding.lr_after] * 2
    assert len(finding.rows) == 32
    assert all_finite(result)


def test_the_learning_rate_of_the_read_back_is_the_one_that_training_began_with(
    settings_of: MakeConfig, run_fit: Fit, lab: LearnerPatches
) -> None:
    lab.faults = {0: gradients_times(math.nan)}
    assert run_fit(settings_of()).effective["models.gru.learning_rate"] == 1e-3


@pytest.mark.parametrize(
    ("fault", "parameter"),
    [
        (gradients_times(math.nan), HEAD),
        (huge_gradients, HEAD),
        (weight_set_to(math.nan, for_good=True, name="gru.weight_hh_l0"), "gru.weight_hh_l0"),
    ],
    ids=["nan_gradient", "huge_gradient", "nan_weight"],
)
def test_the_evidence_names_the_parameter(
    fault: Fault, parameter: str, settings_of: MakeConfig, run_fit: Fit, lab: LearnerPatches
) -> None:
    lab.faults = {1: fault}
    finding = run_fit(settings_of()).findings[0]
    assert finding.parameter == parameter
    assert finding.cell is None


@pytest.mark.parametrize("kernel", ["torch"], indirect=True)  # the compiled one calls no hook of a module
def test_the_first_bad_step_alone_is_replayed_to_name_the_operation(
    settings_of: MakeConfig, run_fit: Fit, lab: LearnerPatches
) -> None:
    @contextmanager
    def root_of_zero(learner: Learner, batch: Batch) -> Iterator[None]:
        learner.model.head.register_forward_hook(lambda module, args, out: out + torch.sqrt(0 * out.abs()))
        yield

    lab.faults = {0: root_of_zero}
    first, *others = run_fit(settings_of()).findings
    assert first.kind is FindingKind.NONFINITE_GRADIENT
    assert "Function 'MulBackward0' returned nan values" in first.message
    assert [finding.message for finding in others] == ["the norm of the gradients is nan"] * 2


def test_a_target_whose_square_is_no_float_gives_a_loss_that_is_found(
    settings_of: MakeConfig, run_fit: Fit, market: Dataset
) -> None:
    market.target[market.train[0]] = 1e30
    result = run_fit(settings_of())
    assert kinds(result) == [FindingKind.NONFINITE_LOSS] * 2
    assert market.train[0] in result.findings[0].rows


def test_three_bad_steps_in_a_row_end_the_trial_as_unstable(
    settings_of: MakeConfig, run_fit: Fit, lab: LearnerPatches
) -> None:
    lab.faults = dict.fromkeys((1, 2, 3), gradients_times(math.nan))
    result = run_fit(settings_of())
    lab.close()
    assert result.outcome is Outcome.UNSTABLE
    assert [finding.step for finding in result.findings] == [1, 2, 3]
    assert [finding.action for finding in result.findings] == [
        Action.SKIP_AND_CUT,
        Action.SKIP_AND_CUT,
        Action.STOP,
    ]
    assert all(lab.unchanged_by(step) for step in (1, 2, 3))
    assert result.final_learning_rates == pytest.approx([1e-5])
    assert (result.value, result.epochs, result.weights) == (None, (), None)


def test_a_good_step_between_bad_ones_starts_the_count_again(
    settings_of: MakeConfig, run_fit: Fit, lab: LearnerPatches
) -> None:
    lab.faults = dict.fromkeys((0, 1, 3), gradients_times(math.nan))
    result = run_fit(settings_of(guard={"min_movement": 1e-6}))
    assert result.outcome is Outcome.FINISHED
    assert len(result.findings) == 3
    assert result.final_learning_rates == pytest.approx([1e-6])


def test_the_count_of_bad_steps_goes_on_from_one_epoch_to_the_next(
    settings_of: MakeConfig, run_fit: Fit, lab: LearnerPatches
) -> None:
    lab.faults = dict.fromkeys((4, 5, 6), gradients_times(math.nan))
    result = run_fit(settings_of())
    assert result.outcome is Outcome.UNSTABLE
    assert [(finding.epoch, finding.step) for finding in result.findings] == [(0, 4), (1, 5), (1, 6)]
    assert result.best_epoch == 0


def test_a_learning_rate_cut_four_times_is_frozen(
    settings_of: MakeConfig, run_fit: Fit, lab: LearnerPatches
) -> None:
    lab.faults = dict.fromkeys((0, 2, 4, 6), gradients_times(math.nan))
    result = run_fit(settings_of(gru={"learning_rate": 1e-2}))
    assert result.outcome is Outcome.UNSTABLE
    assert kinds(result) == [FindingKind.NONFINITE_GRADIENT] * 4 + [FindingKind.FROZEN]
    assert result.findings[-1].action is Action.STOP
    assert result.final_learning_rates == pytest.approx([1e-6])


def test_an_epoch_without_a_good_step_is_frozen(
    settings_of: MakeConfig, run_fit: Fit, lab: LearnerPatches
) -> None:
    lab.faults = dict.fromkeys(range(5), gradients_times(math.nan))
    patient = settings_of(guard={"max_bad_steps": 100, "frozen_lr_ratio": 1e-9, "lr_min": 1e-12})
    result = run_fit(patient)
    assert result.outcome is Outcome.UNSTABLE
    assert kinds(result)[-1] is FindingKind.FROZEN
    assert "no step of the epoch could be used" in result.findings[-1].message
    assert result.epochs == ()


def test_a_tiny_learning_rate_is_frozen_and_not_called_stable(settings_of: MakeConfig, run_fit: Fit) -> None:
    result = run_fit(settings_of(gru={"learning_rate": 1e-9}))
    assert result.outcome is Outcome.UNSTABLE
    assert kinds(result) == [FindingKind.FROZEN]
    assert "nothing is learnt" in result.findings[0].message


def test_a_weight_that_is_broken_for_good_ends_the_trial(
    settings_of: MakeConfig, run_fit: Fit, lab: LearnerPatches
) -> None:
    lab.faults = {7: weight_set_to(math.nan, for_good=True)}
    result = run_fit(settings_of())
    assert result.outcome is Outcome.UNSTABLE
    assert kinds(result) == [FindingKind.NONFINITE_WEIGHT] * 3
    assert result.best_epoch == 0
    assert result.weights is not None
    assert all(bool(torch.isfinite(weight).all()) for weight in result.weights.values())


def test_an_infinite_weight_behind_a_saturated_gate_does_not_pass_as_an_honest_epoch(
    settings_of: MakeConfig, run_fit: Fit, lab: LearnerPatches, all_finite: Callable[[TrialResult], bool]
) -> None:
    lab.faults = {4: weight_set_to(-math.inf, for_good=True, name="gru.bias_ih_l0")}
    result = run_fit(settings_of())
    assert result.outcome is Outcome.UNSTABLE
    assert FindingKind.NONFINITE_WEIGHT in kinds(result)
    assert result.epochs == ()
    assert all_finite(result)


CELLS = {"nan": math.nan, "inf": math.inf, "minus_inf": -math.inf}


@pytest.mark.parametrize("value", CELLS.values(), ids=CELLS)
def test_a_bad_cell_is_named_with_its_column_and_time(
    value: float, settings_of: MakeConfig, run_fit: Fit, market: Dataset
) -> None:
    first_of_first_window = market.train[0] - (market.seq_len - 1)
    market.features[first_of_first_window, 1] = value
    result = run_fit(settings_of())
    assert result.outcome is Outcome.FINISHED
    assert kinds(result) == [FindingKind.NONFINITE_INPUT] * 2
    for finding in result.findings:
        assert finding.cell == f"vol at {market.where(int(first_of_first_window))}"
        assert market.train[0] in finding.rows


@pytest.mark.parametrize("value", CELLS.values(), ids=CELLS)
def test_a_bad_target_is_named_with_its_time(
    value: float, settings_of: MakeConfig, run_fit: Fit, market: Dataset
) -> None:
    row = market.train[50]
    market.target[row] = value
    result = run_fit(settings_of())
    assert result.outcome is Outcome.FINISHED
    assert kinds(result) == [FindingKind.NONFINITE_TARGET] * 2
    assert [finding.cell for finding in result.findings] == [f"target at {market.where(int(row))}"] * 2
    assert [report.skipped_steps for report in result.epochs] == [1, 1]


def test_an_exploding_loss_is_skipped(settings_of: MakeConfig, run_fit: Fit, market: Dataset) -> None:
    market.target[market.train[50]] = 1e3
    result = run_fit(settings_of())
    assert result.outcome is Outcome.FINISHED
    assert kinds(result) == [FindingKind.LOSS_EXPLOSION] * 2
    assert result.findings[0].value == pytest.approx(1e6 / 32, rel=0.01)
    assert result.findings[0].threshold == 100
    assert max(report.train_loss for report in result.epochs) < 100


@pytest.mark.parametrize(
    ("array", "kind"),
    [("features", FindingKind.NONFINITE_INPUT), ("target", FindingKind.NONFINITE_TARGET)],
)
def test_nan_in_validation_rows_alone_is_never_reported_as_an_epoch(
    array: str, kind: FindingKind, settings_of: MakeConfig, run_fit: Fit, market: Dataset
) -> None:
    getattr(market, array)[market.validation[40]] = math.nan
    seen, on_epoch = witness()
    result = run_fit(settings_of(), on_epoch=on_epoch)
    assert result.outcome is Outcome.UNSTABLE
    assert kinds(result) == [kind]
    assert result.findings[0].step is None
    assert market.when(int(market.validation[40])) in str(result.findings[0].cell)
    assert (seen, result.epochs, result.value, result.weights) == ([], (), None, None)


def test_a_leak_is_suspicious_and_neither_that_epoch_nor_a_later_one_is_ever_given_away(
    settings_of: MakeConfig, run_fit: Fit, market: Dataset
) -> None:
    leaky = replace(market, features=np.column_stack([market.features[:, :2], market.target]))
    eager = settings_of(
        gru={"learning_rate": 1e-2, "batch_size": 16}, training={"epochs": 40, "patience": 40}
    )
    seen, on_epoch = witness()
    result = run_fit(eager, leaky, ceiling=0.3, on_epoch=on_epoch)
    assert result.outcome is Outcome.SUSPICIOUS
    assert kinds(result) == [FindingKind.SKILL_TOO_HIGH]
    assert result.findings[0].epoch == len(seen)
    assert result.findings[0].value > 0.3
    assert tuple(seen) == result.epochs
    assert all(report.skill <= 0.3 for report in seen)
    assert result.skill is None or result.skill <= 0.3


def test_a_loss_below_the_floor_is_suspicious_at_that_step(
    settings_of: MakeConfig, run_fit: Fit, market: Dataset, lab: LearnerPatches
) -> None:
    nothing_to_learn = replace(market, target=np.zeros_like(market.target))
    result = run_fit(settings_of(gru={"head_gain": 1e-6}), nothing_to_learn)
    lab.close()
    assert result.outcome is Outcome.SUSPICIOUS
    assert kinds(result) == [FindingKind.LOSS_TOO_LOW]
    assert result.findings[0].step == 0
    assert lab.unchanged_by(0)


def test_constant_predictions_are_visible_and_no_skill(
    settings_of: MakeConfig, run_fit: Fit, market: Dataset, all_finite: Callable[[TrialResult], bool]
) -> None:
    blind = replace(market, features=np.zeros_like(market.features))
    result = run_fit(settings_of(), blind)
    assert result.outcome is Outcome.FINISHED
    assert [report.prediction_std_ratio for report in result.epochs] == [0.0, 0.0]
    assert result.skill is not None
    assert result.skill < 0
    assert all_finite(result)


def test_a_constant_target_in_the_validation_rows_gives_no_number_that_is_not_finite(
    settings_of: MakeConfig, run_fit: Fit, market: Dataset, all_finite: Callable[[TrialResult], bool]
) -> None:
    market.target[market.validation] = 1.0
    result = run_fit(settings_of())
    assert len(result.epochs) == 2
    assert all_finite(result)


def test_the_loop_under_every_fault_keeps_its_best_weights_finite(
    settings_of: MakeConfig, run_fit: Fit, lab: LearnerPatches, all_finite: Callable[[TrialResult], bool]
) -> None:
    lab.faults = {5 + step: fault for step, (fault, _) in enumerate(BAD_STEPS.values())}
    result = run_fit(settings_of(training={"epochs": 3}))
    assert result.outcome is Outcome.UNSTABLE
    assert result.best_epoch == 0
    assert result.weights is not None
    assert all_finite(result)
