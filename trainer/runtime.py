"""PyTorch's process-wide state, borrowed for one trial and given back."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from trainer.errors import TrainerError


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """One thread (two were measured up to ten times slower on small GRUs) and a random state of our own."""
    # The BLAS of the compiled kernel: only one that is loaded can be limited, and else the first trial of a
    # process runs on all cores, several times slower.
    import scipy.linalg.cython_blas  # noqa: F401

    threads, deterministic = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    gru_precision = torch.backends.cudnn.rnn.fp32_precision  # type: ignore[attr-defined]
    torch.set_num_threads(1)
    # As torch.use_deterministic_algorithms(True), which would also import the compiler, for a second of CPU
    # time, to tell it the same: nothing is compiled here.
    torch.set_deterministic_debug_mode("error")
    # Or cuDNN rounds the inputs of a GRU to the 10 bits of TF32, which is another training path.
    torch.backends.cudnn.rnn.fp32_precision = "ieee"  # type: ignore[attr-defined]
    try:
        # The compiled kernel multiplies by SciPy's BLAS, which has threads of its own.
        with threadpool_limits(1, user_api="blas"), torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_deterministic_debug_mode(deterministic)
        torch.backends.cudnn.rnn.fp32_precision = gru_precision  # type: ignore[attr-defined]
        torch.set_num_threads(threads)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Of the generators that a trial on `device` draws from: initialisation, order of batches, dropout."""
    state = {"cpu": torch.get_rng_state()}
    return {**state, "cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Draw on as from where `random_state` was taken on the same kind of device."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


def find_device(name: str) -> torch.device:
    """The device of this name; TrainerError if this machine does not have it."""
    # cuBLAS is deterministic only with a fixed workspace, which it reads when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()  # "meta" can be named, but holds no numbers
    except (RuntimeError, AssertionError):
        raise TrainerError(
            f"training.device = {name!r} is not available on this machine; try --set training.device=cpu"
        ) from None
    return device


def describe_devices() -> str:
    """Where trials can run on this machine."""
    cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ", ".join(["cpu", *(f"cuda:{i} ({name})" for i, name in enumerate(cuda))])
