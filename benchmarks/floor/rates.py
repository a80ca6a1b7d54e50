"""What this machine can do in a second on one thread: matrix products, bytes, elementwise arithmetic."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import TypeVar, cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from benchmarks.floor.counts import FLOAT, TANH, Product, Work, products
from benchmarks.floor.timing import Task, repeated

Array = NDArray[np.float32]
Key = tuple[str, ...]
"""What is measured, then with what and on what."""
Run = Callable[[int], object]
Function = TypeVar("Function", bound=Callable[..., object])

SQUARES = (512, 1024, 2048)
"""Sides of the large matrices; the best of them counts."""
PLACES = {"cached": 1 << 16, "memory": 1 << 24}
"""Floats in each array of a stream: 256 KiB, three of which fit a second-level cache of 1 MiB, and 64 MiB."""
HOT = 1 << 13
"""Floats in each array of the elementwise loop: 32 KiB."""
AT_LEAST = 1e8
"""Operations or bytes between two looks at the clock: about a millisecond."""
NUMERATOR = tuple(np.float32(3.0**-k) for k in range(7))
DENOMINATOR = tuple(np.float32(2.0**-k) for k in range(4))
"""As many coefficients as Eigen's tanh for float32 has; their values do not matter to the rate."""


@dataclass(frozen=True)
class Rates:
    """The best of all ways, in operations or bytes per second; a multiply-add is two operations."""

    product: float
    """Of large square matrices."""
    cached: float
    memory: float
    element: float
    """Elementwise, in a rational tanh over cached arrays."""
    own_shapes: Mapping[int, float]
    """By units: the seconds of all products of one step, each by the way that suits its shape best."""


def rate_tasks(works: Mapping[int, Work]) -> dict[Key, Task]:
    """All measurements of this module."""
    tasks: dict[Key, Task] = {}
    for side in SQUARES:
        for way, task in product_tasks(Product("square", side, side, side)).items():
            tasks["square", str(side), way] = task
    for units, work in works.items():
        for product in products(work):
            for way, task in product_tasks(product).items():
                tasks[product.name, str(units), way] = task
    for place, size in PLACES.items():
        tasks |= {("stream", place, name): task for name, task in stream_tasks(size).items()}
    tasks["elements",] = element_task()
    return tasks


def read_rates(seconds: Mapping[Key, float], works: Mapping[int, Work]) -> Rates:
    """From the best seconds of each of `rate_tasks`."""
    squares = (2 * side**3 / seconds["square", str(side), way] for side in SQUARES for way in WAYS)
    streams = {
        place: max(
            arrays * FLOAT * size / seconds["stream", place, name] for name, (_, arrays) in STREAMS.items()
        )
        for place, size in PLACES.items()
    }
    own_shapes = {
        units: sum(
            product.times * min(seconds[product.name, str(units), way] for way in WAYS)
            for product in products(work)
        )
        for units, work in works.items()
    }
    element = TANH * HOT / seconds["elements",]
    return Rates(max(squares), **streams, element=element, own_shapes=own_shapes)


def product_tasks(product: Product) -> dict[str, Task]:
    """The product once, hot, by each way to a BLAS, into an array that is there already."""
    random = np.random.default_rng(0)
    left = random.random((product.m, product.k), dtype=np.float32)
    right = random.random((product.k, product.n), dtype=np.float32)
    result = np.empty((product.m, product.n), np.float32)
    times = _times(2 * product.m * product.k * product.n)
    return {name: Task(way(left, right, result), times) for name, way in WAYS.items()}


def stream_tasks(size: int) -> dict[str, Task]:
    """Copy and triad (McCalpin's STREAM) of arrays of `size` floats."""
    arrays = [np.ones(size, np.float32) for _ in range(3)]
    return {
        name: Task(partial(loop, *arrays), _times(moved * FLOAT * size))
        for name, (loop, moved) in STREAMS.items()
    }


def element_task() -> Task:
    """A rational function with the operations of a tanh, over cached arrays."""
    x = np.linspace(-3, 3, HOT, dtype=np.float32)
    return Task(partial(_rational, x, np.empty_like(x)), _times(TANH * HOT))


def _times(amount: int) -> int:
    """How often to do so much work; more than 5,000 times would only measure how it is called."""
    return min(5000, ceil(AT_LEAST / amount))


def _by_scipy(left: Array, right: Array, result: Array) -> Run:
    """SciPy's OpenBLAS, called by a compiled loop: no call of Python in between."""
    return partial(_multiply, left, right, result)


def _by_numpy(left: Array, right: Array, result: Array) -> Run:
    return repeated(partial(np.matmul, left, right, out=result))


def _by_torch(left: Array, right: Array, result: Array) -> Run:
    a, b, c = map(torch.from_numpy, (left, right, result))
    return repeated(partial(torch.mm, a, b, out=c))


WAYS: Mapping[str, Callable[[Array, Array, Array], Run]] = {
    "scipy": _by_scipy,
    "numpy": _by_numpy,
    "torch": _by_torch,
}


def _compiled(function: Function) -> Function:
    return cast(Function, njit(fastmath=True, error_model="numpy")(function))


@_compiled
def _multiply(left: Array, right: Array, result: Array, times: int) -> None:
    for _ in range(times):
        np.dot(left, right, result)


@_compiled
def _copy(a: Array, _: Array, c: Array, times: int) -> None:
    for _time in range(times):
        for i in range(a.size):
            c[i] = a[i]


@_compiled
def _triad(a: Array, b: Array, c: Array, times: int) -> None:
    three = np.float32(3)
    for _ in range(times):
        for i in range(a.size):
            c[i] = a[i] + three * b[i]


STREAMS: Mapping[str, tuple[Callable[..., None], int]] = {"copy": (_copy, 2), "triad": (_triad, 3)}
"""The loop, and how many arrays it reads or writes."""


@_compiled
def _rational(x: Array, y: Array, times: int) -> None:
    bound = np.float32(7.9)
    for _ in range(times):
        for i in range(x.size):
            v = min(max(x[i], -bound), bound)
            s = v * v
            p, q = NUMERATOR[6], DENOMINATOR[3]
            for k in range(5, -1, -1):
                p = p * s + NUMERATOR[k]
            for k in range(2, -1, -1):
                q = q * s + DENOMINATOR[k]
            y[i] = v * p / q
