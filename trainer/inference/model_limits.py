"""Checks the sizes in a model folder of unknown origin before anything in it is used."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.config import GRUConfig

MOST_JSON = 8 * 2**20
"""Bytes of `model.json`: 10,000 features have 4 MB."""
LONGEST_TEXT = 4096
MOST_LAYERS = 256
MOST_PARAMETERS = 2**28
"""1 GiB of float32: a GRU of 9,000 units."""
MOST_HEADER = 2**20
"""Bytes of the header of a safetensors file; that of 256 layers has 100,000."""
_FLOAT32 = 4


def overlong_text(content: Any) -> str | None:
    """Why parsed JSON cannot be a description: it holds too long a text. A clause; None if it does not."""
    waiting = [content]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str) and len(each) > LONGEST_TEXT:
            return f"it holds a text of {len(each)} characters, and at most {LONGEST_TEXT} are expected"
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each
    return None


def too_large(gru: GRUConfig, n_features: int, networks: int = 1, outputs: int = 1) -> str | None:
    """Why so many such networks are too large to be loaded or saved, as a clause; None if they are not."""
    if gru.num_layers > MOST_LAYERS:
        return f"models.gru.num_layers is {gru.num_layers}, and at most {MOST_LAYERS} are loaded"
    if (count := networks * parameter_count(gru, n_features, outputs)) > MOST_PARAMETERS:
        return f"models.gru has {count} weights, and at most {MOST_PARAMETERS} are loaded"
    return None


def parameter_count(gru: GRUConfig, n_features: int, outputs: int = 1) -> int:
    """Number of weights of one network."""
    return sum(math.prod(shape) for _, shape in _shapes(gru, n_features, outputs))


def wrong_size(size: int, gru: GRUConfig, n_features: int, networks: int = 1, outputs: int = 1) -> str | None:
    """Why a file of `size` bytes cannot hold exactly the weights of the networks, as a clause; None if it
    can.
    """
    least = _FLOAT32 * networks * parameter_count(gru, n_features, outputs)
    if least < size <= least + MOST_HEADER:
        return None
    return f"it has {size} bytes, and the weights alone have {least}"


def wrong_weights(
    weights: Mapping[str, npt.NDArray[Any]],
    gru: GRUConfig,
    n_features: int,
    networks: int | None = None,
    outputs: int = 1,
) -> str | None:
    """Why these are not the weights of such a model, as a clause; None if they are. With `networks`, the
    weights of so many networks are stacked along a first axis.
    """
    expected = dict(_shapes(gru, n_features, outputs))
    if odd := sorted(weights.keys() ^ expected.keys()):
        return f"{odd[0]!r} is {'missing' if odd[0] in expected else 'no part of the model'}"
    stacked = () if networks is None else (networks,)
    for name, weight in sorted(weights.items()):
        if weight.dtype != np.float32:
            return f"{name} is {weight.dtype}, not float32"
        if weight.shape != (*stacked, *expected[name]):
            return f"{name} is {weight.shape}, not {(*stacked, *expected[name])}"
        if not np.isfinite(weight).all():
            return f"{name} holds NaN or infinity"
    return None


def _shapes(gru: GRUConfig, n_features: int, outputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the state dict of a GRUForecaster, without building one."""
    gates, inputs = 3 * gru.hidden_size, n_features
    for layer in range(gru.num_layers):
        yield f"gru.weight_ih_l{layer}", (gates, inputs)
        yield f"gru.weight_hh_l{layer}", (gates, gru.hidden_size)
        yield f"gru.bias_ih_l{layer}", (gates,)
        yield f"gru.bias_hh_l{layer}", (gates,)
        inputs = gru.hidden_size
    yield "head.weight", (outputs, gru.hidden_size)
    yield "head.bias", (outputs,)
