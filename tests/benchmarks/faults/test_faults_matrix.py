"""Every kind of fault, through a real study on a real store: found, named, harmless to everything else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from benchmarks.faults import scan
from benchmarks.faults.catalogue import CLIPPED, FAULTS
from benchmarks.faults.refused import audited, clamped
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from benchmarks.faults.study import Struck
    from tests.benchmarks.faults.faulty_search import FaultySearch


pytestmark = pytest.mark.slow


def at_step(ruin: FaultySearch, name: str) -> Struck:
    return ruin.rows[name, "step 1"]


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS])
def test_no_fault_of_a_step_passes_unseen_and_its_verdict_is_the_designs(
    name: str, ruin: FaultySearch
) -> None:
    row = at_step(ruin, name)
    assert row.handled is not None
    assert row.as_designed
    assert not row.crashed


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS if fault.in_validation])
def test_no_fault_of_the_validation_pass_passes_unseen(name: str, ruin: FaultySearch) -> None:
    row = ruin.rows[name, "validation"]
    assert row.handled is not None
    assert row.as_designed
    if row.findings:
        assert [(finding.epoch, finding.step) for finding in row.findings] == [(1, None)]
        assert row.trial.epochs == 1


KINDS = {
    "NaN in a feature cell": "nonfinite_input",
    "-inf in a feature cell": "nonfinite_input",
    "+inf in a target": "nonfinite_target",
    "NaN in a weight": "nonfinite_weight",
    "+inf in a gate's bias": "nonfinite_weight",
    "NaN in a gradient element": "nonfinite_gradient",
    "1e20 in a gradient element": "nonfinite_gradient",
    "1e38 in a whole gradient": "nonfinite_gradient",
    "-inf in the loss": "nonfinite_loss",
    "1e3 added to the outputs": "output_explosion",
    "learning rate 1e3 in the optimiser": "output_explosion",
    "NaN in exp_avg": "nonfinite_weight",
    "+inf in exp_avg_sq": "nonfinite_average",
}


@pytest.mark.parametrize("name", KINDS)
def test_a_finding_is_called_after_the_cause(name: str, ruin: FaultySearch) -> None:
    assert {finding.kind for finding in at_step(ruin, name).findings} == {KINDS[name]}


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS if fault.victim and not fault.harmless])
def test_the_broken_parameter_or_cell_and_the_rows_of_the_batch_are_named(
    name: str, ruin: FaultySearch
) -> None:
    row = at_step(ruin, name)
    assert row.case.victim is not None
    assert row.findings
    assert row.located


def test_every_skipped_step_leaves_each_bit_of_weights_and_averages(ruin: FaultySearch) -> None:
    assert sum(len(row.case.skipped) for row in ruin.rows.values()) > 30
    assert [key for key, row in ruin.rows.items() if not row.intact] == []


def test_a_single_bad_step_is_skipped_once_and_costs_a_tenth_of_the_learning_rate(ruin: FaultySearch) -> None:
    for fault in FAULTS:
        row = at_step(ruin, fault.name)
        if not fault.lasting and fault.harmless is None:
            (finding,) = row.findings
            assert (finding.step, finding.action) == (1, "skip_and_cut")
            assert math.isclose(finding.lr_after, 0.1 * finding.lr_before)
            assert row.trial.verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS if fault.harmless == CLIPPED])
def test_a_gradient_whose_norm_is_a_float_is_clipped_and_its_norm_told(name: str, ruin: FaultySearch) -> None:
    row = at_step(ruin, name)
    assert row.case.result is not None
    assert row.findings == []
    assert row.case.result.epochs[0].grad_norm_max >= 0.99e15
    assert row.trial.verdict is Verdict.ACCEPTED


@pytest.mark.slow
def test_no_number_that_is_not_finite_is_left_anywhere_but_in_the_finding(ruin: FaultySearch) -> None:
    results = [row.case.result for row in ruin.rows.values()]
    found = [place for result in results if result is not None for place in scan.in_result(result, "trial")]
    found += [*scan.in_record(ruin.study), *scan.in_optuna(ruin.study)]
    found += scan.in_exports(ruin.study, ruin.folder)
    assert len(results) > 50
    assert found == []


def test_the_finding_itself_keeps_the_number_that_was_found(ruin: FaultySearch) -> None:
    assert math.isnan(at_step(ruin, "NaN in a target").findings[0].value)
    assert at_step(ruin, "+inf in a target").findings[0].value == math.inf


def test_the_optimiser_of_an_accepted_trial_is_finite(ruin: FaultySearch) -> None:
    accepted = [r for r in ruin.rows.values() if r.trial.verdict is Verdict.ACCEPTED]
    assert all(r.case.sane_at_end for r in accepted)


def test_the_scan_finds_what_it_looks_for() -> None:
    deep = {"a": [1.0, {"b": math.nan}], "c": (math.inf, "nan", 3)}
    assert list(scan.places(deep, "x")) == ["x.a[1].b = nan", "x.c[0] = inf"]


def test_settings_that_are_too_large_are_clamped_before_any_trial(ruin: FaultySearch) -> None:
    told = {refusal.fault: refusal for refusal in clamped(ruin.folder)}
    assert told["--set models.gru.learning_rate=1e3"].told == "clamp: 1000.0 to 0.01"
    assert told["--set training.mixed_precision=true"].told == "clamp: True to False"
    assert all(refusal.told for refusal in told.values())


def test_tables_with_faults_are_refused_before_any_trial(ruin: FaultySearch) -> None:
    told = {refusal.fault: refusal for refusal in audited(ruin.folder)}
    assert {name: refusal.outcome for name, refusal in told.items()} == {
        "nan in a cell of the table": "refused",
        "inf in a cell of the table": "refused",
        "-inf in a cell of the table": "refused",
        "a constant target": "refused",
        "a target that hardly moves": "refused under --strict",
    }
    assert "nan_cells (error)" in str(told["nan in a cell of the table"].told)
    assert "target_flat (warning)" in str(told["a target that hardly moves"].told)


@pytest.mark.parametrize("rate", ["1", "1e3"])
def test_a_learning_rate_that_is_changed_behind_the_guards_back_fails_the_trial(
    rate: str, ruin: FaultySearch
) -> None:
    row = at_step(ruin, f"learning rate {rate} in the optimiser")
    assert row.trial.reasons == ["override_not_applied"]
    assert "models.gru.learning_rate was left at" in str(row.trial.message)
