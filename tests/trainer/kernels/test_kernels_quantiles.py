"""Both kernels train a head with an output for each quantile alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainer.kernels import compiled
from trainer.kernels.workspace import workspace
from trainer.models.network import flat_copy
from trainer.quantile_loss import QuantileLoss
from trainer.runtime import reproducible
from trainer.training.batches import Batch
from trainer.training.learner import Learner, TrialLosses

if TYPE_CHECKING:
    from tests.trainer.fit_fixtures import MakeConfig

CPU = torch.device("cpu")
LOSS = QuantileLoss()
START = (-1.5, -1.0, 0.1, 1.0, 1.5)


@pytest.fixture
def kernel() -> str:
    """Of settings that name none: these tests take both kernels in their own hands."""
    return "fused"


def batch_of(seed: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    x, y = torch.randn(6, 19, 3, generator=random), torch.randn(19, generator=random)
    return Batch(x, y, torch.arange(19), known_finite=False)


def learner_of(settings_of: MakeConfig, kernel: str, **gru: Any) -> Learner:
    config = settings_of(
        gru={"hidden_size": 9, "init": "torch", "learning_rate": 1e-2, **gru},
        training={"kernel": kernel, "loss": "quantile"},
    )
    return Learner(3, config, CPU, TrialLosses(LOSS, LOSS, START))


def gradients(learner: Learner) -> Tensor:
    return torch.cat([p.grad.reshape(-1) for p in learner.model.parameters() if p.grad is not None])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("gru", [{}, {"num_layers": 2, "dropout": 0.3}], ids=str)
def test_steps_have_the_same_signals_gradients_and_weights(
    gru: dict[str, Any], weighted: bool, settings_of: MakeConfig
) -> None:
    told: list[Any] = []
    counts = torch.rand(19, generator=torch.Generator().manual_seed(3)) * 2 if weighted else None
    for kernel in ("torch", "fused"):
        with reproducible(1):
            learner = learner_of(settings_of, kernel, **gru)
            signals: list[float] = []
            first: Any = None
            for step in range(10):
                signals += list(learner.backward(replace(batch_of(step), weights=counts)))
                first = gradients(learner).clone() if first is None else first
                learner.apply()
            told.append([signals, first, flat_copy(learner.model), learner.forecast([batch_of(99)])])
    (signals, first, weights, forecasts), (its_signals, its_first, its_weights, its_forecasts) = told
    assert its_signals[:4] == pytest.approx(signals[:4], rel=2e-6, abs=1e-6)
    assert its_signals == pytest.approx(signals, rel=1e-3)
    torch.testing.assert_close(its_first, first, rtol=0, atol=2e-6 * float(first.abs().max()))
    torch.testing.assert_close(its_weights, weights, rtol=0, atol=2e-4)
    torch.testing.assert_close(its_forecasts, forecasts, rtol=0, atol=2e-4)
    assert forecasts.shape == (19, 5)


@pytest.mark.parametrize("kernel_name", ["torch", "fused"])
def test_a_model_begins_with_the_quantiles_that_it_is_given_and_forecasts_them_in_order(
    kernel_name: str, settings_of: MakeConfig
) -> None:
    learner = learner_of(settings_of, kernel_name, init="gains")
    forecasts = learner.forecast([batch_of()])
    torch.testing.assert_close(forecasts, torch.tensor(START).expand(19, 5), rtol=0, atol=1e-3)
    with torch.no_grad():
        learner.model.head.bias.copy_(torch.tensor(START[::-1]))
    torch.testing.assert_close(learner.forecast([batch_of()]), forecasts, rtol=0, atol=1e-3)
    validated = learner.validate([batch_of()])
    assert validated.loss == pytest.approx(float(LOSS.value(forecasts, batch_of().y).mean()), abs=1e-3)


def test_the_loss_is_read_back_from_the_kernel(settings_of: MakeConfig) -> None:
    for kernel in ("torch", "fused"):
        learner = learner_of(settings_of, kernel)
        learner.backward(batch_of())
        assert learner.effective["training.loss"] == "quantile"
        assert learner.effective["training.quantiles"] == list(LOSS.quantiles)


@pytest.mark.slow  # compiles everything once more, for float64
def test_the_gradients_are_those_of_the_loss(settings_of: MakeConfig) -> None:
    torch.manual_seed(0)
    start = flat_copy(learner_of(settings_of, "torch", num_layers=2, hidden_size=3).model).double()
    batch = batch_of()
    x, y = batch.x.double().numpy(), batch.y.double().numpy()
    room = workspace((6, 19), 3, 2, dropout=False, backward=True, outputs=5, dtype=np.float64)
    levels = 2 * np.array([LOSS.quantiles, [1 - each for each in LOSS.quantiles]])

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, flat: Tensor) -> Tensor:
            ctx.save_for_backward(flat)
            compiled.forward(flat.detach().numpy(), x, room)
            return torch.tensor(compiled.pinball(y, np.zeros(0), levels, room)[0], dtype=torch.float64)

        @staticmethod
        def backward(ctx: Any, *gradient: Tensor) -> Tensor:
            (flat,) = ctx.saved_tensors
            mine = torch.empty_like(flat)
            compiled.forward(flat.detach().numpy(), x, room)
            compiled.pinball(y, np.zeros(0), levels, room)
            compiled.backward(flat.detach().numpy(), x, room, mine.numpy())
            return gradient[0] * mine

    assert torch.autograd.gradcheck(Loss.apply, (start.requires_grad_(),))
