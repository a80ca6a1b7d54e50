"""The floors of an epoch: what it must do, divided by what this machine can do. Pure."""

from dataclasses import dataclass

from benchmarks.floor.counts import Counts, Work, count
from benchmarks.floor.rates import Rates


@dataclass(frozen=True)
class Floors:
    """CPU seconds below which one epoch cannot come, by how much of it is counted."""

    arithmetic: float
    """max(operations of all products / rate of a large product, bytes / bandwidth of cached arrays).

    The larger and not the sum: a processor computes while it loads, so that neither alone can be beaten, but
    their sum can (the roofline: Williams, Waterman and Patterson 2009). This is the floor that the goal is
    told against.
    """
    both: float
    """Their sum instead."""
    memory: float
    """The larger again, with every byte from main memory: what is written goes out of the caches at once."""
    own_shapes: float
    """Products at the rates of their own shapes, as narrow as the batch and one after the other."""
    elements: float
    """Products at the rate of a large one, then gates, clipping and optimiser: one unit computes both."""


def floors(work: Work, rates: Rates) -> Floors:
    """All floors of an epoch of `work` on a machine with these rates."""
    counts: Counts = count(work)
    products, cached = counts.product_flops / rates.product, counts.bytes / rates.cached
    return Floors(
        arithmetic=max(products, cached),
        both=products + cached,
        memory=max(products, counts.bytes / rates.memory),
        own_shapes=work.steps * rates.own_shapes[work.units],
        elements=products + counts.element_flops / rates.element,
    )
