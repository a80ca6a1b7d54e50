"""Compiles the kernel before the first step and tests that it computes the right numbers."""

import logging
import math
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np

from trainer.errors import TrainerError
from trainer.kernels import compiled
from trainer.kernels.workspace import GATES, Array, workspace

log = logging.getLogger("ballast.trainer")

FUNCTIONS: tuple[Any, ...] = (
    *(compiled._layer, compiled._head, compiled._rows, compiled._inputs, compiled._multiply, compiled._recur),
    *(compiled.forward, compiled.squared_error, compiled.weighted_squared_error, compiled.other_loss),
    compiled.pinball,
    *(compiled._recur_back, compiled.backward),
    *(compiled.norm, compiled.update),
)
"""All compiled functions, each after those that it calls."""

EXPECTED = (
    *(
        3.291178,
        0.4414082,
        3.518904,
        2.653842,
        0.07760219,
        2.331358,
        2.292757,
        0.2823289,
        1.184827,
        0.3473932,
        4.209987,
        *(1.211383, 2.230679, 0.5060068, 0.9531546, 0.240171, 0.4740995, 1.181078, 2.323739),
    ),
    *(
        2.555744,
        0.03324747,
        1.745934,
        2.301442,
        0.2743371,
        1.018023,
        2.191477,
        0.4970377,
        0.4035543,
        0.04837694,
        4.354682,
        *(1.401435, 2.418186, 0.576984, 1.022859, 0.3153072, 0.5884477, 1.075857, 2.074777),
    ),
)
"""For training without dropout, then with dropout: loss, largest |forecast| and gradient norm of three steps,
then the mean square of the forecasts, and their loss weighted by 0, 1, 2 and 3; then their absolute error,
Huber loss, QLIKE and pinball loss at 0.1, each without and with these weights. PyTorch computes the same
numbers.
"""
_CLOSE = 1e-4
"""Largest relative difference. Rounding in float32 gives 1e-6 on any processor, a wrong instruction more."""
_STEPS, _BATCH, _FEATURES, _HIDDEN, _LAYERS = 3, 4, 2, 3, 2


@cache
def compile_kernel() -> None:
    """Compile, or load the code that an earlier process compiled, so that no epoch spends these seconds.

    Raises TrainerError if the numbers are wrong on this processor even after compiling again.
    """
    began = perf_counter()
    if not passes_self_test():
        log.warning("the compiled kernel computes wrong numbers, and is compiled anew")
        for function in FUNCTIONS:
            function.recompile()
        if not passes_self_test():
            raise TrainerError(
                "the compiled kernel computes wrong numbers on this processor; train with PyTorch's: "
                "--set training.kernel=torch"
            )
    if (seconds := perf_counter() - began) > 1:
        log.info("compiled for this processor in %.1f s", seconds)


def passes_self_test() -> bool:
    """Whether three steps on a small model give the known numbers. Calls every function with arrays of the
    types that training uses.
    """
    found = [number for dropout in (False, True) for number in _trained(dropout=dropout)]
    return bool(np.allclose(found, EXPECTED, rtol=_CLOSE, atol=0))


def _trained(*, dropout: bool) -> list[float]:
    gates = GATES * _HIDDEN
    inner = (_LAYERS - 1) * gates * (2 * _HIDDEN + 2)
    weights = _wave(gates * (_FEATURES + _HIDDEN + 2) + inner + _HIDDEN + 1)
    x, y = _wave(_STEPS, _BATCH, _FEATURES), 2 * _wave(_BATCH)
    gradient, averages = np.zeros_like(weights), np.zeros((2, weights.size), np.float32)
    work = workspace((_STEPS, _BATCH), _HIDDEN, _LAYERS, dropout=dropout, backward=True)
    for mask in (work.masks, work.last_mask):
        mask.flat[:] = np.arange(mask.size) % 3
    signals: list[float] = []
    for step in (1, 2, 3):
        compiled.forward(weights, x, work)
        loss, largest = compiled.squared_error(y, work)
        compiled.backward(weights, x, work, gradient)
        signals += [loss, largest, norm := compiled.norm(gradient)]
        compiled.update(weights, gradient, averages, 1 / norm, 0.1, 0.01, step)
    work = workspace((_STEPS, _BATCH), _HIDDEN, _LAYERS, dropout=False, backward=False)
    compiled.forward(weights, x, work)
    weighted, _ = compiled.weighted_squared_error(y, np.arange(_BATCH, dtype=np.float32), work)
    others = [
        compiled.other_loss(y, counts, work, kind, 0.5)[0]
        for kind in (compiled.ABSOLUTE, compiled.HUBER, compiled.QLIKE)
        for counts in (np.zeros(0, np.float32), np.arange(_BATCH, dtype=np.float32))
    ]
    levels = np.array([[0.2], [1.8]], np.float32)
    others += [
        compiled.pinball(y, counts, levels, work)[0]
        for counts in (np.zeros(0, np.float32), np.arange(_BATCH, dtype=np.float32))
    ]
    return [*signals, float(np.square(work.out).mean()), weighted, *others]


def _wave(*shape: int) -> Array:
    """Numbers from −1 to 1 that do not repeat."""
    waves: Array = np.sin(np.arange(1, 1 + math.prod(shape)) ** 1.5).reshape(shape).astype(np.float32)
    return waves
