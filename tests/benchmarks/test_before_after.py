"""The fast part of benchmarks/before_after.py: the faults of before are real, Ballast has none of them."""

from pathlib import Path

import pytest
import torch

from benchmarks.before_after import (
    ALL,
    BATCHES,
    DATA,
    NAN_CELLS,
    Faults,
    cleaned,
    configurations,
    damaged,
    new_run,
    old_run,
    show_audit,
)
from search.config.safe_ranges import clamp_value, read_policy
from trainer.config import DataConfig, TrialConfig
from trainer.data.source import Table, read_table
from trainer.data.windows import prepare_last_fold
from trainer.errors import DataError
from trainer.training.result import FindingKind, Outcome

SMALL = {"hidden_size": 8, "num_layers": 1, "batch_size": 32, "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def market() -> Table:
    return read_table(DataConfig.model_validate(DATA), folder=Path())


def small(config: TrialConfig, **gru: float) -> TrialConfig:
    changed = config.models.gru.model_copy(update={**SMALL, **gru})
    return config.model_copy(update={"models": config.models.model_copy(update={"gru": changed})})


@pytest.fixture(scope="module")
def ordinary() -> TrialConfig:
    return small(configurations(1, "volatility", 0)[0])


def test_the_trainer_of_before_has_non_finite_gradients_from_the_first_batch_on(
    ordinary: TrialConfig, market: Table
) -> None:
    run = old_run(ordinary, market, ALL, seed=0)
    assert run.bad[:3] == (0, 1, 2)
    assert run.scale < 65536


def test_without_its_faults_the_same_trainer_has_none(ordinary: TrialConfig, market: Table) -> None:
    assert old_run(ordinary, market, Faults(), seed=0).bad == ()


@pytest.mark.parametrize("fault", ["prices", "gains", "unclipped"])
def test_price_targets_gains_and_unclipped_features_are_finite_in_float32(
    fault: str, ordinary: TrialConfig, market: Table
) -> None:
    assert old_run(ordinary, market, Faults(**{fault: True}), seed=0).bad == ()


def test_loss_scaling_overflows_on_prices_until_the_scale_has_come_down(
    ordinary: TrialConfig, market: Table
) -> None:
    run = old_run(ordinary, market, Faults(fp16=True, prices=True), seed=0)
    assert run.bad[:3] == (0, 1, 2)
    assert run.weights_finite
    assert run.scale == 65536 / 2 ** len(run.bad)


def test_a_loss_in_float16_overflows_at_the_first_scale_alone(ordinary: TrialConfig, market: Table) -> None:
    assert torch.finfo(torch.float16).max < 65536
    assert old_run(ordinary, market, Faults(half_loss=True), seed=0).bad == (0,)


def test_clipping_keeps_nan_cells_and_they_kill_every_weight(ordinary: TrialConfig, market: Table) -> None:
    run = old_run(ordinary, market, Faults(nan_cells=True), seed=0)
    assert run.bad[-1] == BATCHES - 1
    assert not run.weights_finite


def test_ballast_refuses_the_nan_cells_that_the_trainer_of_before_took(
    market: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_audit(market)
    assert "nan_cells: sample:sp500, line 2644: column Close is NaN or empty" in capsys.readouterr().out
    with pytest.raises(DataError, match=r"line \d+: .* is nan at"):
        prepare_last_fold(DataConfig.model_validate(DATA), damaged(market, NAN_CELLS, seed=0))


def test_cleaned_data_lack_the_damaged_rows_and_no_others(market: Table) -> None:
    clean = cleaned(damaged(market, NAN_CELLS, seed=0))
    assert len(clean.frame) == len(market.frame) - NAN_CELLS
    assert clean.frame.notna().all(axis=None)


def test_drawn_configurations_lie_within_the_safe_ranges() -> None:
    policy = read_policy(Path(__file__).parents[2] / "configs" / "safe_ranges.yaml")
    for config in configurations(20, "return", 5):
        for name, value in config.models.gru.model_dump().items():
            safe = policy.rule(f"models.gru.{name}", {})
            assert safe is None or clamp_value(value, safe) == (value, None)


@pytest.mark.parametrize("kind", ["return", "volatility"])
def test_random_safe_configurations_have_no_non_finite_gradient_in_ballast(kind: str, market: Table) -> None:
    for seed, config in enumerate(configurations(3, "return" if kind == "return" else "volatility", 2)):
        run = new_run(small(config, learning_rate=config.models.gru.learning_rate), market, seed)
        assert run.steps > 0
        assert run.bad == 0


def test_a_quiet_run_of_ballast_has_learnt_something(ordinary: TrialConfig, market: Table) -> None:
    run = new_run(ordinary, market, seed=0)
    assert run.result.outcome is Outcome.FINISHED
    assert run.moved
    assert run.skill_over_mean is not None
    assert run.skill_over_mean > 0.1


def test_a_run_that_cannot_move_is_told_as_frozen_not_as_quiet(ordinary: TrialConfig, market: Table) -> None:
    run = new_run(small(ordinary, learning_rate=1e-8), market, seed=0)
    assert run.bad == 0
    assert [finding.kind for finding in run.result.findings] == [FindingKind.FROZEN]
    assert not run.moved
