"""Epochs of training on S&P 500 rows: Ballast's own, by each of its kernels, and an expert's plain loop."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import torch

from benchmarks.floor.counts import Work
from benchmarks.floor.timing import Task, repeated
from benchmarks.peer_loops import expert
from benchmarks.peer_loops.work import DATA, Configuration
from benchmarks.peer_loops.work import Work as PeerWork
from trainer.config import DataConfig, KernelName, TrialConfig
from trainer.data.source import read_table
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.rivals.skill import Baseline
from trainer.runtime import reproducible
from trainer.training.batches import Batches
from trainer.training.learner import Learner
from trainer.training.train_fold import train_fold
from trainer.training.training_state import Fold, TrainingState

KERNELS: tuple[KernelName, ...] = ("torch", "fused")
EXPERT = "expert"
LEARNING_RATE = 1e-3


def epoch_tasks(work: Work) -> dict[str, Task]:
    """One epoch of each who trains, by name."""
    return {
        EXPERT: Task(repeated(expert_epoch(work))),
        **{kernel: Ballast(work, kernel).task for kernel in KERNELS},
    }


class Ballast:
    """A trial in the middle: an epoch is `trainer.training.train_fold.train_fold`, with the guard and all
    that it asks.

    It goes on with the weights that it has.
    """

    def __init__(self, work: Work, kernel: KernelName) -> None:
        config, data, device = settings(work, kernel), dataset(work), torch.device("cpu")
        torch.manual_seed(0)
        learner = Learner(work.features, config, device)
        self._fold = Fold(0, data, learner, Batches(data, device))
        self._trial = TrainingState(config, (self._fold,), Baseline("none", math.inf), ceiling=math.inf)

    @property
    def task(self) -> Task:
        """One epoch, within what surrounds a trial."""
        return Task(repeated(self._epoch), within=partial(reproducible, 0))

    def _epoch(self) -> None:
        """Train once on every window; RuntimeError where a step was skipped, for then less work is done."""
        done = train_fold(self._trial, self._fold, 0, lambda: False)
        if done.skipped:
            raise RuntimeError(f"{done.skipped} steps were skipped, so nothing can be compared")


def expert_epoch(work: Work) -> Callable[[], object]:
    """What `benchmarks.peers` has an expert write, for one epoch, with the validation of a single window."""
    data = dataset(work)
    windows = torch.from_numpy(data.features).unfold(0, work.seq_len, 1).transpose(1, 2)
    x = windows[
        torch.from_numpy(data.train) - (work.seq_len - 1)
    ].contiguous()  # (windows, seq_len, features)
    y = torch.from_numpy(data.target[data.train])
    torch.manual_seed(0)
    return partial(
        expert.train,
        Configuration(work.units, LEARNING_RATE),
        PeerWork(configurations=(), epochs=1, batch_size=work.batch, seq_len=work.seq_len, data={}),
        expert.Resident(x, y, x[:1], y[:1]),
        lambda loss, epoch: None,
    )


@cache
def dataset(work: Work) -> Dataset:
    """The last training rows of the series, as many as `work` has windows."""
    config = settings(work, KERNELS[0]).data
    data = prepare_last_fold(config, read_table(config, folder=Path()))
    return replace(data, train=data.train[-work.windows :])


def settings(work: Work, kernel: KernelName) -> TrialConfig:
    """Of a trial of this shape; what is not said is Ballast's default."""
    features = DATA["features"][: work.features]
    gru = {"hidden_size": work.units, "batch_size": work.batch, "learning_rate": LEARNING_RATE}
    return TrialConfig.model_validate(
        {
            "data": DataConfig.model_validate({**DATA, "features": features, "seq_len": work.seq_len}),
            "models": {"gru": gru},
            "training": {"kernel": kernel},
        }
    )
