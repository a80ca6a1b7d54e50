"""Sets PyTorch's process-wide state for one trial, and restores it afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from trainer.errors import TrainerError


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Compute in one thread, with the random state of `seed` and deterministic operations only.

    Two threads were measured to be up to ten times slower on small GRUs.
    """
    # Loads the BLAS of the compiled kernel. Only a loaded BLAS can be limited; otherwise the first trial of a
    # process would run on all cores, several times slower.
    import scipy.linalg.cython_blas  # noqa: F401

    threads, deterministic = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    gru_precision = torch.backends.cudnn.rnn.fp32_precision  # type: ignore[attr-defined]
    torch.set_num_threads(1)
    # Like torch.use_deterministic_algorithms(True), which would also import torch's compiler: a second of CPU
    # time for something that is not used here.
    torch.set_deterministic_debug_mode("error")
    # Otherwise cuDNN rounds the inputs of a GRU to the 10 bits of TF32.
    torch.backends.cudnn.rnn.fp32_precision = "ieee"  # type: ignore[attr-defined]
    try:
        # The compiled kernel uses SciPy's BLAS, which has its own threads.
        with threadpool_limits(1, user_api="blas"), torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_deterministic_debug_mode(deterministic)
        torch.backends.cudnn.rnn.fp32_precision = gru_precision  # type: ignore[attr-defined]
        torch.set_num_threads(threads)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of the generators for initialisation, order of batches and dropout of a trial on `device`."""
    state = {"cpu": torch.get_rng_state()}
    return {**state, "cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Restore a state that `random_state` returned on the same kind of device."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


class RandomStream:
    """The random numbers of one seed, where several seeds take turns on `device`."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device
        torch.manual_seed(seed)
        self.state = random_state(device)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Draw from this stream; the next use goes on where this one ends."""
        set_random_state(self.state, self._device)
        yield
        self.state = random_state(self._device)

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from `state` at the next use."""
        set_random_state(state, self._device)  # raises if it is no state of this device
        self.state = state


def find_device(name: str) -> torch.device:
    """The device of this name. Raises TrainerError if this machine does not have it."""
    # cuBLAS is deterministic only with a fixed workspace, and reads this variable when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()  # "meta" is a device name, but has no numbers
    except (RuntimeError, AssertionError):
        raise TrainerError(
            f"training.device = {name!r} is not available on this machine; try --set training.device=cpu"
        ) from None
    return device


def describe_devices() -> str:
    """The devices of this machine on which trials can run, such as `cpu, cuda:0 (NAME)`."""
    cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ", ".join(["cpu", *(f"cuda:{i} ({name})" for i, name in enumerate(cuda))])
