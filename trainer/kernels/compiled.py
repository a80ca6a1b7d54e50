"""The forecaster's forward and backward pass, its loss and its update, as compiled loops on NumPy arrays.

This file holds everything that Numba compiles. Compiled code on disk (`cache.py`) is used until this file or
`workspace.py` changes. Training uses float32; float64, with the tanh of the C library, serves tests of the
gradients.

Shapes: S steps, B windows, F features, H units, L layers, O outputs. The gates of a cell are stacked as
PyTorch stacks them: reset, update, new. The compiler may not assume that numbers are finite: NaN and infinity
propagate, so that the guard sees them. It may reorder sums and fuse products into them; the order is fixed by
compiling.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.extending import overload

from trainer.kernels.cache import KernelCache
from trainer.kernels.workspace import GATES, Array, Workspace

Function = TypeVar("Function", bound=Callable[..., Any])

_UNPACKED = 1_000_000
"""Most multiply-adds of matrices that OpenBLAS multiplies without packing (copying) them first."""
_FEW = 8
"""Fewest rows of a part; multiplying smaller parts costs more than packing."""
ABSOLUTE, HUBER, QLIKE = 1, 2, 3
"""The losses that `other_loss` computes."""
_fast = partial(njit, fastmath={"contract", "arcp", "nsz", "reassoc"}, nogil=True, error_model="numpy")


def _compiled(function: Function) -> Function:
    """Compile at the first call, and once per machine if a folder can keep the result."""
    dispatcher: Any = _fast()(function)  # Numba offers no other way to set a cache
    dispatcher._cache = KernelCache(function)
    return cast(Function, dispatcher)


def _tanh(x: float) -> float:
    """Eigen's tanh for float32: a rational function of degree 13 over 6, within 4e-7 of tanh."""
    return math.tanh(x)


@overload(_tanh)
def _tanh_of_its_type(x: Any) -> Callable[[Any], Any]:
    def exact(x: Any) -> Any:
        return math.tanh(x)

    single = np.float32
    whole, bound = single(1), single(7.90531110763549805)
    a1, a3, a5 = single(4.89352455891786e-03), single(6.37261928875436e-04), single(1.48572235717979e-05)
    a7, a9, a11 = single(5.12229709037114e-08), single(-8.60467152213735e-11), single(2.00018790482477e-13)
    a13 = single(-2.76076847742355e-16)
    b0, b2 = single(4.89352518554385e-03), single(2.26843463243900e-03)
    b4, b6 = single(1.18534705686654e-04), single(1.19825839466702e-06)

    def rational(x: Any) -> Any:
        # Comparisons with NaN are false, so that NaN passes; min and max would replace it by the bound.
        if x > bound:
            x = bound
        if x < -bound:
            x = -bound
        s = x * x
        p = x * (a1 + s * (a3 + s * (a5 + s * (a7 + s * (a9 + s * (a11 + s * a13))))))
        y = p / (b0 + s * (b2 + s * (b4 + s * b6)))
        # Exactly 1, so that a saturated gate passes no gradient, as in PyTorch; 1e-7 times 1e30 would count.
        if x == bound:
            y = whole
        if x == -bound:
            y = -whole
        return y

    return rational if x == types.float32 else exact


def _sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), computed with the tanh above."""
    return 0.5 * _tanh(0.5 * x) + 0.5


@overload(_sigmoid)
def _sigmoid_of_its_type(x: Any) -> Callable[[Any], Any]:
    middle = np.float32(0.5) if x == types.float32 else np.float64(0.5)

    def by_tanh(x: Any) -> Any:
        return middle * _tanh(middle * x) + middle

    return by_tanh


@_compiled
def _layer(flat: Array, layer: int, features: int, hidden: int) -> tuple[Array, Array, Array, Array]:
    """Views of a flat vector as w_ih (3H, I), w_hh (3H, H), b_ih (3H,), b_hh (3H,) of a layer."""
    gates = GATES * hidden
    inputs, start = features, 0
    if layer > 0:
        start = gates * (features + hidden + 2) + (layer - 1) * gates * (2 * hidden + 2)
        inputs = hidden
    a = start + gates * inputs
    b = a + gates * hidden
    c = b + gates
    w_ih = flat[start:a].reshape(gates, inputs)
    w_hh = flat[a:b].reshape(gates, hidden)
    return w_ih, w_hh, flat[b:c], flat[c : c + gates]


@_compiled
def _head(flat: Array, hidden: int, outputs: int) -> tuple[Array, Array]:
    """Views of the end of a flat vector as the head's weights (O, H) and biases (O,)."""
    biases = flat.size - outputs
    return flat[biases - outputs * hidden : biases].reshape(outputs, hidden), flat[biases:]


@_compiled
def _rows(of: Array) -> Array:
    """A view of (S, B, N) as (S * B, N)."""
    return of.reshape(of.shape[0] * of.shape[1], of.shape[2])


@_compiled
def _inputs(x: Array, work: Workspace, layer: int) -> Array:
    """The inputs of a layer, (S, B, I)."""
    if layer == 0:
        return x
    return work.dropped[layer - 1] if work.masks.size else work.hidden[layer - 1, 1:]


@_compiled
def _multiply(a: Array, b: Array, out: Array) -> None:
    """Set `out` (M, N) to a (M, K) · b (K, N), in parts of as many rows as need no packing."""
    rows = _UNPACKED // b.size
    if rows < _FEW:
        rows = a.shape[0]
    for start in range(0, a.shape[0], rows):
        np.dot(a[start : start + rows], b, out[start : start + rows])


@_compiled
def forward(flat: Array, x: Array, work: Workspace) -> None:
    """Compute the forecasts `work.out` (B · O,) of windows x (S, B, F), and all that `backward` needs."""
    layers, batch, hidden = work.hidden.shape[0], x.shape[1], work.hidden.shape[3]
    for layer in range(layers):
        if layer > 0 and work.masks.size:
            below, mask, dropped = work.hidden[layer - 1, 1:], work.masks[layer - 1], work.dropped[layer - 1]
            for t in range(x.shape[0]):
                for b in range(batch):
                    for j in range(hidden):
                        dropped[t, b, j] = below[t, b, j] * mask[t, b, j]
        w_ih, w_hh, b_ih, b_hh = _layer(flat, layer, x.shape[2], hidden)
        np.dot(_rows(_inputs(x, work, layer)), w_ih.T, _rows(work.projected))
        _recur(w_hh, b_ih, b_hh, work, layer)
    outputs, last = work.out.size // batch, work.hidden[layers - 1, x.shape[0]]
    weights, biases = _head(flat, hidden, outputs)
    for b in range(batch):
        for k in range(outputs):
            head, total = weights[k], biases[k]
            for j in range(hidden):
                state = last[b, j] * work.last_mask[b, j] if work.last_mask.size else last[b, j]
                total += state * head[j]
            work.out[b * outputs + k] = total


@_compiled
def _recur(w_hh: Array, b_ih: Array, b_hh: Array, work: Workspace, layer: int) -> None:
    steps, batch, hidden = work.projected.shape[0], work.projected.shape[1], w_hh.shape[1]
    kept = work.gates.shape[1]
    part = work.recurrent[0]  # (B, 3H); the backward pass overwrites it
    work.turned[:] = w_hh.T
    for t in range(steps):
        before, after = work.hidden[layer, t], work.hidden[layer, t + 1]
        _multiply(before, work.turned, part)
        gates, projected = work.gates[layer, t if kept > 1 else 0], work.projected[t]
        for b in range(batch):
            given, own, gate, old, new = projected[b], part[b], gates[b], before[b], after[b]
            for j in range(2 * hidden):
                gate[j] = _sigmoid(given[j] + b_ih[j] + (own[j] + b_hh[j]))
            for j in range(hidden):
                inner = own[2 * hidden + j] + b_hh[2 * hidden + j]
                gate[3 * hidden + j] = inner
                n = _tanh(given[2 * hidden + j] + b_ih[2 * hidden + j] + gate[j] * inner)
                gate[2 * hidden + j] = n
                new[j] = n + gate[hidden + j] * (old[j] - n)


@_compiled
def squared_error(y: Array, work: Workspace) -> tuple[float, float]:
    """The mean squared error of `work.out`, and the largest |forecast|; sets `work.d_out` to the gradient."""
    out, d_out = work.out, work.d_out
    one = out.dtype.type(1)
    share = one / out.dtype.type(out.size)
    total, low, high = out.dtype.type(0), out[0], out[0]
    for b in range(out.size):
        miss = out[b] - y[b]
        d_out[b] = (share + share) * miss
        total += miss * miss
        # A NaN is neither above nor below, so it is tested for; every later comparison then keeps it.
        if out[b] < low or out[b] != out[b]:
            low = out[b]
        if out[b] > high:
            high = out[b]
    return total * share, max(-low, high) if low == low else low


@_compiled
def weighted_squared_error(y: Array, weights: Array, work: Workspace) -> tuple[float, float]:
    """The same with the squared error of each window multiplied by its weight, `weights` (B,)."""
    _, largest = squared_error(y, work)
    out, d_out, total = work.out, work.d_out, work.out.dtype.type(0)
    for b in range(out.size):
        miss = out[b] - y[b]
        d_out[b] *= weights[b]
        total += weights[b] * (miss * miss)
    return total / out.dtype.type(out.size), largest


@_compiled
def other_loss(y: Array, weights: Array, work: Workspace, kind: int, parameter: float) -> tuple[float, float]:
    """The mean loss of `work.out`, and the largest |forecast|; sets `work.d_out` to the gradient.

    `kind` is ABSOLUTE, HUBER or QLIKE, and `parameter` what the loss needs to know: delta, or the factor that
    makes a forecast the logarithm of a variance. `weights` (B,) multiply the loss of each window; empty: all
    count the same.
    """
    out, d_out = work.out, work.d_out
    one = out.dtype.type(1)
    share, bound = one / out.dtype.type(out.size), out.dtype.type(parameter)
    total, low, high = out.dtype.type(0), out[0], out[0]
    for b in range(out.size):
        miss = out[b] - y[b]
        # A NaN is neither above nor below any bound, so that it stays as it is in every branch.
        if kind == QLIKE:
            above = -bound * miss
            grown = np.expm1(above)
            value, slope = grown - above, -bound * grown
        elif kind == HUBER:
            near = miss
            if miss > bound:
                near = bound
            if miss < -bound:
                near = -bound
            value, slope = near * (miss - near / (one + one)), near
        else:
            value, slope = abs(miss), miss
            if miss > 0:
                slope = one
            if miss < 0:
                slope = -one
        weight = weights[b] if weights.size else one
        d_out[b] = share * slope * weight
        total += value * weight
        if out[b] < low or out[b] != out[b]:
            low = out[b]
        if out[b] > high:
            high = out[b]
    return total * share, max(-low, high) if low == low else low


@_compiled
def pinball(y: Array, weights: Array, levels: Array, work: Workspace) -> tuple[float, float]:
    """The mean pinball loss of `work.out`, O quantiles of each window, and the largest |forecast|; sets
    `work.d_out` to the gradient.

    `levels` (2, O) are twice the quantiles and twice 1 − quantile. `weights` are those of `other_loss`.
    """
    out, d_out, outputs = work.out, work.d_out, levels.shape[1]
    zero, one = out.dtype.type(0), out.dtype.type(1)
    share = one / out.dtype.type(out.size)
    total, low, high = zero, out[0], out[0]
    for b in range(y.size):
        weight = weights[b] if weights.size else one
        for k in range(outputs):
            i = b * outputs + k
            miss = out[i] - y[b]
            slope = miss  # 0 or NaN stays as it is
            if miss > 0:
                slope = levels[1, k]
            if miss < 0:
                slope = -levels[0, k]
            d_out[i] = share * slope * weight
            total += slope * miss * weight
            if out[i] < low or out[i] != out[i]:
                low = out[i]
            if out[i] > high:
                high = out[i]
    return total * share, max(-low, high) if low == low else low


@_compiled
def backward(flat: Array, x: Array, work: Workspace, gradient: Array) -> None:
    """Compute the `gradient` of all weights, in the order of `flat`, from `work.d_out`."""
    layers, batch, hidden = work.hidden.shape[0], x.shape[1], work.hidden.shape[3]
    outputs, last = work.out.size // batch, work.hidden[layers - 1, x.shape[0]]
    weights, _ = _head(flat, hidden, outputs)
    d_weights, d_biases = _head(gradient, hidden, outputs)
    d_weights[:] = 0
    d_biases[:] = 0
    state = work.state[0]
    state[:] = 0
    for b in range(batch):
        for k in range(outputs):
            g, head, d_head = work.d_out[b * outputs + k], weights[k], d_weights[k]
            d_biases[k] += g
            for j in range(hidden):
                kept = work.last_mask[b, j] if work.last_mask.size else flat.dtype.type(1)
                state[b, j] += g * head[j] * kept
                d_head[j] += g * last[b, j] * kept
    for layer in range(layers - 1, -1, -1):
        w_ih, w_hh, _, _ = _layer(flat, layer, x.shape[2], hidden)
        d_ih, d_hh, db_ih, db_hh = _layer(gradient, layer, x.shape[2], hidden)
        _recur_back(w_hh, db_ih, db_hh, work, layer)
        np.dot(_rows(work.projected).T, _rows(_inputs(x, work, layer)), d_ih)
        np.dot(_rows(work.recurrent).T, _rows(work.hidden[layer, : x.shape[0]]), d_hh)
        if layer > 0:
            np.dot(_rows(work.projected), w_ih, _rows(work.above))
            if work.masks.size:
                mask = work.masks[layer - 1]
                for t in range(x.shape[0]):
                    for b in range(batch):
                        for j in range(hidden):
                            work.above[t, b, j] *= mask[t, b, j]
            state[:] = 0


@_compiled
def _recur_back(w_hh: Array, db_ih: Array, db_hh: Array, work: Workspace, layer: int) -> None:
    steps, batch, hidden = work.projected.shape[0], work.projected.shape[1], w_hh.shape[1]
    one = w_hh.dtype.type(1)
    straight, through = work.state[0], work.state[1]
    has_above = layer < work.hidden.shape[0] - 1
    through[:] = 0
    db_ih[:] = 0
    db_hh[:] = 0
    for t in range(steps - 1, -1, -1):
        gates, before = work.gates[layer, t], work.hidden[layer, t]
        d_given, d_own = work.projected[t], work.recurrent[t]
        for b in range(batch):
            gate, old, d, e, gx, gh = gates[b], before[b], straight[b], through[b], d_given[b], d_own[b]
            if has_above:
                above = work.above[t, b]
                for j in range(hidden):
                    d[j] += above[j]
            for j in range(hidden):
                r, z = gate[j], gate[hidden + j]
                n, inner = gate[2 * hidden + j], gate[3 * hidden + j]
                g = d[j] + e[j]
                dn = g * (one - z) * (one - n * n)
                dz = g * (old[j] - n) * z * (one - z)
                dr = dn * inner * r * (one - r)
                gx[j] = dr
                gh[j] = dr
                gx[hidden + j] = dz
                gh[hidden + j] = dz
                gx[2 * hidden + j] = dn
                gh[2 * hidden + j] = dn * r
                d[j] = g * z
            for j in range(3 * hidden):
                db_ih[j] += gx[j]
            for j in range(hidden):
                db_hh[2 * hidden + j] += gh[2 * hidden + j]
        if t > 0:
            _multiply(d_own, w_hh, through)
    db_hh[: 2 * hidden] = db_ih[: 2 * hidden]


@_compiled
def norm(gradient: Array) -> float:
    """The L2 norm; not finite if an element is not, or if the sum of squares overflows."""
    total = gradient.dtype.type(0)
    for i in range(gradient.size):
        total += gradient[i] * gradient[i]
    return float(np.sqrt(total))


@_compiled
def update(
    flat: Array, gradient: Array, averages: Array, scale: float, lr: float, decay: float, step: int
) -> None:
    """One step of AdamW (Loshchilov & Hutter 2019) with PyTorch's constants; gradients are scaled first.

    `averages` (2, N) are those of the gradients and of their squares; `step` counts from 1.
    """
    dtype = flat.dtype.type
    beta1, beta2, eps = 0.9, 0.999, dtype(1e-8)
    rate = dtype(lr / (1.0 - beta1**step))
    root = dtype(math.sqrt(1.0 - beta2**step))
    shrink, factor = dtype(lr * decay), dtype(scale)
    new1, old2, new2 = dtype(1.0 - beta1), dtype(beta2), dtype(1.0 - beta2)
    first, second = averages[0], averages[1]
    for i in range(flat.size):
        g = gradient[i] * factor
        p = flat[i]
        if shrink != 0:  # 0 times an infinite weight would be NaN and hide that it is infinite
            p -= shrink * p
        m = first[i] + new1 * (g - first[i])
        v = second[i] * old2 + new2 * g * g
        first[i] = m
        second[i] = v
        flat[i] = p - rate * m / (np.sqrt(v) / root + eps)
