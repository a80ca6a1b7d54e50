"""Exports the forecaster as an ONNX graph, and checks that the graph computes what the model computes.

The graph is built operator by operator: the GRU of ONNX has the equations of PyTorch's, with the gates in
another order. PyTorch's own exporter needs a third package, takes 8 s for a model of two layers, and prints
warnings.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from trainer.config import GRUConfig
from trainer.errors import TrainerError
from trainer.inference.forecaster import forecast_windows
from trainer.losses import Loss
from trainer.quantile_loss import QuantileLoss

MAX_DIFFERENCE = 1e-5
"""Largest accepted difference of the outputs of graph and model, in standard deviations of the target."""
_OPSET, _IR = 17, 8
"""Versions of 2022, which every current runtime reads. Later versions do not change these operators."""


class OnnxError(TrainerError):
    """The ONNX extra is missing, or the graph does not compute what the model computes."""


def require_onnx() -> None:
    """Raise OnnxError unless the packages of the ONNX extra can be imported."""
    _package("onnx")
    _package("onnxruntime")


def to_onnx(config: GRUConfig, seq_len: int, weights: Mapping[str, Tensor], loss: Loss) -> bytes:
    """The graph: `windows` (n, seq_len, features) float32, standardised → `forecast` (n,) float32; of a model
    that was trained by a `loss` of quantiles also `quantiles` (n, outputs), in order.

    `n` is free. `weights` are a state dict of GRUForecaster. Raises OnnxError if the extra is missing.
    """
    onnx = _package("onnx")
    arrays = {name: weight.numpy() for name, weight in weights.items()}
    features = arrays["gru.weight_ih_l0"].shape[1]
    constants: dict[str, npt.NDArray[Any]] = {
        "directions": np.array([1], np.int64),
        "first": np.array([0], np.int64),
        "head.weight": arrays["head.weight"],
        "head.bias": arrays["head.bias"],
    }
    make = onnx.helper.make_node
    nodes = [make("Transpose", ["windows"], ["layer0"], perm=[1, 0, 2])]  # (seq_len, n, features)
    for layer in range(config.num_layers):
        constants |= _cell(arrays, layer)
        inputs = [f"layer{layer}", f"W{layer}", f"R{layer}", f"B{layer}"]
        outputs = [f"all{layer}", f"last{layer}"]  # (seq_len, 1, n, hidden), (1, n, hidden)
        nodes.append(make("GRU", inputs, outputs, hidden_size=config.hidden_size, linear_before_reset=1))
        nodes.append(make("Squeeze", [f"all{layer}", "directions"], [f"layer{layer + 1}"]))
    nodes += [
        make("Squeeze", [f"last{config.num_layers - 1}", "first"], ["hidden"]),  # (n, hidden)
        make("Gemm", ["hidden", "head.weight", "head.bias"], ["column"], transB=1),  # (n, outputs)
    ]
    value = onnx.helper.make_tensor_value_info
    told = [value("forecast", onnx.TensorProto.FLOAT, ["n"])]
    if isinstance(loss, QuantileLoss):
        constants |= {"outputs": np.array([loss.outputs]), "median": np.array(loss.median)}
        nodes += [
            make("TopK", ["column", "outputs"], ["quantiles", "order"], axis=1, largest=0),
            make("Gather", ["quantiles", "median"], ["forecast"], axis=1),
        ]
        told.append(value("quantiles", onnx.TensorProto.FLOAT, ["n", loss.outputs]))
    else:
        nodes.append(make("Squeeze", ["column", "directions"], ["forecast"]))
    graph = onnx.helper.make_graph(
        nodes,
        "ballast",
        [value("windows", onnx.TensorProto.FLOAT, ["n", seq_len, features])],
        told,
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = [onnx.helper.make_opsetid("", _OPSET)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=_IR, producer_name="ballast")
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def require_agreement(content: bytes, model: nn.Module, windows: npt.NDArray[np.float32]) -> float:
    """The largest difference between onnxruntime and torch on `windows`, (n, seq_len, features).

    Raises OnnxError if it is above MAX_DIFFERENCE or NaN.
    """
    session = _package("onnxruntime").InferenceSession(content, providers=["CPUExecutionProvider"])
    computed = session.run(None, {"windows": windows})[-1]  # the quantiles, if there are any
    difference = float(np.abs(computed - forecast_windows(model, windows)).max())
    if not difference <= MAX_DIFFERENCE:
        raise OnnxError(
            f"the outputs of model.onnx differ by up to {difference:.3g} from the model's on {len(windows)} "
            f"windows, more than {MAX_DIFFERENCE:g}; nothing was saved, save it without --onnx"
        )
    return difference


def _cell(arrays: Mapping[str, npt.NDArray[Any]], layer: int) -> dict[str, npt.NDArray[Any]]:
    """Weights of one layer in the layout of ONNX: a first axis for directions, both biases in one row."""
    weight_ih, weight_hh, bias_ih, bias_hh = (
        _gates_reordered(arrays[f"gru.{name}_l{layer}"])
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    return {
        f"W{layer}": weight_ih[None],
        f"R{layer}": weight_hh[None],
        f"B{layer}": np.concatenate([bias_ih, bias_hh])[None],
    }


def _gates_reordered(stacked: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """From PyTorch's order (reset, update, new) to that of ONNX (update, reset, hidden)."""
    reset, update, new = np.split(stacked, 3)
    return np.concatenate([update, reset, new])


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise OnnxError(
            f'--onnx needs the package {name}, which is not here; install it: pip install "ballast-gru[onnx]"'
        ) from None
