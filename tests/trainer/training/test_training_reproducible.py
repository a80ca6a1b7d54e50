"""The same trial gives the same bits, leaves PyTorch as it was, stops when told, reads no test rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from trainer.config import TrialConfig
from trainer.data.windows import Dataset
from trainer.errors import TrainerError
from trainer.runtime import find_device, reproducible
from trainer.training.batches import Batches
from trainer.training.learner import Learner
from trainer.training.result import EpochReport, Outcome, TrialResult

if TYPE_CHECKING:
    from tests.trainer.fit_fixtures import Fit, MakeConfig

HARD = {"num_layers": 2, "dropout": 0.3, "weight_decay": 0.01}
"""Uses every source of chance: initialisation, order of batches, dropout between layers and at the end."""


def bits(result: TrialResult) -> tuple[Any, ...]:
    """Everything in a result that must repeat, weights as bytes."""
    assert result.weights is not None
    weights = {name: weight.numpy().tobytes() for name, weight in result.weights.items()}
    epochs = [replace(report, seconds=0.0) for report in result.epochs]
    return result.outcome, result.value, result.skill, result.best_epoch, epochs, weights


@pytest.fixture
def restored_torch() -> Iterator[None]:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(state)
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("restored_torch")
def test_the_same_seed_gives_the_same_bits_whatever_state_pytorch_was_in(
    settings_of: MakeConfig, run_fit: Fit
) -> None:
    config = settings_of(gru=HARD)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    first = run_fit(config, seed=7)
    torch.set_num_threads(2)
    torch.manual_seed(2)
    torch.rand(1000)
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert bits(run_fit(config, seed=7)) == bits(first)


def test_another_seed_gives_other_weights_and_another_value(settings_of: MakeConfig, run_fit: Fit) -> None:
    first, second = run_fit(settings_of(), seed=0), run_fit(settings_of(), seed=1)
    assert first.value != second.value
    assert bits(first)[-1] != bits(second)[-1]


@pytest.mark.usefixtures("restored_torch")
@pytest.mark.parametrize(
    ("threads", "deterministic", "warn_only"), [(2, False, False), (1, True, True), (2, True, False)]
)
@pytest.mark.parametrize("fails", [False, True])
def test_pytorch_is_given_back_as_it_was(
    threads: int, deterministic: bool, warn_only: bool, fails: bool, settings_of: MakeConfig, run_fit: Fit
) -> None:
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
    state = torch.get_rng_state()

    def on_epoch(report: EpochReport) -> bool:
        if fails:
            raise KeyError("the store is gone")
        return False

    if fails:
        with pytest.raises(KeyError, match="the store is gone"):
            run_fit(settings_of(gru=HARD), on_epoch=on_epoch)
    else:
        run_fit(settings_of(gru=HARD), on_epoch=on_epoch)
    assert torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled() is deterministic
    assert torch.is_deterministic_algorithms_warn_only_enabled() is warn_only
    assert torch.equal(torch.get_rng_state(), state)


def test_within_a_trial_there_is_one_thread_and_determinism_is_enforced() -> None:
    with reproducible(3):
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.initial_seed() == 3


def test_the_weights_handed_back_are_the_best_epochs_and_reproduce_the_value_to_the_bit(
    settings_of: MakeConfig, run_fit: Fit, market: Dataset
) -> None:
    config = settings_of(gru={"learning_rate": 1e-2}, training={"epochs": 12, "patience": 12})
    result = run_fit(config)
    losses = [report.validation_loss for report in result.epochs]
    assert result.best_epoch == int(np.argmin(losses)) < len(losses) - 1
    assert result.value == min(losses)
    assert result.weights is not None
    assert result.skill == result.epochs[result.best_epoch].skill
    assert evaluate(config, market, result) == result.value


def evaluate(config: TrialConfig, data: Dataset, result: TrialResult) -> float:
    """Validation loss of the weights of a result, in a learner of its own."""
    device = find_device("cpu")
    learner = Learner(data.features.shape[1], config, device)
    learner.model.load_state_dict(result.weights or {})
    with reproducible(99):
        return learner.validate(Batches(data, device).validation()).loss


def test_training_ends_when_patience_runs_out(settings_of: MakeConfig, run_fit: Fit) -> None:
    result = run_fit(settings_of(gru={"learning_rate": 1e-2}, training={"epochs": 60, "patience": 2}))
    assert result.outcome is Outcome.FINISHED
    assert len(result.epochs) < 60
    assert result.best_epoch == len(result.epochs) - 1 - 2


def test_patience_that_does_not_run_out_leaves_all_epochs(settings_of: MakeConfig, run_fit: Fit) -> None:
    result = run_fit(settings_of(training={"epochs": 5, "patience": 5}))
    assert [report.epoch for report in result.epochs] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("batches", [0, 1, 7])
def test_should_stop_interrupts_before_the_next_batch(
    batches: int, settings_of: MakeConfig, run_fit: Fit
) -> None:
    answers = iter([False] * batches + [True])
    result = run_fit(settings_of(), should_stop=lambda: next(answers))
    assert result.outcome is Outcome.INTERRUPTED
    assert len(result.epochs) == batches // 5
    assert list(answers) == []


def test_on_epoch_stops_the_trial_and_keeps_what_was_reported(settings_of: MakeConfig, run_fit: Fit) -> None:
    seen: list[EpochReport] = []

    def stop_at_second(report: EpochReport) -> bool:
        seen.append(report)
        return report.epoch == 1

    result = run_fit(settings_of(training={"epochs": 9}), on_epoch=stop_at_second)
    assert result.outcome is Outcome.STOPPED
    assert result.epochs == tuple(seen)
    assert len(seen) == 2
    assert result.value == min(report.validation_loss for report in seen)


def test_test_rows_are_never_read(settings_of: MakeConfig, run_fit: Fit, market: Dataset) -> None:
    honest = run_fit(settings_of(), market)
    poisoned = replace(market, features=market.features.copy(), target=market.target.copy())
    poisoned.target[market.validation[-1] + 1 :] = math.nan
    poisoned.features[market.validation[-1] + 1 :] = math.nan
    assert np.isnan(poisoned.target[market.test]).all()
    assert bits(run_fit(settings_of(), poisoned)) == bits(honest)


def test_the_arrays_of_the_data_are_only_read(settings_of: MakeConfig, run_fit: Fit, market: Dataset) -> None:
    before = market.features.tobytes(), market.target.tobytes(), market.train.tobytes()
    run_fit(settings_of(), market)
    assert (market.features.tobytes(), market.target.tobytes(), market.train.tobytes()) == before


@pytest.mark.parametrize("device", ["cuda:99", "banana", ""])
def test_an_unknown_device_is_named_with_the_way_out(
    device: str, settings_of: MakeConfig, run_fit: Fit
) -> None:
    message = f"training.device = {device!r} is not available on this machine; try --set training.device=cpu"
    with pytest.raises(TrainerError, match=message):
        run_fit(settings_of(training={"device": device}))


def test_a_device_that_cannot_compute_is_refused(settings_of: MakeConfig, run_fit: Fit) -> None:
    with pytest.raises(TrainerError, match=r"training\.device = 'meta' is not available"):
        run_fit(settings_of(training={"device": "meta"}))


def test_a_batch_larger_than_the_training_rows_shows_in_the_read_back(
    settings_of: MakeConfig, run_fit: Fit
) -> None:
    assert run_fit(settings_of(gru={"batch_size": 512})).effective["models.gru.batch_size"] == 160
    assert run_fit(settings_of(gru={"batch_size": 160})).effective["models.gru.batch_size"] == 160


def test_the_read_back_holds_every_setting_of_the_model_as_it_was_asked_for(
    settings_of: MakeConfig, run_fit: Fit
) -> None:
    config = settings_of(gru={**HARD, "batch_size": 16}, training={"max_grad_norm": 0.5})
    effective = run_fit(config).effective
    gru = {f"models.gru.{key}": value for key, value in config.models.gru.model_dump().items()}
    assert {key: effective[key] for key in gru} == gru
    assert effective["training.max_grad_norm"] == 0.5
    assert effective["training.device"] == "cpu"
    assert effective["data.seq_len"] == config.data.seq_len


def test_gains_that_were_not_applied_are_not_in_the_read_back(settings_of: MakeConfig, run_fit: Fit) -> None:
    effective = run_fit(settings_of(gru={"init": "torch"})).effective
    assert effective["models.gru.init"] == "torch"
    assert not [key for key in effective if key.endswith("_gain")]
