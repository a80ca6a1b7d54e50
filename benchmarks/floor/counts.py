"""What one epoch must compute and move at the least: products, gates, optimiser, bytes. Pure.

The model is trainer.models.network's GRU with one layer and a head of one output, trained with AdamW and
clipping, in float32. With batch B, steps T, features F, units H: the hidden state starts at zero, so the
recurrent products of the first step are with zeros and are not counted, nor is the gradient of the windows,
which nobody asks for.
"""

from dataclasses import dataclass

FLOAT = 4
"""Bytes of a float32."""
GATES = 3
ACTIVATIONS = 3
"""Per unit, window and step: two sigmoids and a tanh."""
TANH = 23
"""Operations of a rational tanh: 2 bounds, 1 square, 6 + 3 multiply-adds, 1 product, 1 division."""
SIGMOID_EXTRA = 3
"""A sigmoid is 0.5 + 0.5 · tanh(0.5 · x)."""
FORWARD_ELEMENTS = 11
"""Per unit, window and step, beside activations: four sums with biases, two of both parts of r and z,
two operations to weigh and add the recurrent part of n, three for n + z · (h − n).
"""
BACKWARD_ELEMENTS = 20
"""Per unit, window and step: five for the gradient of n, four each for those of z and r, one for n's part of
the state before, two for that state, and four sums for the gradients of the biases.
"""
OPTIMISER_ELEMENTS = 17
"""Per weight: 2 for the norm, 1 for clipping; AdamW: 1 decay, 3 + 4 averages, 3 root and ε, 3 update."""
SAVED = 5
"""Numbers per unit, window and step that backward needs: h, r, z, n and the recurrent part of n."""


@dataclass(frozen=True)
class Work:
    """The shape of one epoch of training."""

    units: int
    windows: int = 2048
    seq_len: int = 30
    batch: int = 32
    features: int = 5

    @property
    def steps(self) -> int:
        """Optimiser steps of the epoch; every batch is full."""
        return self.windows // self.batch

    @property
    def weights(self) -> int:
        """Of the GRU, its two bias vectors and the head."""
        gates = GATES * self.units
        return gates * (self.features + self.units + 2) + self.units + 1


@dataclass(frozen=True)
class Product:
    """An (m × k) · (k × n) product that one training step needs `times` times, one after the other."""

    name: str
    m: int
    k: int
    n: int
    times: int = 1

    @property
    def multiply_adds(self) -> int:
        """Of all `times`."""
        return self.m * self.k * self.n * self.times


def products(work: Work) -> tuple[Product, ...]:
    """All matrix products of one training step, each joined over time as far as the recurrence lets it."""
    batch, units, gates = work.batch, work.units, GATES * work.units
    every, later = batch * work.seq_len, work.seq_len - 1
    return (
        Product("input", every, work.features, gates),
        Product("recurrence", batch, units, gates, times=later),
        Product("recurrence, backward", batch, gates, units, times=later),
        Product("recurrent weights", gates, batch * later, units),
        Product("input weights", gates, every, work.features),
        Product("head", batch, units, 1),
        Product("head, backward", batch, 1, units),
        Product("head weights", 1, batch, units),
    )


@dataclass(frozen=True)
class Counts:
    """Of one epoch. `product_flops` counts a multiply-add as two operations."""

    product_flops: int
    activations: int
    element_flops: int
    """All elementwise operations: gates with their activations written out, clipping and optimiser."""
    bytes: int


def count(work: Work) -> Counts:
    """What an epoch of `work` must do.

    Bytes are those of perfect fusion, where each number is touched once in each place that needs it: the
    windows are read; what backward needs is written once and read once; weight, gradient and both averages
    are written and read once each.
    """
    cells = work.batch * work.seq_len * work.units
    activations = ACTIVATIONS * cells
    elements = (
        TANH * activations
        + SIGMOID_EXTRA * (ACTIVATIONS - 1) * cells
        + (FORWARD_ELEMENTS + BACKWARD_ELEMENTS) * cells
        + OPTIMISER_ELEMENTS * work.weights
    )
    moved = work.batch * work.seq_len * work.features + 2 * SAVED * cells + 2 * 4 * work.weights
    return Counts(
        product_flops=work.steps * 2 * sum(product.multiply_adds for product in products(work)),
        activations=work.steps * activations,
        element_flops=work.steps * elements,
        bytes=work.steps * FLOAT * moved,
    )
