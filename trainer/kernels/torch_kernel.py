"""The reference kernel: PyTorch's GRU, gradients and AdamW, on any device."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Self

import torch
from torch import Tensor

from trainer.config import KernelName, TrialConfig
from trainer.kernels.kernel import Pass
from trainer.losses import Loss
from trainer.models.network import GRUForecaster


class TorchKernel:
    """See `trainer.kernels.kernel.Kernel`."""

    name: KernelName = "torch"

    def __init__(self, model: GRUForecaster, config: TrialConfig, loss: Loss) -> None:
        gru = config.models.gru
        self._model = model
        self._parameters = list(model.parameters())
        self.loss = loss
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=gru.learning_rate, weight_decay=gru.weight_decay, fused=True
        )
        self.max_grad_norm = config.training.max_grad_norm
        self._norm = torch.zeros(())

    @property
    def lr(self) -> float:
        """The learning rate, as the optimiser has it between steps."""
        return float(self._optimizer.param_groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        self._optimizer.param_groups[0]["lr"] = value

    @property
    def weight_decay(self) -> float:
        """The weight decay, as the optimiser has it."""
        return float(self._optimizer.param_groups[0]["weight_decay"])

    def backward(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Pass:
        """Compute the gradients; update nothing."""
        self._model.train()
        self._optimizer.zero_grad(set_to_none=True)
        out = self._model(x)  # (batch,) or (batch, outputs)
        forecasts = out.detach()
        gradient, losses = self.loss.gradient(forecasts, y), self.loss.value(forecasts, y)
        if weights is not None:
            gradient, losses = weighted(gradient, weights), losses * weights
        out.backward(gradient * (1 / len(y)))
        self._norm = torch.nn.utils.get_total_norm([p.grad for p in self._parameters if p.grad is not None])
        low, high = torch.aminmax(forecasts)  # one operation; abs and max would be two
        loss_value, low_value, high_value, norm = to_host(losses.mean(), low, high, self._norm)
        return Pass(loss_value, max(-low_value, high_value), norm)

    def apply(self, factor: float) -> None:
        """Clip the gradients and update the weights."""
        torch.nn.utils.clip_grads_with_norm_(self._parameters, self.max_grad_norm, self._norm)
        lr = self.lr
        self.lr = factor * lr
        self._optimizer.step()
        self.lr = lr

    @torch.no_grad()
    def forecast(self, x: Tensor) -> Tensor:
        """Forecasts (batch,) or (batch, outputs)."""
        self._model.eval()
        out: Tensor = self._model(x)
        return out

    def averages(self) -> Mapping[str, tuple[Tensor, ...]]:
        """The moving averages of updated parameters; the optimiser creates them in its first step."""
        state = self._optimizer.state
        named = self._model.named_parameters()
        return {name: tuple(state[weight].values()) for name, weight in named if weight in state}

    def share_workspace(self, other: Self) -> None:
        """Do nothing: PyTorch allocates and frees memory for each operation."""

    def state(self) -> dict[str, Any]:
        """A copy of the optimiser's state dict."""
        return deepcopy(self._optimizer.state_dict())

    def restore(self, state: Mapping[str, Any]) -> None:
        """Return to a copy of `state`; the learning rate stays."""
        lr = self.lr
        self._optimizer.load_state_dict(deepcopy(dict(state)))
        self.lr = lr


def weighted(gradient: Tensor, weights: Tensor) -> Tensor:
    """The gradient (batch,) or (batch, outputs), each row multiplied by its weight, (batch,)."""
    return gradient * weights.reshape(-1, *[1] * (gradient.ndim - 1))


def to_host(*signals: Tensor) -> list[float]:
    """Scalars as Python floats. Stacking them waits for a GPU only once; on a CPU it would cost time."""
    if signals[0].is_cuda:
        values: list[float] = torch.stack(signals).tolist()
        return values
    return [signal.item() for signal in signals]
