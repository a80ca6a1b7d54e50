"""Gathers batches of windows from tensors on the device. Only the windows of one batch are copied."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainer.config import BatchesName
from trainer.data.arrays import Rows
from trainer.data.weights import forgetting_weights
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
    weights: Tensor | None = None
    """How much each window counts in the loss, (batch,); None if all count the same."""
    stands_for: int | None = None
    """The batch size that was asked for, if whole dates make up the batch; None if it has that size."""

    @property
    def size(self) -> int:
        """The batch size that the batch was made for."""
        return len(self.rows) if self.stands_for is None else self.stands_for


class Batches:
    """The data of one fold on its device. Rows are positions in its Dataset; row t's window ends at t."""

    def __init__(
        self,
        data: Dataset,
        device: torch.device,
        drawn_from: BatchesName = "rows",
        half_life: float | None = None,
    ) -> None:
        # Rows are made contiguous: gathering from an array stored by columns takes four times as long.
        self._features = torch.from_numpy(data.features).to(device).contiguous()  # (T, features)
        self._back = torch.arange(1 - data.seq_len, 1, device=device)[:, None]  # (seq_len, 1)
        self._target = torch.from_numpy(data.target).to(device)  # (T,)
        # Tested once, because the data never changes: for each batch it costs twice as much as all other
        # signals of a step.
        self._finite = bool(torch.isfinite(self._features).all() & torch.isfinite(self._target).all())
        weights = forgetting_weights(data.weights, data.times, data.train, half_life)
        self._weights = None if weights is None else torch.from_numpy(weights).to(device)
        self._dates = _Dates(data.train, data.times) if drawn_from == "times" else None
        self._train = torch.from_numpy(data.train).to(device)
        self._validation = torch.from_numpy(data.validation).to(device)
        self._test = torch.from_numpy(data.test).to(device)

    def per_epoch(self, batch_size: int) -> int:
        """Number of batches that `shuffled` yields."""
        if self._dates is not None:
            return math.ceil(len(self._dates) / self._dates.per_batch(batch_size))
        return math.ceil(len(self._train) / batch_size)

    def shuffled(self, batch_size: int) -> Iterator[Batch]:
        """One epoch of training rows in random order; the last batch may be short. Of whole dates, a batch
        has as many rows as its dates have.
        """
        if self._dates is not None:
            rows = (part.to(self._train.device) for part in self._dates.shuffled(batch_size))
            stands_for = min(batch_size, len(self._train))
            return (replace(self._gather(part), stands_for=stands_for) for part in rows)
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
        weights = None if self._weights is None else self._weights[rows]
        return Batch(x, self._target[rows], rows, self._finite, weights)


class _Dates:
    """The distinct times of the training rows, and the rows at each."""

    def __init__(self, train: Rows, times: npt.NDArray[np.datetime64]) -> None:
        order = np.argsort(times[train], kind="stable")
        _, counts = np.unique(times[train], return_counts=True)
        self._rows = torch.from_numpy(train[order])  # by time, and those of one time by series
        self._counts = torch.from_numpy(counts)
        self._firsts = self._counts.cumsum(0) - self._counts

    def __len__(self) -> int:
        return len(self._counts)

    def per_batch(self, batch_size: int) -> int:
        """How many dates have `batch_size` rows on average, at least 1."""
        return max(1, round(batch_size * len(self) / len(self._rows)))

    def shuffled(self, batch_size: int) -> Iterator[Tensor]:
        """The training rows of one epoch, batch by batch; the dates are in random order."""
        for dates in torch.split(torch.randperm(len(self)), self.per_batch(batch_size)):
            counts = self._counts[dates]
            # The n-th row of a date stands n behind its first.
            ends = counts.cumsum(0)
            behind = torch.arange(int(ends[-1])) - (ends - counts).repeat_interleave(counts)
            yield self._rows[self._firsts[dates].repeat_interleave(counts) + behind]
