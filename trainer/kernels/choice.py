"""Which kernel computes on a device."""

import torch

from trainer.config import KernelName, TrialConfig
from trainer.errors import TrainerError
from trainer.kernels.kernel import Kernel
from trainer.kernels.torch_kernel import TorchKernel
from trainer.models.network import GRUForecaster


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
    # Imported here, because PyTorch's kernel needs no Numba.
    if kernel_name(config.training.kernel, device) == "fused":
        from trainer.kernels.fused import FusedKernel

        return FusedKernel(model, config)
    return TorchKernel(model, config)
