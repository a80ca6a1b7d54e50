"""Where the CPU time of a training step goes, by part and kernel: clocks around what a step calls."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.floor.counts import Work
from benchmarks.floor.epochs import KERNELS, Ballast
from benchmarks.floor.timing import Task, repeated
from trainer.config import KernelName
from trainer.kernels import compiled
from trainer.kernels import torch_kernel as plain
from trainer.losses import SquaredError
from trainer.models.network import GRUForecaster
from trainer.training import train_fold as steps
from trainer.training.batches import Batches

CALLED: Mapping[str, tuple[tuple[Any, str], ...]] = {
    "gather": ((Batches, "_gather"), (torch, "randperm")),
    "forward, backward": (
        (GRUForecaster, "forward"),
        (SquaredError, "value"),
        (SquaredError, "gradient"),
        (torch.Tensor, "backward"),
        (compiled, "forward"),
        (compiled, "squared_error"),
        (compiled, "backward"),
    ),
    "norm, guard": (
        (torch.nn.utils, "get_total_norm"),
        (torch, "aminmax"),
        (plain, "to_host"),
        (compiled, "norm"),
        (steps, "detect_step"),
    ),
    "clip, update": ((plain.TorchKernel, "apply"), (compiled, "update")),
}
"""What a step calls in each of its parts, where it is looked up; none of them calls another."""
AROUND = "Python around"


def show_profile(works: Mapping[int, Work], rounds: int) -> None:
    """Print microseconds of CPU time per step, and what its parts take of them."""
    print("CPU time of a training step of Ballast, in microseconds, and where it goes")
    print(f"{'units':>5} {'kernel':<6}{'step':>7}" + "".join(f"{part:>20}" for part in (*CALLED, AROUND)))
    for units, work in works.items():
        for kernel in KERNELS:
            spent = profile(work, kernel, rounds)
            whole = sum(spent.values())
            cells = "".join(f"{f'{1e6 * took:.0f} ({took / whole:.1%})':>20}" for took in spent.values())
            print(f"{units:>5} {kernel:<6}{1e6 * whole:>7.0f}{cells}", flush=True)


def profile(work: Work, kernel: KernelName, rounds: int) -> dict[str, float]:
    """CPU seconds per step by part, of the cheapest of so many epochs after one that warms up."""
    ballast = Ballast(work, kernel)
    epochs = [parts_of(ballast.task) for _ in range(1 + rounds)][1:]
    cheapest = min(epochs, key=lambda parts: sum(parts.values()))
    return {part: seconds / work.steps for part, seconds in cheapest.items()}


def parts_of(epoch: Task) -> dict[str, float]:
    """CPU seconds of one epoch in each of the parts, without what the clocks themselves take."""
    clocks = {part: Clock() for part in CALLED}
    with ExitStack() as patched:
        for part, calls in CALLED.items():
            for owner, name in calls:
                patched.enter_context(patch.object(owner, name, clocks[part].around(getattr(owner, name))))
        whole = epoch.seconds()
    parts = {part: clock.seconds for part, clock in clocks.items()}
    ticking = sum(clock.calls for clock in clocks.values()) * cost_of_clock()
    return {**parts, AROUND: whole - sum(parts.values()) - ticking}


@dataclass
class Clock:
    """CPU seconds spent in the calls that it was put around, and how many these were."""

    seconds: float = 0.0
    calls: int = 0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed; a plain function, so that it binds as a method does."""

        def timed(*given: Any, **named: Any) -> Any:
            began = time.process_time()
            answer = call(*given, **named)
            self.seconds += time.process_time() - began
            self.calls += 1
            return answer

        return timed


def cost_of_clock() -> float:
    """CPU seconds that a clock adds outside of what it shows."""
    clock, calls = Clock(), 2000
    whole = Task(repeated(clock.around(int)), calls).seconds()
    return whole - clock.seconds / calls
