"""What a forecast costs: value, gradient and best constant of each loss, the same in every kernel."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from trainer.config import TrialConfig
from trainer.errors import TrainerError
from trainer.kernels.fused import compiled_loss
from trainer.kernels.workspace import workspace
from trainer.losses import (
    LOSSES,
    MSE,
    AbsoluteError,
    HuberLoss,
    Loss,
    QLike,
    SquaredError,
    mean_loss,
    recorded_loss,
    share_of_skill,
)

if TYPE_CHECKING:
    from tests.trainer.fit_fixtures import MakeConfig

SCALED: list[Loss] = [MSE, AbsoluteError(), HuberLoss(0.7), QLike(2.0, 0.4), QLike(1.0, 0.9)]
EVERY_LOSS = pytest.mark.parametrize("loss", SCALED, ids=repr)


def forecasts_and_targets(rows: int = 37) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    return random.standard_normal(rows), random.standard_normal(rows)


@EVERY_LOSS
def test_the_gradient_is_the_slope_of_the_value(loss: Loss) -> None:
    forecast, target = forecasts_and_targets()
    step = 1e-6
    slope = (loss.value(forecast + step, target) - loss.value(forecast - step, target)) / (2 * step)
    np.testing.assert_allclose(loss.gradient(forecast, target), slope, rtol=1e-6, atol=1e-8)


@EVERY_LOSS
def test_no_other_constant_costs_less_than_the_best_one(loss: Loss) -> None:
    _, target = forecasts_and_targets()
    best = loss.best_constant(target)
    costs = [mean_loss(best + by, target, loss) for by in (-0.1, -0.01, 0.0, 0.01, 0.1)]
    assert min(costs) == costs[2]


@EVERY_LOSS
def test_numpy_and_pytorch_give_the_same_numbers(loss: Loss) -> None:
    forecast, target = forecasts_and_targets()
    tensors = torch.from_numpy(forecast), torch.from_numpy(target)
    for function in (loss.value, loss.gradient, loss.curvature):
        np.testing.assert_allclose(function(*tensors).numpy(), function(forecast, target), rtol=1e-14)


@EVERY_LOSS
@pytest.mark.parametrize("rows", [1, 19, 32])
def test_the_compiled_code_computes_the_mean_and_its_gradient(loss: Loss, rows: int) -> None:
    forecast, target = (values.astype(np.float32) for values in forecasts_and_targets(rows))
    room = workspace((1, rows), 2, 1, dropout=False, backward=True)
    room.out[:] = forecast
    weights = np.linspace(0, 2, rows, dtype=np.float32)
    for counts, given in ((1.0, None), (weights, weights)):
        mean, largest = compiled_loss(loss)(target, room, given)
        expected = (loss.value(forecast, target).astype(np.float64) * counts).mean()
        assert mean == pytest.approx(expected, rel=2e-6, abs=1e-9)
        assert largest == np.abs(forecast).max()
        slopes = loss.gradient(forecast, target) * counts / rows
        np.testing.assert_allclose(room.d_out, slopes, rtol=3e-6, atol=1e-8)


@EVERY_LOSS
def test_a_loss_says_what_it_is(loss: Loss) -> None:
    assert type(LOSSES[loss.name]) is type(loss)
    assert loss.unit
    assert loss.label
    assert recorded_loss(loss.to_json()).scaled(0.5) == loss.scaled(0.5)


def test_a_study_without_a_recorded_loss_is_one_of_squared_errors() -> None:
    assert recorded_loss(None) is MSE


@EVERY_LOSS
def test_a_forecast_that_removes_more_of_the_squared_error_shows_more_skill(loss: Loss) -> None:
    shares = [0.0, 0.05, 0.3, 0.9]
    skills = [loss.skill_of_share(share) for share in shares]
    assert skills == sorted(skills)
    assert skills[0] == 0
    assert skills[-1] < 1
    assert [share_of_skill(skill, loss) for skill in skills] == pytest.approx(shares, abs=1e-9)
    errors = np.random.default_rng(1).standard_normal(400_000)
    loss_of = [mean_loss(size * errors, np.zeros(len(errors)), loss) for size in (1.0, 0.95**0.5)]
    assert skills[1] == pytest.approx(1 - loss_of[1] / loss_of[0], abs=0.004)


@EVERY_LOSS
def test_a_limit_on_the_squared_error_is_one_on_the_loss_of_such_a_forecast(loss: Loss) -> None:
    for size in (1e-4, 0.5, 10.0):
        both = [float(loss.value(np.array([miss]), np.zeros(1))[0]) for miss in (size, -size)]
        assert loss.of_squared_error(size**2) == pytest.approx((min(both), max(both)), rel=1e-5)


def test_a_loss_keeps_a_nan_and_an_infinity(settings_of: MakeConfig) -> None:
    for loss in SCALED:
        room = workspace((1, 3), 2, 1, dropout=False, backward=True)
        for value in (np.nan, np.inf):
            room.out[:] = np.array([0.1, value, 0.2], np.float32)
            mean, largest = compiled_loss(loss)(np.zeros(3, np.float32), room)
            assert not np.isfinite(mean)
            assert not np.isfinite(largest)


def test_the_squared_error_of_each_row_has_the_bits_of_pytorchs_own() -> None:
    forecast, target = (torch.from_numpy(values).float() for values in forecasts_and_targets(1000))
    own = torch.nn.functional.mse_loss(forecast.requires_grad_(), target)
    own.backward()  # type: ignore[no-untyped-call]
    assert forecast.grad is not None
    told = forecast.detach()
    assert torch.equal(MSE.value(told, target).mean(), own.detach())
    assert torch.equal(MSE.gradient(told, target) * (1 / len(target)), forecast.grad)


def test_a_trial_is_trained_by_the_squared_error_unless_it_says_otherwise(settings_of: MakeConfig) -> None:
    assert settings_of().loss is MSE
    assert settings_of(training={"loss": "mae"}).loss == AbsoluteError()
    assert settings_of(training={"loss": "huber", "huber_delta": 0.5}).loss == HuberLoss(0.5)


def test_qlike_is_refused_for_a_target_that_is_no_logarithm_of_a_variance(settings_of: MakeConfig) -> None:
    def trial(target: dict[str, Any]) -> TrialConfig:
        known = settings_of().model_dump()
        data = {**known["data"], "target": {"kind": "volatility", **target}}
        return TrialConfig.model_validate({**known, "data": data, "training": {"loss": "qlike"}})

    with pytest.raises(ValueError, match=r"qlike compares variances.*data\.target\.log_of"):
        _ = trial({"column": "Close", "transform": "log"}).loss
    assert trial({"column": "Close", "transform": "log", "log_of": "variance"}).loss == QLike(1.0)
    assert trial({"high": "High", "low": "Low", "transform": "log_parkinson"}).loss == QLike(2.0)


def test_qlike_of_the_best_constant_forecasts_the_mean_variance() -> None:
    logs = np.random.default_rng(0).standard_normal(1000)
    constant = QLike(2.0, 0.5).best_constant(logs)
    assert np.exp(2 * 0.5 * constant) == pytest.approx(np.exp(2 * 0.5 * logs).mean(), rel=1e-12)


def test_a_loss_without_compiled_code_is_refused_before_a_step(
    settings_of: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(SquaredError):
        name = "other"

    from trainer.kernels.choice import make_kernel
    from trainer.models.network import GRUForecaster

    monkeypatch.setattr(TrialConfig, "loss", Other())
    config = settings_of(training={"kernel": "fused"})
    with pytest.raises(TrainerError, match=r"no code for the loss 'other'.*--set training\.kernel=torch"):
        make_kernel(GRUForecaster(2, config.models.gru), config, torch.device("cpu"), config.loss)


def test_a_loss_is_at_hand_without_pytorch() -> None:
    code = "import sys, trainer.losses; sys.exit('torch' in sys.modules or 'numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_function_and_no_class_assumes_a_loss_that_its_caller_did_not_name() -> None:
    root = Path(__file__).parents[2]
    files = [path for room in ("ballast", "search", "trainer") for path in (root / room).rglob("*.py")]
    assert [f"{path.name}:{line}" for path in files for line in _assumed_losses(path)] == []


def _assumed_losses(path: Path) -> list[int]:
    """The lines of parameters and fields of type Loss that have a default value."""
    lines = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.arguments):
            positional = [*node.posonlyargs, *node.args]
            given = positional[len(positional) - len(node.defaults) :]
            given += [arg for arg, value in zip(node.kwonlyargs, node.kw_defaults, strict=True) if value]
            lines += [arg.lineno for arg in given if _is_loss(arg.annotation)]
        elif isinstance(node, ast.ClassDef):
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and each.value]
            lines += [each.lineno for each in fields if _is_loss(each.annotation)]
    return lines


def _is_loss(annotation: ast.expr | None) -> bool:
    return isinstance(annotation, ast.Name) and annotation.id == "Loss"
