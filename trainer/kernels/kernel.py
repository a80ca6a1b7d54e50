"""What a learner asks of its arithmetic, and which arithmetic that is."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from trainer.config import KernelName, TrialConfig
from trainer.errors import TrainerError
from trainer.models.network import GRUForecaster


class Pass(NamedTuple):
    """What a forward and a backward pass say, finite or not."""

    loss: float
    output_max: float
    grad_norm: float
    """Of all gradients together, before clipping."""


class Kernel(Protocol):
    """Forward pass, backward pass and update of one model: all that is computed in a step.

    The weights are those of the model and the gradients stand beside them, whatever computes them.
    """

    name: KernelName
    lr: float
    max_grad_norm: float

    @property
    def weight_decay(self) -> float:
        """What the update uses."""

    def backward(self, x: Tensor, y: Tensor) -> Pass:
        """From windows x (seq_len, batch, features) and targets y (batch,) to gradients; updates nothing."""

    def apply(self, pace: float) -> None:
        """Clip the gradients of the last `backward` to `max_grad_norm`, and update with `pace` · `lr`."""

    def forecast(self, x: Tensor) -> Tensor:
        """Forecasts (batch,) of windows x (seq_len, batch, features), without dropout and gradients."""

    def averages(self) -> Mapping[str, tuple[Tensor, ...]]:
        """The optimiser's moving averages, live, by parameter; those that it has made."""

    def share_room(self, other: Self) -> None:
        """Compute where `other` computes: the two take turns, and need room for one batch between them."""

    def state(self) -> dict[str, Any]:
        """A copy of all that `apply` changes but the weights, in tensors and plain containers."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be again as at `state`, but for the learning rate."""


def kernel_name(asked: KernelName, device: torch.device) -> KernelName:
    """Which kernel computes on `device`; TrainerError where the one that is asked for cannot."""
    if asked == "fused" and device.type != "cpu":
        raise TrainerError(
            f"training.kernel = 'fused' runs on the CPU alone, and training.device is {str(device)!r}; "
            "try --set training.kernel=auto"
        )
    if asked == "auto":
        return "fused" if device.type == "cpu" else "torch"
    return asked


def load_kernel(asked: KernelName, device: torch.device) -> None:
    """Have ready what `make_kernel` would import and compile; raises as `kernel_name`."""
    if kernel_name(asked, device) == "fused":
        from trainer.kernels.self_test import compile_kernel

        compile_kernel()


def make_kernel(model: GRUForecaster, config: TrialConfig, device: torch.device) -> Kernel:
    """The kernel of this name for `model`; TrainerError where it does not run on `device`."""
    # Both know this file; and where PyTorch computes, Numba is not imported.
    if kernel_name(config.training.kernel, device) == "fused":
        from trainer.kernels.fused import FusedKernel

        return FusedKernel(model, config)
    from trainer.kernels.torch_kernel import TorchKernel

    return TorchKernel(model, config)
