"""Forecasts of trained GRUs with numpy alone, on the CPU and without dropout.

A forecast takes milliseconds, and the import of torch more than a second. The formulas are those of
`torch.nn.GRU`, and the forecasts differ from PyTorch's by rounding alone.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from trainer.data.arrays import Floats, Rows

if TYPE_CHECKING:
    from torch import Tensor

_BATCH = 256
"""Windows per forward pass, the same number in each: it changes the order of sums."""

Array = npt.NDArray[np.float32]
Network = Mapping[str, Array]
"""The weights of one GRUForecaster, by their names in its state dict."""


def network_of(weights: "Mapping[str, Tensor]") -> Network:
    """The weights of a trained network as arrays on the CPU."""
    return {name: weight.detach().cpu().numpy() for name, weight in weights.items()}


def forecast_rows(
    networks: Sequence[Network],
    features: Array,
    seq_len: int,
    rows: Rows,
    moved: tuple[int, Rows] | None = None,
) -> Floats:
    """The mean over the networks of their forecasts, standardised, (n,) float64; of several outputs (n,
    outputs), the quantiles of each network in order.

    `rows` (n,) are the rows of `features` (T, F) that the windows of `seq_len` rows end at. The last batch is
    padded, so that later rows change no bit of a forecast. `moved` is the number of a column and other rows
    (n,): each window has that column of the window that ends at the other row.
    """
    held = np.lib.stride_tricks.sliding_window_view(
        features, seq_len, axis=0
    )  # (T - seq_len + 1, F, seq_len)
    outputs = len(networks[0]["head.bias"])
    forecasts = np.empty(len(rows) if outputs == 1 else (len(rows), outputs))
    # One thread: more are slower on such small matrices, and may round differently.
    with threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
        for first in range(0, len(rows), _BATCH):
            ends = rows[first : first + _BATCH]
            steps = np.zeros((seq_len, _BATCH, features.shape[1]), np.float32)
            steps[:, : len(ends)] = held[ends - seq_len + 1].transpose(2, 0, 1)
            if moved is not None:
                column, others = moved[0], moved[1][first : first + _BATCH]
                steps[:, : len(ends), column] = held[others - seq_len + 1, column].T
            each = np.stack([_forward(network, steps) for network in networks])  # (networks, _BATCH, …)
            forecasts[first : first + len(ends)] = each[:, : len(ends)].mean(axis=0, dtype=np.float64)
    return forecasts


def _forward(network: Network, steps: Array) -> Array:
    """Forecasts (batch,) or (batch, outputs) of windows (seq_len, batch, features)."""
    for layer in count():
        if f"gru.weight_ih_l{layer}" not in network:
            break
        steps = _layer(network, layer, steps)
    weight, bias = network["head.weight"], network["head.bias"]
    if len(bias) == 1:
        forecasts: Array = steps[-1] @ weight[0] + bias
        return forecasts
    quantiles: Array = np.sort(steps[-1] @ weight.T + bias, axis=-1)
    return quantiles


def _layer(network: Network, layer: int, steps: Array) -> Array:
    """The states (seq_len, batch, hidden) of one layer after each step."""
    weight_ih, weight_hh, bias_ih, bias_hh = (
        network[f"gru.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    hidden = weight_hh.shape[1]
    state = np.zeros((steps.shape[1], hidden), np.float32)
    states = np.empty((len(steps), *state.shape), np.float32)
    for number, inputs in enumerate(steps):
        given = inputs @ weight_ih.T + bias_ih  # (batch, 3 · hidden): reset, update, new
        kept = state @ weight_hh.T + bias_hh
        gates = _sigmoid(given[:, : 2 * hidden] + kept[:, : 2 * hidden])
        reset, update = gates[:, :hidden], gates[:, hidden:]
        new = np.tanh(given[:, 2 * hidden :] + reset * kept[:, 2 * hidden :])
        state = new + update * (state - new)
        states[number] = state
    return states


def _sigmoid(values: Array) -> Array:
    """1 / (1 + exp(-x)), without an overflow."""
    done: Array = np.float32(0.5) * np.tanh(np.float32(0.5) * values) + np.float32(0.5)
    return done
