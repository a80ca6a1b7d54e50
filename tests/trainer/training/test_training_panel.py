"""One network over all series: batches of rows or of whole dates, weights, and the place of a bad value."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch

from tests.trainer.fit_fixtures import gradients_times
from tests.trainer.panel_fixtures import PANEL, SPLITS, config_of
from trainer.config import DataConfig, TrialConfig
from trainer.data.windows import Dataset, prepare_folds
from trainer.kernels.fused import FusedKernel
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_losses
from trainer.rivals.skill import best_baseline
from trainer.training.batches import Batch, Batches
from trainer.training.loop import fit
from trainer.training.result import EpochReport, FindingKind, Outcome, TrialResult

if TYPE_CHECKING:
    from tests.trainer.fit_fixtures import LearnerPatches

CPU = torch.device("cpu")
NAMED = replace(PANEL, series_names=("AAA", "BBB"))


def panel(**changes: Any) -> Dataset:
    return prepare_folds(config_of(SPLITS["holdout"]).model_copy(update=changes), NAMED)[0]


def config(kernel: str, batches: str = "rows", **training: Any) -> TrialConfig:
    gru = {"hidden_size": 8, "learning_rate": 1e-3, "dropout": 0.2, "batch_size": 32}
    return TrialConfig.model_validate(
        {
            "data": config_of(),
            "models": {"gru": gru},
            "training": {"epochs": 3, "kernel": kernel, "batches": batches, **training},
        }
    )


def trained(settings: TrialConfig, data: Dataset, **options: Any) -> TrialResult:
    baseline = best_baseline(baseline_losses(data, data.validation, MSE))
    return fit(settings, data, baseline=baseline, ceiling=0.9, seed=4, **options)


def bits(result: TrialResult) -> tuple[Any, ...]:
    assert result.weights is not None
    epochs = [replace(report, seconds=0.0) for report in result.epochs]
    return result.value, epochs, [weight.numpy().tobytes() for weight in result.weights.values()]


def epoch_of(data: Dataset, batches: str, size: int = 32) -> list[Batch]:
    torch.manual_seed(1)
    return list(Batches(data, CPU, cast("Any", batches)).shuffled(size))


def series_in(data: Dataset, batch: Batch) -> set[str]:
    return {data.series_of(int(row)) for row in batch.rows}


def test_a_batch_of_rows_holds_rows_of_all_series_and_an_epoch_holds_each_row_once() -> None:
    data = panel()
    drawn = epoch_of(data, "rows")
    assert np.array_equal(np.sort(np.concatenate([batch.rows for batch in drawn])), data.train)
    assert sum(series_in(data, batch) == {"AAA", "BBB"} for batch in drawn) > len(drawn) / 2
    assert [len(batch.rows) for batch in drawn[:-1]] == [32] * (len(drawn) - 1)


def test_a_batch_of_times_holds_whole_dates_and_an_epoch_holds_each_row_once() -> None:
    data = panel()
    drawn = epoch_of(data, "times")
    dates = [data.times[batch.rows.numpy()] for batch in drawn]
    whole = Counter(data.times[data.train].tolist())
    assert np.array_equal(np.sort(np.concatenate([batch.rows for batch in drawn])), data.train)
    for each in dates:
        assert all(count == whole[time] for time, count in Counter(each.tolist()).items())
    assert len(drawn) == Batches(data, CPU, "times").per_epoch(32)


def test_as_many_dates_make_a_batch_as_have_its_rows_on_average() -> None:
    data = panel()
    dates, rows = len(np.unique(data.times[data.train])), len(data.train)
    sizes = [len(batch.rows) for batch in epoch_of(data, "times")]
    assert len(set(sizes)) > 1
    assert 32 * 0.8 < np.mean(sizes[:-1]) < 32 * 1.2
    assert len(epoch_of(data, "times", 1)) == dates
    assert [len(batch.rows) for batch in epoch_of(data, "times", rows)] == [rows]


def test_of_a_single_series_both_ways_to_draw_give_the_same_bits(market: Dataset) -> None:
    drawn = [[batch.rows.tolist() for batch in epoch_of(market, each)] for each in ("rows", "times")]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("weights", ["none", "equal_per_time"])
@pytest.mark.parametrize("batches", ["rows", "times"])
def test_a_panel_gives_the_same_bits_again_and_resumes_to_them(
    batches: str, weights: str, kernel: str, tmp_path: Path
) -> None:
    data, settings, file = panel(weights=weights), config(kernel, batches), tmp_path / "checkpoint"
    whole = trained(settings, data)
    assert whole.outcome is Outcome.FINISHED
    assert whole.effective["models.gru.batch_size"] == 32

    class Killed(Exception):
        pass

    def after_the_second(report: EpochReport) -> bool:
        if report.epoch == 1:
            raise Killed
        return False

    with pytest.raises(Killed):
        trained(settings, data, checkpoint=file, on_epoch=after_the_second)
    resumed = trained(settings, data, checkpoint=file)
    assert resumed.resumed_from == 1
    assert bits(resumed) == bits(whole) == bits(trained(settings, data))


def test_batches_of_many_sizes_share_the_memory_of_the_largest(lab: LearnerPatches) -> None:
    data = panel()
    trained(config("fused", "times"), data)
    (learner,) = lab.learners
    used = cast(FusedKernel, learner.kernel)._workspaces
    largest = max(len(batch.rows) for seed in range(3) for batch in epoch_of(data, "times"))
    numbers_per_window = data.seq_len * (8 * 20) * 1.5
    assert used.nbytes < 4 * numbers_per_window * (largest + 160)  # and at most 128 windows of a forecast


def test_both_kernels_train_the_same_on_whole_dates_with_weights() -> None:
    data = panel(weights="equal_per_time")
    losses = [trained(config(kernel, "times"), data).value for kernel in ("torch", "fused")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_weights_of_one_change_no_number(kernel: str) -> None:
    data = panel()
    ones = replace(data, weights=np.ones(len(data.target), np.float32))
    plain, weighted = trained(config(kernel), data), trained(config(kernel), ones)
    assert weighted.value == pytest.approx(plain.value, rel=1e-5)


def test_a_row_of_weight_zero_teaches_nothing(kernel: str) -> None:
    """The target of a row without weight can be anything."""
    data = panel()
    weights = np.ones(len(data.target), np.float32)
    weights[data.train[::3]] = 0
    other = data.target.copy()
    other[data.train[::3]] = 3.0
    results = [
        trained(config(kernel), replace(data, weights=weights, target=target))
        for target in (data.target, other)
    ]
    (value, _, learnt), (same_value, _, same) = map(bits, results)  # the naive forecast of the epochs differs
    assert (value, learnt) == (same_value, same)


def test_the_validation_loss_does_not_know_the_weights(kernel: str) -> None:
    data = panel(weights="equal_per_time")
    result = trained(config(kernel), data)
    errors = (result.forecasts[0] - data.target[data.validation]) ** 2
    assert result.value == pytest.approx(errors.mean(), rel=1e-5)


@pytest.mark.parametrize("batches", ["rows", "times"])
@pytest.mark.parametrize("where", ["feature", "target"])
def test_a_bad_value_is_found_with_its_series_its_time_and_its_line(
    where: str, batches: str, kernel: str
) -> None:
    data = panel()
    row = int(data.train[data.train >= data.series_starts[1]][40])
    features, target = data.features.copy(), data.target.copy()
    if where == "feature":
        features[row, 1] = np.inf
    else:
        target[row] = np.nan
    result = trained(config(kernel, batches), replace(data, features=features, target=target))
    finding = result.findings[0]
    kind = FindingKind.NONFINITE_INPUT if where == "feature" else FindingKind.NONFINITE_TARGET
    assert finding.kind is kind
    assert data.positions is not None
    column = "size" if where == "feature" else "target"
    assert finding.cell == f"{column} at BBB at {data.when(row)} (line {data.positions[row]})"
    assert row in finding.rows or where == "feature"


def test_a_bad_validation_value_is_found_in_its_series(kernel: str) -> None:
    data = panel()
    row = int(data.validation[data.validation >= data.series_starts[1]][7])
    features = data.features.copy()
    features[row, 0] = np.nan
    (finding,) = trained(config(kernel), replace(data, features=features)).findings
    assert finding.cell is not None
    assert finding.cell.startswith(f"ret at BBB at {data.when(row)} (line ")


def test_steps_are_skipped_and_rewound_on_whole_dates_as_on_rows(kernel: str, lab: LearnerPatches) -> None:
    lab.faults = {step: gradients_times(float("nan")) for step in (2, 20, 21, 22)}
    result = trained(config(kernel, "times"), panel())
    assert result.outcome is Outcome.FINISHED
    assert [str(finding.action) for finding in result.findings][-1] == "rewind"
    assert sum(report.skipped_steps for report in result.epochs) == 4


def test_the_settings_at_their_defaults_are_left_out_of_a_dump() -> None:
    dumped = config("fused").model_dump(mode="json")
    assert "weights" not in dumped["data"]
    assert "batches" not in dumped["training"]
    changed = DataConfig.model_validate({**config_of().model_dump(), "weights": "equal_per_time"})
    assert changed.model_dump()["weights"] == "equal_per_time"
