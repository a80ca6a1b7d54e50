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
from trainer.losses import LOSSES, MSE, Loss, SquaredError, mean_loss

if TYPE_CHECKING:
    from tests.trainer.fit_fixtures import MakeConfig

EVERY_LOSS = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


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
    for function in (loss.value, loss.gradient):
        np.testing.assert_array_equal(function(*tensors).numpy(), function(forecast, target))


@EVERY_LOSS
@pytest.mark.parametrize("rows", [1, 19, 32])
def test_the_compiled_code_computes_the_mean_and_its_gradient(loss: Loss, rows: int) -> None:
    forecast, target = (values.astype(np.float32) for values in forecasts_and_targets(rows))
    room = workspace((1, rows), 2, 1, dropout=False, backward=True)
    room.out[:] = forecast
    mean, largest = compiled_loss(loss)(target, room)
    assert mean == pytest.approx(mean_loss(forecast, target, loss), rel=1e-6)
    assert largest == np.abs(forecast).max()
    np.testing.assert_allclose(room.d_out, loss.gradient(forecast, target) / rows, rtol=1e-6)


@EVERY_LOSS
def test_a_loss_says_what_it_is(loss: Loss) -> None:
    assert LOSSES[loss.name] is loss
    assert loss.unit


def test_the_squared_error_of_each_row_has_the_bits_of_pytorchs_own() -> None:
    forecast, target = (torch.from_numpy(values).float() for values in forecasts_and_targets(1000))
    own = torch.nn.functional.mse_loss(forecast.requires_grad_(), target)
    own.backward()  # type: ignore[no-untyped-call]
    assert forecast.grad is not None
    told = forecast.detach()
    assert torch.equal(MSE.value(told, target).mean(), own.detach())
    assert torch.equal(MSE.gradient(told, target) * (1 / len(target)), forecast.grad)


def test_a_trial_is_trained_by_the_squared_error(settings_of: MakeConfig) -> None:
    assert settings_of().loss is MSE


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
        make_kernel(GRUForecaster(2, config.models.gru), config, torch.device("cpu"))


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
