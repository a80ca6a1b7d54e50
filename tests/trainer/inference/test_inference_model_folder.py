"""A model folder: whole or not there, readable by people, and refused where it is not what it was."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainer.fit_fixtures import DATA
from tests.trainer.inference.model_fixtures import CONFIG, GRU, PROVENANCE
from trainer import atomic_files
from trainer.data.features import build_features
from trainer.data.source import Table
from trainer.data.windows import Dataset
from trainer.errors import ModelFolderError
from trainer.inference.forecaster import build_forecaster, forecast_windows, stack_windows
from trainer.inference.gru_forward import forecast_rows
from trainer.inference.model_folder import load_model, save_model
from trainer.inference.model_folder_checks import require_writable_model_folder
from trainer.losses import LossName
from trainer.models.network import GRUForecaster

Weights = dict[str, torch.Tensor]
Save = Callable[[Path], Path]


@pytest.fixture(scope="module")
def weights() -> Weights:
    torch.manual_seed(0)
    return GRUForecaster(3, GRU).state_dict()


@pytest.fixture
def save(whole_market: Dataset, prices: Table, weights: Weights) -> Save:
    def save(folder: Path) -> Path:
        save_model(folder, CONFIG, whole_market, prices, weights, PROVENANCE)
        return folder

    return save


def test_a_folder_gives_back_the_model_that_was_saved(
    save: Save, whole_market: Dataset, weights: Weights, tmp_path: Path
) -> None:
    model, (loaded,) = load_model(save(tmp_path / "model"))
    assert {name: weight.tobytes() for name, weight in loaded.items()} == {
        name: weight.numpy().tobytes() for name, weight in weights.items()
    }
    rows = whole_market.validation
    windows = stack_windows(whole_market, rows)
    np.testing.assert_allclose(
        forecast_rows([loaded], whole_market.features, whole_market.seq_len, rows),
        forecast_windows(build_forecaster(GRU, 3, weights), windows),
        rtol=0,
        atol=1e-6,
    )
    assert model.data == DATA
    assert model.models.gru == GRU
    assert model.provenance == PROVENANCE
    scaler = whole_market.scaler
    assert [look.mean for look in model.features] == scaler.feature_mean.tolist()
    assert [look.std for look in model.features] == scaler.feature_std.tolist()
    assert (model.target.mean, model.target.std) == (scaler.target_mean, scaler.target_std)


def test_it_says_what_the_training_rows_looked_like_before_scaling(
    save: Save, whole_market: Dataset, prices: Table, tmp_path: Path
) -> None:
    model, _ = load_model(save(tmp_path / "model"))
    built = build_features(DATA, prices)
    seen = built.features.iloc[built.first :].iloc[whole_market.fitting]
    for look in model.features:
        values = seen[look.name]
        assert (look.min, look.max) == (values.min(), values.max())
        assert look.quantiles["0.5"] == values.median()
        assert look.quietest == pytest.approx(values.diff().abs().rolling(22).mean().min())
    assert (model.rows.train_until, model.rows.until) == ("2010-12-30", "2014-12-30")
    assert (model.rows.train, model.rows.validation) == (len(whole_market.train), 1005)
    assert model.rows.spacing == 86400
    assert model.target.unit == "log_parkinson of High, Low, 1 row ahead"


def test_nothing_in_it_is_a_pickle_and_people_can_read_the_description(save: Save, tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "weights.safetensors"]
    header = int.from_bytes((folder / "weights.safetensors").read_bytes()[:8], "little")
    described = json.loads((folder / "weights.safetensors").read_bytes()[8 : 8 + header])
    assert "gru.weight_ih_l0" in described
    assert "\n  " in (folder / "model.json").read_text()


def test_a_model_replaces_a_model_and_leaves_nothing_beside_it(save: Save, tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    (folder / "model.onnx").write_bytes(b"of the one before")
    save(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert not (folder / "model.onnx").exists()


def test_nothing_else_is_ever_overwritten(save: Save, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ModelFolderError, match=r"notes: it holds 'diary\.txt', which is no part of a model"):
        save(tmp_path / "notes")
    with pytest.raises(ModelFolderError, match="it is a file; name a folder: --save"):
        require_writable_model_folder(tmp_path / "file")
    with pytest.raises(ModelFolderError, match=r"there is no folder .*away; make it: mkdir -p"):
        require_writable_model_folder(tmp_path / "away" / "model")
    assert (tmp_path / "notes" / "diary.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "notes"]


def test_what_cannot_be_written_leaves_the_model_of_before(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A disk that fails while the new folder is put in its place cannot be had in a test.
    folder = save(tmp_path / "model")
    before = (folder / "model.json").read_bytes()

    def failing(new: Path, place: Path, old: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(atomic_files, "swap_folders", failing)
    with pytest.raises(ModelFolderError, match=r"cannot write .*model: Input/output error; choose another"):
        save(folder)
    assert (folder / "model.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_model_whose_save_was_killed_between_two_renames_is_found_by_whoever_reads_it(
    save: Save, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, left = save(tmp_path / "model"), tmp_path / ".ballast-0123456789abcdef.part"
    for half in ("new", "old"):
        shutil.copytree(folder, left / half / "model")
    shutil.rmtree(folder)
    load_model(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    (sentence,) = caplog.messages
    assert sentence.startswith(f"{folder} was saved by a command that was killed before its end")


def test_a_folder_without_description_is_no_model_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"is not a model folder: it has no model\.json; make one: "):
        load_model(tmp_path)


def test_damaged_weights_are_noticed(save: Save, tmp_path: Path) -> None:
    path = save(tmp_path / "model") / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        ModelFolderError, match=r"weights\.safetensors is damaged or another model's: its sha"
    ):
        load_model(path.parent)
    path.unlink()
    with pytest.raises(ModelFolderError, match=r"weights\.safetensors: No such file or directory; save the"):
        load_model(path.parent)


def test_weights_that_are_no_safetensors_are_one_sentence(save: Save, tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    (folder / "weights.safetensors").write_bytes(b"garbage")
    described = json.loads((folder / "model.json").read_text())
    described["weights_sha256"] = hashlib.sha256(b"garbage").hexdigest()
    (folder / "model.json").write_text(json.dumps(described))
    with pytest.raises(ModelFolderError, match=r"does not hold the weights that model\.json describes"):
        load_model(folder)


EDITS: tuple[tuple[Callable[[dict[str, Any]], Any], str], ...] = (
    (lambda model: model.update(format=6), r"has format 6, and this Ballast knows 5; use the Ballast"),
    (lambda model: model.update(format=5), r"it is not as it was written"),
    (lambda model: model.update(loss={"name": "mape"}), r"it is not as it was written"),
    (
        lambda model: model.update(format=5, loss={"name": "quantile", "quantiles": [0.1, 0.9]}),
        r"it is not as it was written",
    ),
    (lambda model: model.update(format=2), r"model\.json: it is not as it was written"),
    (lambda model: model["provenance"].update(seeds=[1]), r"does not hold the weights that model\.json"),
    (lambda model: model["rows"].update(test_until="soon"), r"rows\.test_until is not as it was written"),
    (lambda model: model.update(format="1"), r"format is not as it was written; save the model again"),
    (lambda model: model.pop("target"), r"model\.json: target is not as it was written"),
    (lambda model: model["features"][0].update(mean="x"), r"features\.0\.mean is not as it was written"),
    (lambda model: model["features"][0].update(std=0), r"features\.0\.std is not as it was written"),
    (lambda model: model["features"][0].update(name="other"), r"model\.json: it is not as it was written"),
    (lambda model: model["target"].update(std=0.0), r"target\.std is not as it was written"),
    (lambda model: model["rows"].update(until="yesterday"), r"rows\.until is not as it was written"),
    (
        lambda model: model["models"]["gru"].update(hidden_size=9),
        r"does not hold the weights that model\.json",
    ),
)


@pytest.mark.parametrize(("edit", "sentence"), EDITS)
def test_an_edited_description_is_one_sentence(
    save: Save, tmp_path: Path, edit: Callable[[dict[str, Any]], Any], sentence: str
) -> None:
    path = save(tmp_path / "model") / "model.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ModelFolderError, match=sentence) as told:
        load_model(path.parent)
    assert "\n" not in str(told.value)


def test_a_description_that_is_no_json_is_one_sentence(save: Save, tmp_path: Path) -> None:
    path = save(tmp_path / "model") / "model.json"
    path.write_text(path.read_text()[:-5])
    with pytest.raises(ModelFolderError, match=r"model\.json cannot be read as JSON"):
        load_model(path.parent)


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "quantile"])
def test_the_loss_of_the_training_and_the_metric_of_its_value_are_on_record(
    name: LossName, whole_market: Dataset, prices: Table, tmp_path: Path
) -> None:
    training = CONFIG.training.model_copy(update={"loss": name})
    config = CONFIG.model_copy(update={"training": training})
    own = GRUForecaster(3, GRU, config.loss.outputs).state_dict()
    metric = None if name == "mse" else name
    provenance = PROVENANCE.model_copy(update={"metric": metric})
    save_model(tmp_path / "m", config, whole_market, prices, own, provenance)
    model, _ = load_model(tmp_path / "m")
    assert model.trained_by == config.loss
    assert model.provenance.metric == metric
    written = json.loads((tmp_path / "m" / "model.json").read_text())
    assert ("loss" in written) == (name != "mse")
    assert written["format"] == (5 if name == "quantile" else 4)
