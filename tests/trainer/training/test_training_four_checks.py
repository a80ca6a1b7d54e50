"""The four checks that passed after the hand-made repair from which Ballast comes."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainer
from trainer.audit.audit import audit
from trainer.config import GRUConfig, GuardConfig
from trainer.data.source import Table
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.errors import DataError
from trainer.models.network import GRUForecaster
from trainer.training.result import Outcome, TrialResult

if TYPE_CHECKING:
    from tests.trainer.fit_fixtures import Fit, LearnerPatches, MakeConfig

GATES = 3


def gates(weight: Tensor) -> tuple[Tensor, ...]:
    """The reset, update and new gates of a stacked weight."""
    return weight.detach().chunk(GATES)


def check_xavier(weight: Tensor, gain: float) -> None:
    """Uniform within gain * sqrt(6 / (fan_in + fan_out)), and filling that interval."""
    bound = gain * math.sqrt(6 / sum(weight.shape))
    assert float(weight.abs().max()) <= bound
    assert float(weight.abs().max()) > 0.8 * bound
    assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=3 / math.sqrt(weight.numel()))


def check_orthogonal(weight: Tensor, gain: float) -> None:
    """All rows at right angles to each other, and as long as the gain."""
    torch.testing.assert_close(
        weight @ weight.T, gain**2 * torch.eye(len(weight)), atol=1e-6 * gain**2 + 1e-9, rtol=0
    )


def recurrent(model: GRUForecaster, prefix: str) -> Iterator[Tensor]:
    return (weight for name, weight in model.gru.named_parameters() if name.startswith(prefix))


@pytest.mark.parametrize(
    "config",
    [
        GRUConfig(),
        GRUConfig(hidden_size=64, num_layers=3),
        GRUConfig(hidden_size=16, input_gain=0.005, hidden_gain=1.0, head_gain=0.1),
    ],
    ids=["defaults", "three_layers", "other_gains"],
)
def test_model_initialisation(config: GRUConfig) -> None:
    torch.manual_seed(0)
    model = GRUForecaster(12, config)
    for weight in recurrent(model, "weight_ih"):
        for gate in gates(weight):
            check_xavier(gate, config.input_gain)
    for weight in recurrent(model, "weight_hh"):
        for gate in gates(weight):
            check_orthogonal(gate, config.hidden_gain)
    check_xavier(model.head.weight.detach(), config.head_gain)
    biases = [weight for name, weight in model.named_parameters() if "bias" in name]
    assert len(biases) == 2 * config.num_layers + 1
    assert all(not bias.any() for bias in biases)


def test_init_torch_is_what_pytorch_does_and_reports_no_gains() -> None:
    torch.manual_seed(0)
    model = GRUForecaster(12, GRUConfig(init="torch"))
    torch.manual_seed(0)
    gru, head = nn.GRU(12, 32), nn.Linear(32, 1)
    expected = [*gru.parameters(), *head.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), expected, strict=True))
    assert model.gains == {}
    assert float(model.head.weight.detach().abs().max()) > 10 * 0.001


REDUCED = {
    "autocast", "amp", "GradScaler", "half", "bfloat16", "float16", "HalfTensor", "BFloat16Tensor",
    "custom_fwd", "set_float32_matmul_precision", "set_default_dtype", "quantize_dynamic",
}  # fmt: skip


def names_in(tree: ast.AST) -> set[str]:
    """Every name, attribute, keyword and imported name of a module; comments and docstrings are no code."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                found.add(name)
            case ast.alias(name=name):
                found.update(name.split("."))
            case ast.ImportFrom(module=str(name)):
                found.update(name.split("."))
            case _:
                pass
    return found


def test_mixed_precision_disabled(
    settings_of: MakeConfig, run_fit: Fit, lab: LearnerPatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root,) = trainer.__path__
    modules = sorted(Path(root).rglob("*.py"))
    assert len(modules) > 10
    for module in modules:
        assert not REDUCED & names_in(ast.parse(module.read_text())), module.name

    outputs: list[torch.dtype] = []
    forward = GRUForecaster.forward

    def watched(model: GRUForecaster, x: Tensor) -> Tensor:
        out = forward(model, x)
        outputs.extend((x.dtype, out.dtype))
        return out

    monkeypatch.setattr(GRUForecaster, "forward", watched)
    result = run_fit(settings_of(gru={"num_layers": 2, "weight_decay": 0.01}))
    (learner,) = lab.learners
    lab.close()
    gradients = [weight.grad.dtype for weight in learner.model.parameters() if weight.grad is not None]
    assert len(gradients) == len(list(learner.model.parameters()))
    assert result.weights is not None
    kept = [weight.dtype for weight in result.weights.values()]
    optimiser = [tensor.dtype for tensor in lab.states[-1]]
    assert {*outputs, *gradients, *kept, *optimiser} == {torch.float32}
    assert result.effective["training.mixed_precision"] is False


def test_an_autocast_region_around_the_trainer_is_seen_by_the_read_back(
    settings_of: MakeConfig, run_fit: Fit
) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = run_fit(settings_of(training={"epochs": 1}))
    assert result.effective["training.mixed_precision"] is True
    assert run_fit(settings_of(training={"epochs": 1})).effective["training.mixed_precision"] is False


@pytest.mark.parametrize("cell", [math.nan, math.inf, -math.inf])
def test_data_validation(whole_market: Dataset, prices: Table, settings_of: MakeConfig, cell: float) -> None:
    config = settings_of().data
    seen = np.concatenate([whole_market.fitting, whole_market.validation])
    features, target = whole_market.features[seen], whole_market.target[seen]
    assert np.isfinite(features).all()
    assert np.isfinite(target).all()
    assert np.abs(features).max() <= config.feature_clip == 3
    assert target.std() > 0.5
    assert all(0 < share < 0.05 for share in whole_market.feature_clipped.values())

    highs = prices.frame["High"].to_numpy(copy=True)
    highs[1000] = cell
    broken = replace(prices, frame=prices.frame.assign(High=highs))
    place = f"line {prices.positions[1000]}: feature vol is (nan|inf) at {prices.times[1000]}"
    with pytest.raises(DataError, match=place):
        prepare_last_fold(config, broken)
    found = audit(config, GuardConfig(), broken)
    assert not found.ok(strict=False)
    assert "High" in [finding.where for finding in found.findings]


def test_returns_are_clipped_before_they_are_scaled(prices: Table, settings_of: MakeConfig) -> None:
    values = settings_of().data.model_dump()
    values["target"] = {"transform": "log_return", "column": "Close", "kind": "return", "clip": 0.02}
    data = prepare_last_fold(type(settings_of().data).model_validate(values), prices)
    unscaled = data.target * data.scaler.target_std + data.scaler.target_mean
    assert np.abs(unscaled).max() <= 0.02 * (1 + 1e-5)
    assert 0 < data.target_clipped < 0.2


CORNERS = [
    {"learning_rate": 1e-2, "batch_size": 16, "hidden_size": 128, "num_layers": 1},
    {"learning_rate": 1e-2, "batch_size": 16, "hidden_size": 8, "num_layers": 3, "dropout": 0.5},
    {"learning_rate": 1e-3, "batch_size": 160, "hidden_size": 8, "weight_decay": 0.1},
    {"learning_rate": 1e-2, "batch_size": 16, "input_gain": 1e-4, "hidden_gain": 1e-4, "head_gain": 1e-5},
    {"learning_rate": 1e-2, "batch_size": 16, "hidden_size": 64, "init": "torch"},
]


@pytest.mark.parametrize("max_grad_norm", [1.0, 0.01])
@pytest.mark.parametrize("corner", CORNERS, ids=["wide", "deep", "slow", "small_gains", "torch_init"])
def test_gradient_stability(
    corner: dict[str, object],
    max_grad_norm: float,
    settings_of: MakeConfig,
    run_fit: Fit,
    all_finite: Callable[[TrialResult], bool],
) -> None:
    result = run_fit(settings_of(gru=corner, training={"epochs": 3, "max_grad_norm": max_grad_norm}))
    assert result.outcome is Outcome.FINISHED
    assert result.findings == ()
    assert len(result.epochs) == 3
    assert all_finite(result)
    for report in result.epochs:
        assert 0 < report.grad_norm_mean <= report.grad_norm_max < 100
        assert report.skipped_steps == 0
        assert report.movement > 1e-3
