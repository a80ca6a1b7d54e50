"""An ONNX graph computes what the model computes, on every shape, on real windows and at the bounds."""

import importlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from tests.trainer.fit_fixtures import DATA
from tests.trainer.inference.model_fixtures import CONFIG, PROVENANCE
from trainer.config import GRUConfig
from trainer.data.source import Table
from trainer.data.windows import Dataset
from trainer.inference.forecaster import build_forecaster, forecast_windows, stack_windows
from trainer.inference.model_folder import save_model
from trainer.inference.onnx_file import OnnxError, require_agreement, require_onnx, to_onnx
from trainer.losses import MSE
from trainer.models.network import GRUForecaster

HAS_EXTRA = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))
needs_extra = pytest.mark.skipif(not HAS_EXTRA, reason="the extra onnx is not installed")
SHAPES = [(layers, hidden) for layers in (1, 2, 3) for hidden in (16, 128)]


def large(gru: GRUConfig, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights three times the ordinary, so that gates saturate."""
    torch.manual_seed(seed)
    return {name: 3 * weight for name, weight in GRUForecaster(3, gru).state_dict().items()}


def at_the_bounds(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Every feature at its clip bound, alternating at random, and windows that never leave one bound."""
    signs = np.random.default_rng(0).choice([-1, 1], shape)
    signs[0], signs[1] = 1, -1
    return (DATA.feature_clip * signs).astype(np.float32)


@needs_extra
@pytest.mark.parametrize(("layers", "hidden"), SHAPES)
def test_outputs_agree_with_torch(whole_market: Dataset, layers: int, hidden: int) -> None:
    gru = GRUConfig(num_layers=layers, hidden_size=hidden, init="torch")
    weights = large(gru)
    model, content = build_forecaster(gru, 3, weights), to_onnx(gru, whole_market.seq_len, weights, MSE)
    real = stack_windows(whole_market, whole_market.validation)
    assert np.std(forecast_windows(model, real)) > 0.1
    for x in (real, at_the_bounds(real.shape), real[:1]):
        assert require_agreement(content, model, x) <= 1e-5


@needs_extra
def test_a_graph_of_other_weights_is_refused(whole_market: Dataset) -> None:
    gru = GRUConfig(hidden_size=16, init="torch")
    content = to_onnx(gru, whole_market.seq_len, large(gru, seed=1), MSE)
    real = stack_windows(whole_market, whole_market.validation)
    with pytest.raises(OnnxError, match=r"differ by up to .* on 1005 windows, more than 1e-05; nothing was"):
        require_agreement(content, build_forecaster(gru, 3, large(gru)), real)


@needs_extra
def test_weights_that_are_no_numbers_do_not_agree(whole_market: Dataset) -> None:
    gru = GRUConfig(hidden_size=16, init="torch")
    weights = large(gru)
    weights["head.bias"] = torch.tensor([torch.nan])
    content = to_onnx(gru, whole_market.seq_len, weights, MSE)
    with pytest.raises(OnnxError, match="differ by up to nan"):
        require_agreement(
            content, build_forecaster(gru, 3, weights), stack_windows(whole_market, whole_market.validation)
        )


@needs_extra
def test_the_graph_says_what_goes_in_and_comes_out() -> None:
    onnxruntime = importlib.import_module("onnxruntime")
    gru = GRUConfig(hidden_size=16)
    content = to_onnx(gru, 8, GRUForecaster(3, gru).state_dict(), MSE)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    told = [
        (value.name, value.type, value.shape) for value in (*session.get_inputs(), *session.get_outputs())
    ]
    assert told == [("windows", "tensor(float)", ["n", 8, 3]), ("forecast", "tensor(float)", ["n"])]


@needs_extra
def test_it_stands_beside_the_weights(whole_market: Dataset, prices: Table, tmp_path: Path) -> None:
    gru = CONFIG.models.gru
    weights = GRUForecaster(3, gru).state_dict()
    save_model(tmp_path / "m", CONFIG, whole_market, prices, weights, PROVENANCE, onnx=True)
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [
        "model.json",
        "model.onnx",
        "weights.safetensors",
    ]
    content = (tmp_path / "m" / "model.onnx").read_bytes()
    real = stack_windows(whole_market, whole_market.test)
    assert require_agreement(content, build_forecaster(gru, 3, weights), real) <= 1e-5
    assert json.loads((tmp_path / "m" / "model.json").read_text())["data"]["seq_len"] == real.shape[1]


def test_a_missing_extra_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        OnnxError, match=r'--onnx needs the package onnx\w*, .*: pip install "ballast-gru\[onnx\]"'
    ):
        require_onnx()
