"""The compiled kernel: a few calls per batch, all weights in one vector."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from trainer.config import KernelName, TrialConfig
from trainer.errors import TrainerError
from trainer.kernels import compiled
from trainer.kernels.kernel import Pass
from trainer.kernels.self_test import compile_kernel
from trainer.kernels.workspace import Array, Workspace, Workspaces
from trainer.losses import AbsoluteError, HuberLoss, Loss, QLike, SquaredError
from trainer.models.network import GRUForecaster, flat_copy
from trainer.quantile_loss import QuantileLoss

_ALL_THE_SAME = np.zeros(0, np.float32)
"""Weights of a batch whose windows all count the same."""
_FORECAST_ROWS = 128
"""Windows per forward pass of a forecast: few enough for the processor's cache."""


class FusedKernel:
    """See `trainer.kernels.kernel.Kernel`; on the CPU, in float32.

    The model's parameters and their gradients become views of two vectors, so that a change in place changes
    what this kernel computes with. Dropout draws from PyTorch's generator, in the order in which `nn.GRU` and
    `nn.Dropout` do.
    """

    name: KernelName = "fused"

    def __init__(self, model: GRUForecaster, config: TrialConfig, loss: Loss) -> None:
        gru = config.models.gru
        self.lr, self.weight_decay = gru.learning_rate, gru.weight_decay
        self.max_grad_norm = config.training.max_grad_norm
        self._model = model
        self.loss = loss
        self._loss_and_gradient = compiled_loss(loss)
        self._flat = flat_copy(model)  # (N,)
        self._gradient = torch.zeros_like(self._flat)
        self._averages = torch.zeros(2, len(self._flat))
        for parameter, weight, gradient in zip(
            model.parameters(), _parts(self._flat, model), _parts(self._gradient, model), strict=True
        ):
            parameter.data, parameter.grad = weight, gradient
        self._steps, self._norm = 0, 0.0
        compile_kernel()
        self._workspaces = Workspaces(loss.outputs)

    def backward(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Pass:
        """Compute the gradients; update nothing."""
        work = self._workspace(x, backward=True)
        self._draw_masks(work)
        flat, windows, gradient = self._flat.numpy(), x.contiguous().numpy(), self._gradient.numpy()
        compiled.forward(flat, windows, work)
        loss, largest = self._loss_and_gradient(y.numpy(), work, None if weights is None else weights.numpy())
        compiled.backward(flat, windows, work, gradient)
        self._norm = compiled.norm(gradient)
        return Pass(loss, largest, self._norm)

    def apply(self, factor: float) -> None:
        """Clip the gradients and update the weights."""
        self._steps += 1
        scale = min(self.max_grad_norm / (self._norm + 1e-6), 1.0)  # as torch.nn.utils.clip_grad_norm_
        compiled.update(
            self._flat.numpy(),
            self._gradient.numpy(),
            self._averages.numpy(),
            scale,
            factor * self.lr,
            self.weight_decay,
            self._steps,
        )

    def forecast(self, x: Tensor) -> Tensor:
        """Forecasts (batch,) or (batch, outputs)."""
        flat, outs = self._flat.numpy(), []
        for part in torch.split(x, _FORECAST_ROWS, dim=1):
            work = self._workspace(part, backward=False)
            compiled.forward(flat, part.contiguous().numpy(), work)
            outs.append(work.out.copy())
        told = torch.from_numpy(np.concatenate(outs))
        return told if self.loss.outputs == 1 else told.reshape(-1, self.loss.outputs)

    def averages(self) -> Mapping[str, tuple[Tensor, ...]]:
        """The moving averages of every parameter."""
        names = [name for name, _ in self._model.named_parameters()]
        both = zip(*(_parts(average, self._model) for average in self._averages), strict=True)
        return dict(zip(names, both, strict=True))

    def share_workspace(self, other: Self) -> None:
        """Use the workspaces of `other`."""
        self._workspaces = other._workspaces

    def state(self) -> dict[str, Any]:
        """Copies of the step and the averages, named as in the state dict of PyTorch's AdamW."""
        first, second = self._averages.clone()
        return {"state": {0: {"step": torch.tensor(self._steps), "exp_avg": first, "exp_avg_sq": second}}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Return to a copy of `state`; the learning rate stays."""
        saved = state["state"][0]
        steps = int(saved["step"])
        if not 0 <= steps < 2**62:
            raise ValueError(f"{steps} is not a number of steps")
        self._steps = steps
        self._averages.copy_(torch.stack([saved["exp_avg"], saved["exp_avg_sq"]]))

    def _workspace(self, x: Tensor, *, backward: bool) -> Workspace:
        steps, batch, _ = x.shape
        gru, dropout = self._model.gru, backward and self._model.dropout.p > 0
        return self._workspaces.of(
            (steps, batch), gru.hidden_size, gru.num_layers, dropout=dropout, backward=backward
        )

    def _draw_masks(self, work: Workspace) -> None:
        """Draw the masks of dropout (0, or 1 / keep) in the order in which PyTorch's modules draw them."""
        keep = 1 - self._model.dropout.p
        for mask in (*work.masks, work.last_mask):
            if mask.size:
                torch.from_numpy(mask).bernoulli_(keep).div_(keep)


def compiled_loss(loss: Loss) -> Callable[..., tuple[float, float]]:
    """The compiled code of `loss`.

    It maps targets (batch,) and the forecasts in a workspace to their mean loss and the largest |forecast|,
    and leaves the gradient of the mean in the workspace. A third argument has the weight of each loss
    (batch,).

    Raises TrainerError for a loss that has no compiled code.
    """
    match loss:
        case SquaredError(name="mse"):
            return _squared_error
        case AbsoluteError():
            return partial(_other_loss, compiled.ABSOLUTE, 0.0)
        case HuberLoss():
            return partial(_other_loss, compiled.HUBER, loss.delta)
        case QLike():
            return partial(_other_loss, compiled.QLIKE, float(loss.factor))
        case QuantileLoss():
            levels = np.array([loss.quantiles, [1 - each for each in loss.quantiles]])
            return partial(_pinball, (2 * levels).astype(np.float32))
    raise TrainerError(
        f"training.kernel = 'fused' has no code for the loss {loss.name!r}; try --set training.kernel=torch"
    )


def _squared_error(y: Array, work: Workspace, weights: Array | None = None) -> tuple[float, float]:
    if weights is None:
        return compiled.squared_error(y, work)
    return compiled.weighted_squared_error(y, weights, work)


def _other_loss(
    kind: int, parameter: float, y: Array, work: Workspace, weights: Array | None = None
) -> tuple[float, float]:
    return compiled.other_loss(y, _ALL_THE_SAME if weights is None else weights, work, kind, parameter)


def _pinball(levels: Array, y: Array, work: Workspace, weights: Array | None = None) -> tuple[float, float]:
    return compiled.pinball(y, _ALL_THE_SAME if weights is None else weights, levels, work)


def _parts(flat: Tensor, model: nn.Module) -> list[Tensor]:
    """Views of a vector in the shapes of the parameters, in their order."""
    shapes = [parameter.shape for parameter in model.parameters()]
    parts = torch.split(flat, [shape.numel() for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
