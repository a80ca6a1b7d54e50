"""Gathers batches of windows from tensors on the device. Only the windows of one batch are copied."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.data.windows import Dataset

_EVALUATION_ROWS = 1024
"""Windows per forward pass of an evaluation. It bounds memory and does not influence training."""


@dataclass(frozen=True)
class Batch:
    """Windows x (seq_len, batch, features), targets y (batch,), and the row at which each ends."""

    x: Tensor
    y: Tensor
    rows: Tensor
    known_finite: bool
    """Whether all data of the fold is finite. It is tested once, so that no step needs to test its batch."""


class Batches:
    """The data of one fold on its device. Rows are positions in its Dataset; row t's window ends at t."""

    def __init__(self, data: Dataset, device: torch.device) -> None:
        # Rows are made contiguous: gathering from an array stored by columns takes four times as long.
        self._features = torch.from_numpy(data.features).to(device).contiguous()  # (T, features)
        self._back = torch.arange(1 - data.seq_len, 1, device=device)[:, None]  # (seq_len, 1)
        self._target = torch.from_numpy(data.target).to(device)  # (T,)
        # Tested once, because the data never changes: for each batch it costs twice as much as all other
        # signals of a step.
        self._finite = bool(torch.isfinite(self._features).all() & torch.isfinite(self._target).all())
        self._train = torch.from_numpy(data.train).to(device)
        self._validation = torch.from_numpy(data.validation).to(device)
        self._test = torch.from_numpy(data.test).to(device)

    def per_epoch(self, batch_size: int) -> int:
        """Number of batches that `shuffled` yields."""
        return math.ceil(len(self._train) / batch_size)

    def shuffled(self, batch_size: int) -> Iterator[Batch]:
        """One epoch of training rows in random order; the last batch may be short."""
        order = torch.randperm(len(self._train)).to(self._train.device)
        return map(self._gather, torch.split(self._train[order], batch_size))

    def training(self) -> Iterator[Batch]:
        """The training rows in time order."""
        return map(self._gather, torch.split(self._train, _EVALUATION_ROWS))

    def validation(self) -> Iterator[Batch]:
        """The validation rows in time order."""
        return map(self._gather, torch.split(self._validation, _EVALUATION_ROWS))

    def test(self) -> Iterator[Batch]:
        """The test rows in time order."""
        return map(self._gather, torch.split(self._test, _EVALUATION_ROWS))

    def _gather(self, rows: Tensor) -> Batch:
        steps = (rows + self._back).view(-1)  # (seq_len * batch,): first the first row of every window
        x = self._features.index_select(0, steps).view(len(self._back), len(rows), -1)
        return Batch(x, self._target[rows], rows, self._finite)
