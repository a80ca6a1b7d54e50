"""Reaches into a learner's kernel, whichever it is: its outputs, its loss, its gradients, its averages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from trainer.kernels import compiled
from trainer.kernels.workspace import Workspace
from trainer.losses import SquaredError
from trainer.training.learner import Learner

Change = Callable[[Tensor], Tensor]


@contextmanager
def gradient(learner: Learner, parameter: str, change: Change) -> Iterator[None]:
    """The gradient of one parameter is changed on its way back."""
    weight = learner.model.get_parameter(parameter)
    if learner.kernel.name == "torch":
        hook = weight.register_hook(change)  # type: ignore[no-untyped-call]
        yield
        hook.remove()
        return

    def spoil(*arguments: Any) -> None:
        assert weight.grad is not None, "the compiled kernel has one for every parameter"
        weight.grad.copy_(change(weight.grad))

    with _after("backward", spoil):
        yield


@contextmanager
def output(learner: Learner, change: Change) -> Iterator[None]:
    """All forecasts are changed before anybody has seen them."""
    if learner.kernel.name == "torch":
        hook = learner.model.register_forward_hook(lambda model, inputs, out: change(out))
        yield
        hook.remove()
        return

    def spoil(flat: Any, x: Any, work: Workspace) -> None:
        work.out[:] = change(torch.from_numpy(work.out)).numpy()

    with _after("forward", spoil):
        yield


@contextmanager
def loss(learner: Learner, added: float) -> Iterator[None]:
    """The loss is another number, and its gradients what they were; in the validation pass too."""

    class Raised(SquaredError):
        def value(self, forecast: Any, target: Any) -> Any:
            return super().value(forecast, target) + added

    def changed_too(y: Any, work: Workspace) -> tuple[float, float]:
        value, largest = genuine(y, work)
        return value + added, largest

    genuine = compiled.squared_error
    of_kernel = (
        patch.object(learner.kernel, "loss", Raised())
        if learner.kernel.name == "torch"
        else patch.object(compiled, "squared_error", changed_too)
    )
    with patch.object(learner, "metric", Raised()), of_kernel:
        yield


def averages(learner: Learner, parameter: str) -> dict[str, Tensor]:
    """The moving averages of one parameter by name, live."""
    made = learner.kernel.averages()
    if parameter not in made:
        _as_in_its_first_step(learner, parameter)
        made = learner.kernel.averages()
    return dict(zip(("exp_avg", "exp_avg_sq"), made[parameter][-2:], strict=True))


def _as_in_its_first_step(learner: Learner, parameter: str) -> None:
    """PyTorch's optimiser makes its averages when they are first needed."""
    kernel: Any = learner.kernel
    weight = learner.model.get_parameter(parameter)
    kernel._optimizer.state[weight] = {
        "step": torch.zeros((), device=weight.device),
        "exp_avg": torch.zeros_like(weight),
        "exp_avg_sq": torch.zeros_like(weight),
    }


@contextmanager
def _after(name: str, what: Callable[..., None]) -> Iterator[None]:
    """`what` is called after each call of a compiled function, with its arguments."""
    genuine = getattr(compiled, name)

    def both(*arguments: Any) -> Any:
        answer = genuine(*arguments)
        what(*arguments)
        return answer

    with patch.object(compiled, name, both):
        yield
