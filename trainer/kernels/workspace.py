"""The memory that the compiled kernel writes to: allocated once for the largest batch, then used again.

Shapes: S steps, B windows, H units, L layers.
"""

from math import prod
from operator import lt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_NONE = [np.zeros(0, np.float32)]
GATES = 3
"""A cell stacks the weights of its reset, update and new gates."""


class Workspace(NamedTuple):
    """What a forward pass leaves for the backward pass, and memory for both."""

    hidden: Array
    """(L, S + 1, B, H): the state before each step and after the last; the first is zero."""
    gates: Array
    """(L, S, B, 4H): reset, update, new, and the new gate's hidden part before the reset gate weighs it.

    (L, 1, B, 4H) if no backward pass follows.
    """
    masks: Array
    """(L - 1, S, B, H): the factors of dropout on a layer's outputs; empty without dropout."""
    last_mask: Array
    """(B, H): the same for the last state."""
    dropped: Array
    """As `masks`: the inputs of the layers above the first."""
    projected: Array
    """(S, B, 3H): the inputs' part of the gates; in the backward pass its gradient."""
    recurrent: Array
    """(S, B, 3H): the gradient of the hidden part of the gates; (1, B, 3H) if no backward pass follows. The
    forward pass keeps the hidden part of one step in its first step."""
    above: Array
    """(S, B, H): the gradient that reaches a layer's states from the layer above; empty with one layer."""
    turned: Array
    """(H, 3H): a layer's recurrent weights transposed, which makes a small product twice as fast."""
    state: Array
    """(2, B, H): the gradient of the state, directly and through the gates."""
    out: Array
    """(B · O,): the forecasts, O outputs of each window."""
    d_out: Array
    """(B · O,): the gradient of the loss with respect to them."""


def workspace(
    shape: tuple[int, int],
    hidden: int,
    layers: int,
    *,
    dropout: bool,
    backward: bool,
    outputs: int = 1,
    dtype: type = np.float32,
) -> Workspace:
    """Memory for batches of `shape` (S, B). `backward` says whether backward passes follow."""
    lengths = _lengths(shape, hidden, layers, outputs, dropout=dropout, backward=backward)
    return Workspace(*(np.zeros(each, dtype) for each in lengths))


class Workspaces:
    """The workspaces of one model. Those of all batch sizes lie in the memory of the largest: batches of
    whole dates have hundreds of sizes.
    """

    def __init__(self, outputs: int = 1) -> None:
        self._outputs = outputs
        self._memory: dict[bool, list[Array]] = {}
        self._made: dict[tuple[tuple[int, int], bool], Workspace] = {}

    def of(
        self, shape: tuple[int, int], hidden: int, layers: int, *, dropout: bool, backward: bool
    ) -> Workspace:
        """As `workspace`, in float32; it holds until the next call."""
        key = (shape, backward)
        if key not in self._made:
            lengths = _lengths(shape, hidden, layers, self._outputs, dropout=dropout, backward=backward)
            sizes = [prod(each) for each in lengths]
            if any(map(lt, map(len, self._memory.get(backward, _NONE)), sizes)):
                self._memory[backward] = [np.zeros(size, np.float32) for size in sizes]
                self._made = {other: work for other, work in self._made.items() if other[1] != backward}
            parts = zip(self._memory[backward], lengths, strict=True)
            self._made[key] = Workspace(*(memory[: prod(each)].reshape(each) for memory, each in parts))
        work = self._made[key]
        work.hidden[:, 0] = 0  # other sizes have other numbers there
        return work

    @property
    def nbytes(self) -> int:
        """Bytes of all of them together."""
        return sum(each.nbytes for parts in self._memory.values() for each in parts)


def _lengths(
    shape: tuple[int, int], hidden: int, layers: int, outputs: int, *, dropout: bool, backward: bool
) -> tuple[tuple[int, ...], ...]:
    """The shape of each array of a workspace, in their order."""
    (steps, batch), inner = shape, layers - 1
    by_name: dict[str, tuple[int, ...]] = {
        "hidden": (layers, steps + 1, batch, hidden),
        "gates": (layers, steps if backward else 1, batch, 4 * hidden),
        "masks": (inner if dropout else 0, steps, batch, hidden),
        "last_mask": (batch if dropout else 0, hidden),
        "dropped": (inner if dropout else 0, steps, batch, hidden),
        "projected": (steps, batch, GATES * hidden),
        "recurrent": (steps if backward else 1, batch, GATES * hidden),
        "above": (steps if backward and inner else 0, batch, hidden),
        "turned": (hidden, GATES * hidden),
        "state": (2, batch, hidden),
        "out": (batch * outputs,),
        "d_out": (batch * outputs,),
    }
    return tuple(by_name[name] for name in Workspace._fields)
