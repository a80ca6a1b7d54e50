"""The interface of the kernels, which compute a training step."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, Self

from torch import Tensor

from trainer.config import KernelName
from trainer.losses import Loss


class Pass(NamedTuple):
    """The signals of a forward and a backward pass; they may be NaN or infinite."""

    loss: float
    output_max: float
    grad_norm: float
    """L2 norm of all gradients together, before clipping."""


class Kernel(Protocol):
    """Forward pass, backward pass and update of one model: everything that a step computes.

    Every kernel reads and updates the model's own parameters and gradients.
    """

    name: KernelName
    loss: Loss
    """What `backward` computes, in the unit of the data."""
    lr: float
    max_grad_norm: float

    @property
    def weight_decay(self) -> float:
        """The weight decay that the update uses."""

    def backward(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Pass:
        """Compute gradients for windows x (seq_len, batch, features), targets y (batch,); update nothing.

        The loss is the mean over the batch of each window's loss times its weight (batch,), without weights
        of its loss alone.
        """

    def apply(self, factor: float) -> None:
        """Clip the gradients of the last `backward` to `max_grad_norm` and update the weights.

        The learning rate of the update is `factor` · `lr`.
        """

    def forecast(self, x: Tensor) -> Tensor:
        """Forecasts (batch,) of windows x (seq_len, batch, features), without dropout and gradients; of
        several outputs (batch, outputs), as the head gives them.
        """

    def averages(self) -> Mapping[str, tuple[Tensor, ...]]:
        """The optimiser's moving averages by parameter, not copied; only those that exist already."""

    def share_workspace(self, other: Self) -> None:
        """Use the working memory of `other`, a kernel of the same shape that computes at other times."""

    def state(self) -> dict[str, Any]:
        """A copy of everything that `apply` changes except the weights, in tensors and plain containers."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Return to `state`; the learning rate stays."""
