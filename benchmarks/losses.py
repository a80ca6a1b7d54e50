"""Both kernels compute every loss alike, and none costs more than the squared error: on real S&P 500 rows.

Run it with `python -m benchmarks.losses`; it takes about two minutes and exits with 1 if a goal is missed.
The first table has, for each loss and kernel, the largest relative difference of the loss, of the gradient of
all weights and of the weights after an epoch from those of PyTorch. The second has the time of a training
step as a ratio to that of the squared error: learners of all losses take turns on every single batch, in an
order that moves on, so that whatever else the machine does meets all of them. CPU time is compared.
"""

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.market import SP500
from trainer.config import DataConfig, KernelName, TrialConfig
from trainer.data.source import read_table
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.losses import LOSSES
from trainer.models.network import flat_copy
from trainer.runtime import reproducible
from trainer.training.batches import Batch, Batches
from trainer.training.learner import Learner, TrialLosses

GOAL = 1.10
"""The highest ratio of a loss's step time to that of the squared error."""
CLOSE = 1e-5
"""The largest relative difference of a first step between the kernels; rounding in float32 gives 1e-6."""
UNITS, BATCH = 32, 32
ROUNDS, WARM_UP = 7, 1

KERNELS: tuple[KernelName, ...] = ("torch", "fused")
CPU = torch.device("cpu")
DATA = DataConfig.model_validate(SP500)


def learner_of(loss: str, kernel: KernelName, data: Dataset) -> Learner:
    """A learner whose initial weights are those of any other made here."""
    gru: dict[str, Any] = {"hidden_size": UNITS, "batch_size": BATCH, "learning_rate": 1e-3}
    config = TrialConfig.model_validate(
        {"data": DATA, "models": {"gru": gru}, "training": {"loss": loss, "kernel": kernel}}
    )
    torch.manual_seed(0)
    own = data.in_units(config.loss)
    return Learner(data.features.shape[1], config, CPU, TrialLosses(own, own))


def differences(loss: str, data: Dataset) -> list[float]:
    """Of the fused kernel from PyTorch's: loss and gradient of the first step, and weights after an epoch;
    largest, relative to the largest of PyTorch's.
    """
    told = []
    for kernel in KERNELS:
        learner, first = learner_of(loss, kernel, data), None
        torch.manual_seed(1)
        for batch in Batches(data, CPU).shuffled(BATCH):
            signals = learner.backward(batch)
            first = first or (torch.tensor(signals.loss), gradient(learner).clone())
            learner.apply()
        assert first is not None, "there are training rows"
        told.append([*first, flat_copy(learner.model)])
    return [float((b - a).abs().max() / a.abs().max()) for a, b in zip(*told, strict=True)]


def gradient(learner: Learner) -> Tensor:
    """All gradients in one vector."""
    return torch.cat([p.grad.reshape(-1) for p in learner.model.parameters() if p.grad is not None])


def one_round(kernel: KernelName, data: Dataset, first: int) -> dict[str, float]:
    """Median CPU seconds of a step of each loss in one epoch."""
    turns = [*LOSSES]
    turns = turns[first % len(turns) :] + turns[: first % len(turns)]
    learners = {loss: learner_of(loss, kernel, data) for loss in turns}
    seconds: dict[str, list[float]] = {loss: [] for loss in turns}
    for batch in Batches(data, CPU).shuffled(BATCH):
        for loss in turns:
            seconds[loss].append(step_time(learners[loss], batch))
        turns.append(turns.pop(0))
    return {loss: statistics.median(of_one) for loss, of_one in seconds.items()}


def step_time(learner: Learner, batch: Batch) -> float:
    """CPU seconds of forward pass, backward pass and update."""
    began = time.process_time()
    learner.backward(batch)
    learner.apply()
    return time.process_time() - began


def main() -> int:
    """Print both tables and the verdicts; 0 if both goals are reached."""
    data = prepare_last_fold(DATA, read_table(DATA, folder=Path()))
    with reproducible(0):
        print(f"the fused kernel against PyTorch, {UNITS} units, batches of {BATCH}, relative differences")
        print(f"{'loss':<8} {'first loss':>11} {'gradient':>9} {'weights after an epoch':>23}")
        found = {loss: differences(loss, data) for loss in LOSSES}
        for loss, (value, slope, weights) in found.items():
            print(f"{loss:<8} {value:>11.1e} {slope:>9.1e} {weights:>23.1e}", flush=True)
        same = max(max(each[:2]) for each in found.values()) <= CLOSE
        print(f"goal: first steps within {CLOSE:g}: {'reached' if same else 'missed'}")
        print(f"\ntime per step, {ROUNDS} epochs of {len(data.train)} windows, as a ratio to mse")
        print(f"{'kernel':<6} {'ms (mse)':>9} " + " ".join(f"{loss:>8}" for loss in LOSSES))
        slowest = 0.0
        for kernel in KERNELS:
            rounds = [one_round(kernel, data, number) for number in range(WARM_UP + ROUNDS)][WARM_UP:]
            usual = 1e3 * statistics.median(each["mse"] for each in rounds)
            ratios = {loss: statistics.median(r[loss] / r["mse"] for r in rounds) for loss in LOSSES}
            print(f"{kernel:<6} {usual:>9.3f} " + " ".join(f"{r:>8.3f}" for r in ratios.values()), flush=True)
            slowest = max(slowest, *ratios.values())
    fast = slowest <= GOAL
    print(f"goal: no loss takes more than {GOAL:g} times as long: {'reached' if fast else 'missed'}")
    return 0 if same and fast else 1


if __name__ == "__main__":
    sys.exit(main())
