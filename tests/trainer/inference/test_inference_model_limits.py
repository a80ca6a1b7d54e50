"""A model folder that somebody sent: refused in one sentence before its sizes cost memory, or right."""

import hashlib
import json
import os
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from tests.trainer.fit_fixtures import DATA
from tests.trainer.inference.model_fixtures import CONFIG, GRU, PROVENANCE
from trainer.data.source import Table
from trainer.data.windows import Dataset
from trainer.errors import ModelFolderError, TrainerError
from trainer.inference.model_folder import load_model, save_model
from trainer.inference.prediction import predict
from trainer.models.network import GRUForecaster

Content = dict[str, Any]


@pytest.fixture
def folder(whole_market: Dataset, prices: Table, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_model(tmp_path / "m", CONFIG, whole_market, prices, GRUForecaster(3, GRU).state_dict(), PROVENANCE)
    return tmp_path / "m"


@pytest.fixture
def rows(prices: Table, tmp_path: Path) -> str:
    path = tmp_path / "new.csv"
    prices.frame.rename_axis("Date").reset_index().tail(400).to_csv(path, index=False)
    return str(path)


def described(folder: Path) -> Content:
    content: Content = json.loads((folder / "model.json").read_text())
    return content


def rewritten(folder: Path, content: object) -> None:
    (folder / "model.json").write_text(json.dumps(content))


def refusal(folder: Path) -> str:
    """The one sentence; it costs no memory to speak of."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFolderError) as error:
        load_model(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000
    return str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("num_layers", 1_000_000, "models.gru.num_layers is 1000000, and at most 256 are loaded"),
        ("hidden_size", 20_000, "models.gru has 1200320001 weights, and at most 268435456 are loaded"),
        ("hidden_size", 10**30, "weights, and at most 268435456 are loaded"),
        ("hidden_size", 4096, "bytes, and the weights alone have 2"),
        ("hidden_size", 7, "is (24,), not (21,)"),
    ],
)
def test_sizes_are_bounded_before_anything_is_allocated(
    folder: Path, key: str, value: int, reason: str
) -> None:
    content = described(folder)
    content["models"]["gru"][key] = value
    rewritten(folder, content)
    assert reason in refusal(folder)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 200_000, "is nested too deep to be a model's"),
        ('{"a":' * 200_000, "is nested too deep to be a model's"),
        ('{"format": ' + "9" * 5000 + "}", "cannot be read as JSON"),
        ('{"format": 1e400}', "is not as it was written"),
        (json.dumps({f"key{i}": i for i in range(12_000)}), "more is not as it was written"),
        (json.dumps({"format": 1, "note": "a" * 100_000}), "it holds a text of 100000 characters"),
        (" " * (8 * 2**20 + 1), "it has 8388609 bytes, and at most 8388608 are expected"),
    ],
)
def test_a_text_that_is_too_deep_long_or_wide_is_refused(folder: Path, text: str, reason: str) -> None:
    (folder / "model.json").write_text(text)
    assert reason in refusal(folder)


def test_a_file_of_10_gb_is_not_read(folder: Path) -> None:
    for name in ("weights.safetensors", "model.json"):
        os.truncate(folder / name, 10**10)  # sparse: it takes no room on the disk
        assert "it has 10000000000 bytes" in refusal(folder)


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()
    os.mkfifo(folder / "weights.safetensors")
    assert "bytes, and the weights alone have" in refusal(folder)
    (folder / "model.json").unlink()
    os.mkfifo(folder / "model.json")
    assert "is not a model folder" in refusal(folder)


def not_a_number(weights: dict[str, torch.Tensor]) -> None:
    weights["head.bias"][0] = torch.nan


def infinite(weights: dict[str, torch.Tensor]) -> None:
    weights["gru.bias_ih_l0"][3] = -torch.inf


def of_integers(weights: dict[str, torch.Tensor]) -> None:
    weights["head.bias"] = torch.ones(1, dtype=torch.int32)


def turned(weights: dict[str, torch.Tensor]) -> None:
    weights["gru.weight_hh_l0"] = weights["gru.weight_hh_l0"].T.contiguous()


def renamed(weights: dict[str, torch.Tensor]) -> None:
    weights["head.\x1b]0;bias"] = weights.pop("head.bias")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (not_a_number, "head.bias holds NaN or infinity"),
        (infinite, "gru.bias_ih_l0 holds NaN or infinity"),
        (of_integers, "head.bias is int32, not float32"),
        (turned, "gru.weight_hh_l0 is (8, 24), not (24, 8)"),
        (renamed, r"'head.\x1b]0;bias' is no part of the model"),
    ],
)
def test_weights_that_are_not_those_described_are_refused_whatever_the_digest_says(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], None], reason: str
) -> None:
    path = folder / "weights.safetensors"
    weights = safetensors.torch.load(path.read_bytes())
    change(weights)
    path.write_bytes(safetensors.torch.save(weights))
    rewritten(folder, {**described(folder), "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    assert reason in refusal(folder)


def test_names_of_unknown_keys_are_escaped(folder: Path) -> None:
    rewritten(folder, {**described(folder), "\x1b]0;owned\x07\n\u202e": 1})
    assert r"model.json: \x1b]0;owned\x07\n\u202e is not as it was written" in refusal(folder)


ODD: list[Any] = [
    *(None, True, -1, 0, 2**62, 10**30, 1.5, 1e-300, 1e300, float("nan"), float("inf")),
    *("", "x", "\x1b]0;hi\x07", "\ud800", "0001-01-01", "9999-12-31T23:59:59+14:00", "2020-01-01\x1b00:00"),
    *([], {}, [[]], {"a": 1}),
]


def places(of: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = of.items() if isinstance(of, dict) else enumerate(of) if isinstance(of, list) else ()
    return [before] * bool(before) + [
        place for key, value in inside for place in places(value, (*before, key))
    ]


@pytest.mark.slow
def test_any_mutation_forecasts_or_is_one_sentence(folder: Path, rows: str) -> None:
    genuine, drawn = described(folder), random.Random(14)
    weights = (folder / "weights.safetensors").read_bytes()
    ends = {"forecasts": 0, "refused": 0}
    for _ in range(100):
        content, damaged = json.loads(json.dumps(genuine)), bytearray(weights)
        if drawn.random() < 0.8:
            *path, last = drawn.choice(places(content))
            part = content
            for key in path:
                part = part[key]
            part[last] = drawn.choice(ODD)
        else:
            damaged[drawn.randrange(len(damaged))] ^= 1 << drawn.randrange(8)
            content["weights_sha256"] = hashlib.sha256(damaged).hexdigest()
        (folder / "weights.safetensors").write_bytes(damaged)
        rewritten(folder, content)
        try:
            predict(folder, rows, allow_range=True)
        except TrainerError:
            ends["refused"] += 1
        else:
            ends["forecasts"] += 1
    assert min(ends.values()) > 10, DATA
