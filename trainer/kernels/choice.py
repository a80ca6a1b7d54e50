"""Chooses the kernel that computes on a device, prepares it and makes it."""

import torch

from trainer.config import KernelName, TrialConfig
from trainer.errors import TrainerError
from trainer.kernels.kernel import Kernel
from trainer.kernels.torch_kernel import TorchKernel
from trainer.losses import Loss
from trainer.models.network import GRUForecaster
from trainer.runtime import find_device


def kernel_name(kernel: KernelName, device: torch.device) -> KernelName:
    """The kernel that computes on `device` if `training.kernel` is `kernel`: `torch` or `fused`.

    Raises TrainerError if `kernel` does not run on `device`.
    """
    if kernel == "fused" and device.type != "cpu":
        raise TrainerError(
            f"training.kernel = 'fused' runs on the CPU alone, and training.device is {str(device)!r}; "
            "try --set training.kernel=auto"
        )
    if kernel == "auto":
        return "fused" if device.type == "cpu" else "torch"
    return kernel


def prepare_kernel(kernel: KernelName, device: str) -> None:
    """Import and, if needed, compile the kernel, so that no trial spends its seconds on that.

    Raises TrainerError if this machine does not have the device, or if the kernel does not run on it.
    """
    if kernel_name(kernel, find_device(device)) == "fused":
        from trainer.kernels.self_test import compile_kernel

        compile_kernel()


def make_kernel(model: GRUForecaster, config: TrialConfig, device: torch.device, loss: Loss) -> Kernel:
    """The configured kernel for `model`, which is on `device`. Raises TrainerError as `kernel_name` does."""
    # Imported here, because PyTorch's kernel needs no Numba.
    if kernel_name(config.training.kernel, device) == "fused":
        from trainer.kernels.fused import FusedKernel

        return FusedKernel(model, config, loss)
    return TorchKernel(model, config, loss)
