"""The interface of a kernel, which computes the steps of training, and the choice of one."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from trainer.config import KernelName, TrialConfig
from trainer.errors import TrainerError
from trainer.models.network import GRUForecaster


class Pass(NamedTuple):
    """Results of a forward and a backward pass; they may be non-finite."""

    loss: float
    output_max: float
    grad_norm: float
    """L2 norm of all gradients together, before clipping."""


class Kernel(Protocol):
    """Forward pass, backward pass and update of one model: all computations of a step.

    Every kernel uses the weights of the model itself, and puts the gradients beside them.
    """

    name: KernelName
    lr: float
    max_grad_norm: float

    @property
    def weight_decay(self) -> float:
        """The weight decay of the update."""

    def backward(self, x: Tensor, y: Tensor) -> Pass:
        """Compute the gradients of windows x (seq_len, batch, features), targets y (batch,); updates
        nothing.
        """

    def apply(self, pace: float) -> None:
        """Clip the gradients of the last `backward` to `max_grad_norm`, and update with `pace` · `lr`."""

    def forecast(self, x: Tensor) -> Tensor:
        """Forecasts (batch,) of windows x (seq_len, batch, features), without dropout and gradients."""

    def averages(self) -> Mapping[str, tuple[Tensor, ...]]:
        """The optimiser's moving averages by parameter, not copied; only those that exist yet."""

    def share_room(self, other: Self) -> None:
        """Use the workspace of `other`: two kernels that take turns need memory for one batch only."""

    def state(self) -> dict[str, Any]:
        """A copy of everything that `apply` changes except the weights, in tensors and plain containers."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned; the learning rate stays."""


def kernel_name(asked: KernelName, device: torch.device) -> KernelName:
    """The kernel for `device`. Raises TrainerError if the one that is asked for cannot run on it."""
    if asked == "fused" and device.type != "cpu":
        raise TrainerError(
            f"training.kernel = 'fused' runs on the CPU alone, and training.device is {str(device)!r}; "
            "try --set training.kernel=auto"
        )
    if asked == "auto":
        return "fused" if device.type == "cpu" else "torch"
    return asked


def load_kernel(asked: KernelName, device: torch.device) -> None:
    """Import and compile what `make_kernel` needs. Raises as `kernel_name` does."""
    if kernel_name(asked, device) == "fused":
        from trainer.kernels.self_test import compile_kernel

        compile_kernel()


def make_kernel(model: GRUForecaster, config: TrialConfig, device: torch.device) -> Kernel:
    """The configured kernel for `model`. Raises TrainerError if it cannot run on `device`."""
    # Imported here: both modules import this one, and PyTorch's kernel needs no Numba.
    if kernel_name(config.training.kernel, device) == "fused":
        from trainer.kernels.fused import FusedKernel

        return FusedKernel(model, config)
    from trainer.kernels.torch_kernel import TorchKernel

    return TorchKernel(model, config)
