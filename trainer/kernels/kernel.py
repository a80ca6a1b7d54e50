"""The interface of the kernels, which compute a training step, and the choice between them."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from trainer.config import KernelName, TrialConfig
from trainer.errors import TrainerError
from trainer.models.network import GRUForecaster


class Pass(NamedTuple):
    """The signals of a forward and a backward pass, finite or not."""

    loss: float
    output_max: float
    grad_norm: float
    """Of all gradients together, before clipping."""


class Kernel(Protocol):
    """Forward pass, backward pass and update of one model: everything that a step computes.

    Weights and gradients are those of the model's parameters, whichever kernel computes them.
    """

    name: KernelName
    lr: float
    max_grad_norm: float

    @property
    def weight_decay(self) -> float:
        """The weight decay that the update uses."""

    def backward(self, x: Tensor, y: Tensor) -> Pass:
        """Compute gradients for windows x (seq_len, batch, features), targets y (batch,); update nothing."""

    def apply(self, pace: float) -> None:
        """Clip the gradients of the last `backward` to `max_grad_norm`; update weights by `pace` · `lr`."""

    def forecast(self, x: Tensor) -> Tensor:
        """Forecasts (batch,) of windows x (seq_len, batch, features), without dropout and gradients."""

    def averages(self) -> Mapping[str, tuple[Tensor, ...]]:
        """The optimiser's moving averages by parameter, not copied; only those that it has made."""

    def share_room(self, other: Self) -> None:
        """Use the memory of `other`, which takes turns with this one: both need room for one batch only."""

    def state(self) -> dict[str, Any]:
        """A copy of everything that `apply` changes except the weights, in tensors and plain containers."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Return to `state`; the learning rate stays."""


def kernel_name(asked: KernelName, device: torch.device) -> KernelName:
    """The kernel that computes on `device`. Raises TrainerError if the one that is asked for cannot."""
    if asked == "fused" and device.type != "cpu":
        raise TrainerError(
            f"training.kernel = 'fused' runs on the CPU alone, and training.device is {str(device)!r}; "
            "try --set training.kernel=auto"
        )
    if asked == "auto":
        return "fused" if device.type == "cpu" else "torch"
    return asked


def load_kernel(asked: KernelName, device: torch.device) -> None:
    """Import and compile what `make_kernel` needs; raises as `kernel_name` does."""
    if kernel_name(asked, device) == "fused":
        from trainer.kernels.self_test import compile_kernel

        compile_kernel()


def make_kernel(model: GRUForecaster, config: TrialConfig, device: torch.device) -> Kernel:
    """The configured kernel for `model`. Raises TrainerError if it does not run on `device`."""
    # Imported here: both kernels import this file, and PyTorch's kernel needs no Numba.
    if kernel_name(config.training.kernel, device) == "fused":
        from trainer.kernels.fused import FusedKernel

        return FusedKernel(model, config)
    from trainer.kernels.torch_kernel import TorchKernel

    return TorchKernel(model, config)
