"""The memory that the compiled kernel writes to: allocated once for each shape of batch, then used again.

Shapes: S steps, B windows, H units, L layers.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

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
    """(B,): the forecasts."""
    d_out: Array
    """(B,): the gradient of the loss with respect to them."""


def workspace(
    shape: tuple[int, int],
    hidden: int,
    layers: int,
    *,
    dropout: bool,
    backward: bool,
    dtype: type = np.float32,
) -> Workspace:
    """Memory for batches of `shape` (S, B). `backward` says whether backward passes follow."""
    (steps, batch), inner = shape, layers - 1

    def room(*lengths: int) -> Array:
        return np.zeros(lengths, dtype)

    return Workspace(
        hidden=room(layers, steps + 1, batch, hidden),
        gates=room(layers, steps if backward else 1, batch, 4 * hidden),
        masks=room(inner if dropout else 0, steps, batch, hidden),
        last_mask=room(batch if dropout else 0, hidden),
        dropped=room(inner if dropout else 0, steps, batch, hidden),
        projected=room(steps, batch, GATES * hidden),
        recurrent=room(steps if backward else 1, batch, GATES * hidden),
        above=room(steps if backward and inner else 0, batch, hidden),
        turned=room(hidden, GATES * hidden),
        state=room(2, batch, hidden),
        out=room(batch),
        d_out=room(batch),
    )
