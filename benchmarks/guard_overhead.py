"""What the guard costs: training steps with it against the same steps without it, on real S&P 500 rows.

Run it with `python -m benchmarks.guard_overhead`; it takes about four minutes and exits with 1 where the goal
is missed under one of the kernels. Three trainers take turns on every single batch in one process, so that
whatever else the machine does meets all of them: guarded, bare, and a second bare one whose ratio to the
first shows the noise. CPU time is compared, not wall time; the cutting of the batch counts for none. A round
is an epoch, its figure the ratio of the median step times. All three must end each round with the same
weights to the bit.
"""

import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from benchmarks.market import SP500
from trainer.config import DataConfig, KernelName, TrialConfig
from trainer.data.source import read_table
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.kernels.kernel import Pass
from trainer.kernels.torch_kernel import TorchKernel
from trainer.models.network import flat_copy
from trainer.runtime import reproducible
from trainer.training.batches import Batch, Batches
from trainer.training.guard import detect_step
from trainer.training.learner import Learner

GOAL = 0.02
"""Share of a bare step's CPU time that the guard may add."""
UNITS = (16, 32, 64)
ROUNDS = 21
WARM_UP = 2

KERNELS: tuple[KernelName, ...] = ("torch", "fused")
CPU = torch.device("cpu")
UNREAD = Pass(math.nan, math.nan, math.nan)

DATA = DataConfig.model_validate(SP500)

Step = Callable[[Batch], None]


class BareTorch(TorchKernel):
    """What a trainer without a guard does: it clips, and reads nothing back from the tensors."""

    def backward(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Pass:
        """Forward and backward pass; what they say is not asked for."""
        self._model.train()
        self._optimizer.zero_grad(set_to_none=True)
        loss = mse_loss(self._model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        self._norm = torch.nn.utils.get_total_norm([p.grad for p in self._parameters if p.grad is not None])
        return UNREAD


class BareLearner(Learner):
    """A learner whose signals nobody looks at; the compiled kernel has them as numbers anyway."""

    def __init__(self, n_features: int, config: TrialConfig, device: torch.device) -> None:
        super().__init__(n_features, config, device)
        if config.training.kernel == "torch":
            self.kernel = BareTorch(self.model, config, self.loss)

    def step(self, batch: Batch) -> None:
        """Forward, backward, clip, update."""
        self.kernel.backward(batch.x, batch.y, batch.weights)
        self.apply()


def step_of(learner: Learner, config: TrialConfig) -> Step:
    """A step as `trainer.training.train_fold` makes it; raises RuntimeError at a finding, because
    less work is done then.
    """
    if isinstance(learner, BareLearner):
        return learner.step

    def step(batch: Batch) -> None:
        detection = detect_step(learner.backward(batch), config.guard, learner.step_limits)
        if detection is not None:
            raise RuntimeError(f"a step was skipped, so nothing can be compared: {detection.message}")
        learner.apply()

    return step


def compare(units: int, kernel: KernelName, data: Dataset) -> tuple[list[float], list[float], float]:
    """Ratios guarded/bare and bare/bare of each round, and milliseconds of CPU time per bare step."""
    gru = {"hidden_size": units, "batch_size": 32, "learning_rate": 1e-3}
    config = TrialConfig.model_validate(
        {"data": DATA, "models": {"gru": gru}, "training": {"kernel": kernel}}
    )
    with reproducible(0):
        rounds = [one_round(config, data, number % 3) for number in range(WARM_UP + ROUNDS)][WARM_UP:]
    per_step = 1e3 * statistics.median(off for _, off, _ in rounds)
    return [on / off for on, off, _ in rounds], [again / off for _, off, again in rounds], per_step


def seeded(kind: type[Learner], n_features: int, config: TrialConfig) -> Learner:
    """A learner whose initial weights are those of any other made here."""
    torch.manual_seed(0)
    return kind(n_features, config, CPU)


def one_round(config: TrialConfig, data: Dataset, first: int) -> list[float]:
    """Median CPU seconds of the steps of each trainer in one epoch; who begins changes from batch to batch.

    The trainers are new in each round and made in another order, `first` first: where their weights lie in
    memory alone is worth one or two per cent. Raises RuntimeError where they do not end with the same bits.
    """
    kinds = (Learner, BareLearner, BareLearner)
    turns = [(first + turn) % len(kinds) for turn in range(len(kinds))]
    made = {who: seeded(kinds[who], data.features.shape[1], config) for who in turns}
    steps = {who: step_of(learner, config) for who, learner in made.items()}
    seconds: list[list[float]] = [[] for _ in kinds]
    for batch in Batches(data, CPU).shuffled(config.models.gru.batch_size):
        for who in turns:
            began = time.process_time()
            steps[who](batch)
            seconds[who].append(time.process_time() - began)
        turns.append(turns.pop(0))
    if len({flat_copy(learner.model).numpy().tobytes() for learner in made.values()}) != 1:
        raise RuntimeError("the guard changed the weights; it must only watch")
    return [statistics.median(of_one) for of_one in seconds]


def main() -> int:
    """Print the table and the verdict; 0 where every median is within the goal."""
    data = prepare_last_fold(DATA, read_table(DATA, folder=Path()))
    print(f"{ROUNDS} epochs of {len(data.train)} windows of {DATA.seq_len} rows, batches of 32, CPU time")
    print(
        f"{'kernel':<6} {'units':>5} {'ms/step':>8} {'guard':>8} {'quartiles':>19} {'noise':>8} "
        f"{'quartiles':>19}"
    )
    medians = []
    for kernel in KERNELS:
        for units in UNITS:
            guard, noise, per_step = compare(units, kernel, data)
            print(f"{kernel:<6} {units:>5} {per_step:>8.3f} {told(guard)} {told(noise)}", flush=True)
            medians.append(statistics.median(guard) - 1)
    reached = max(medians) <= GOAL
    print(f"goal: the guard adds at most {GOAL:.0%} of step time: {'reached' if reached else 'missed'}")
    return 0 if reached else 1


def told(ratios: list[float]) -> str:
    """Median and quartiles of what is added, in per cent."""
    low, middle, high = (f"{100 * (ratio - 1):+.2f} %" for ratio in statistics.quantiles(ratios, n=4))
    return f"{middle:>8} {low + ' to ' + high:>19}"


if __name__ == "__main__":
    sys.exit(main())
