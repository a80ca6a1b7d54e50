"""The faults themselves: each breaks one thing of a trial, in one step or for good.

A fault works on the batch on its way to the learner (`corrupt`), or on the learner while it computes
(`around`). Those that stay behind when the moment is over are `lasting`.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.faults import tamper
from trainer.training.batches import Batch
from trainer.training.learner import Learner

ITEM, FEATURE = 1, 1
"""The window of the batch, and the feature in its last row, that a fault of one cell strikes."""
INPUT, TARGET = "input", "target"
WEIGHT, BIAS = "gru.weight_hh_l0", "gru.bias_ih_l0"


@dataclass(frozen=True)
class Fault:
    """Something that breaks; this one breaks nothing."""

    name: str = "nothing"
    harmless: str | None = None
    """What makes an ordinary step of it, where no finding is to be expected."""
    lasting: bool = False
    in_validation: bool = True
    """Whether a pass without gradients and updates can have it."""

    def corrupt(self, batch: Batch) -> Batch:
        """The batch as the learner is to see it; the tensors of `batch` are copies and may be changed."""
        return batch

    def around(self, learner: Learner) -> AbstractContextManager[None]:
        """A context in which the learner computes."""
        return nullcontext()

    @property
    def victim(self) -> str | None:
        """What a finding must name: a parameter, or `INPUT` or `TARGET` for the cell of the batch."""
        return None


@dataclass(frozen=True)
class BadCell(Fault):
    """One feature of the last row of one window."""

    value: float = 0.0

    def corrupt(self, batch: Batch) -> Batch:
        """Only this batch's copy is changed: the table stays finite, so that no step looks at its inputs."""
        batch.x[-1, ITEM, FEATURE] = self.value
        return batch

    @property
    def victim(self) -> str:
        """The cell."""
        return INPUT


@dataclass(frozen=True)
class BadTarget(Fault):
    """One target."""

    value: float = 0.0

    def corrupt(self, batch: Batch) -> Batch:
        """In this batch alone."""
        batch.y[ITEM] = self.value
        return batch

    @property
    def victim(self) -> str:
        """The cell."""
        return TARGET


@dataclass(frozen=True)
class Flat(Fault):
    """A batch of one value: in all inputs, or all targets, or both."""

    x: float | None = None
    y: float | None = None

    def corrupt(self, batch: Batch) -> Batch:
        """As told."""
        return replace(
            batch,
            x=batch.x if self.x is None else torch.full_like(batch.x, self.x),
            y=batch.y if self.y is None else torch.full_like(batch.y, self.y),
        )


@dataclass(frozen=True)
class BadWeight(Fault):
    """The first element of a parameter, for good."""

    lasting: bool = True
    parameter: str = WEIGHT
    value: float = 0.0

    @contextmanager
    def around(self, learner: Learner) -> Iterator[None]:
        """Broken before the forward pass."""
        learner.model.get_parameter(self.parameter).data.view(-1)[0] = self.value
        yield

    @property
    def victim(self) -> str:
        """The parameter."""
        return self.parameter


@dataclass(frozen=True)
class BadGradient(Fault):
    """The first element, or all elements, of the gradient of a parameter."""

    in_validation: bool = False
    parameter: str = WEIGHT
    value: float = 0.0
    whole: bool = False

    @contextmanager
    def around(self, learner: Learner) -> Iterator[None]:
        """Broken on its way back."""

        def spoil(gradient: Tensor) -> Tensor:
            spoilt = gradient.clone()
            spoilt.view(-1)[slice(None) if self.whole else slice(1)] = self.value
            return spoilt

        with tamper.gradient(learner, self.parameter, spoil):
            yield

    @property
    def victim(self) -> str:
        """The parameter."""
        return self.parameter


@dataclass(frozen=True)
class BadLoss(Fault):
    """The loss, by adding to it: its gradients stay finite, so that nothing else tells."""

    value: float = 0.0

    def around(self, learner: Learner) -> AbstractContextManager[None]:
        """Another function for the loss."""
        return tamper.loss(learner, self.value)


@dataclass(frozen=True)
class BadOutput(Fault):
    """Every output, by adding to it."""

    value: float = 0.0

    def around(self, learner: Learner) -> AbstractContextManager[None]:
        """Added behind the head."""
        return tamper.output(learner, lambda out: out + self.value)


@dataclass(frozen=True)
class BadRate(Fault):
    """The learning rate, in the optimiser itself, past every clamp."""

    lasting: bool = True
    in_validation: bool = False
    value: float = 0.0

    @contextmanager
    def around(self, learner: Learner) -> Iterator[None]:
        """Changed before the forward pass, so that the read-back of the first step sees it."""
        learner.lr = self.value
        yield


@dataclass(frozen=True)
class BadMoment(Fault):
    """The first element of a moving average of the optimiser; before its first step it has none."""

    lasting: bool = True
    in_validation: bool = False
    average: str = "exp_avg"
    value: float = 0.0

    @contextmanager
    def around(self, learner: Learner) -> Iterator[None]:
        """Broken before the update of this step, which makes a NaN weight of a NaN average."""
        tamper.averages(learner, WEIGHT)[self.average].view(-1)[0] = self.value
        yield

    @property
    def victim(self) -> str:
        """The parameter whose average it is."""
        return WEIGHT
