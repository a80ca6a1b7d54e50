"""`ballast train`: a model folder only after an accepted training that reproduces its export."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import yaml

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

pytestmark = pytest.mark.slow

needs_extra = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")),
    reason="the extra onnx is not installed",
)


@pytest.fixture
def exported(write_study: "WriteStudy", ballast: "Ballast") -> Path:
    assert ballast("run", write_study(), "--trials", 1).code == 0
    assert ballast("export", "small", "-o", "best.yaml").code == 0
    return Path("best.yaml")


def description(folder: str) -> Any:
    return json.loads((Path(folder) / "model.json").read_text())


def test_the_model_of_an_export_is_kept_with_its_provenance(exported: Path, ballast: "Ballast") -> None:
    told = ballast("train", exported, "--save", "model")
    assert told.code == 0, told.err
    assert told.out.endswith(
        "saved; forecast with it: ballast predict model --data FILE -o predictions.csv\n"
    )
    provenance = yaml.safe_load(exported.read_text())["provenance"]
    kept = description("model")["provenance"]
    for key in ("study", "trial", "seed", "value", "skill", "best_epoch", "versions"):
        assert kept[key] == provenance[key], key
    assert kept["data_sha256"] == provenance["data"]["sha256"]
    assert kept["reproduced"] == "bits"
    assert ballast("train", exported, "--save", "model", "--json").json["saved"] == "model"
    assert ballast("train", exported, "--json").json["saved"] is None


def test_a_configuration_that_was_never_exported_is_kept_too(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study(space=None)
    assert ballast("train", path, "--set", "models.gru.learning_rate=0.005", "--save", "model").code == 0
    kept = description("model")["provenance"]
    assert (kept["study"], kept["trial"], kept["reproduced"]) == ("small", None, None)


def test_what_is_not_reproduced_is_not_kept(exported: Path, ballast: "Ballast") -> None:
    table = pd.read_csv("prices.csv")
    table["High"] *= 1.001
    table.to_csv("prices.csv", index=False)
    told = ballast("train", exported, "--save", "model")
    assert told.code == 1
    assert "not reproduced: the exported value is" in told.out
    assert told.told == [
        "ballast: model was not written: the exported value did not come again; look at the settings: "
        "ballast check best.yaml"
    ]
    assert not Path("model").exists()


def test_what_is_not_believed_is_not_kept(write_study: "WriteStudy", ballast: "Ballast") -> None:
    path = write_study(leak=True, space=None)
    told = ballast("train", path, "--set", "models.gru.learning_rate=0.01", "--save", "model")
    assert told.code == 1
    assert told.told[-1].startswith("ballast: model was not written: ")
    assert not Path("model").exists()


def test_of_several_folds_the_model_kept_is_trained_on_every_row_before_the_test(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    split = {"split": {"method": "walk_forward", "folds": 2, "fractions": {"train": 0.5, "validation": 0.25}}}
    path = write_study(space=None, data=split)
    told = ballast("train", path, "--set", "models.gru.learning_rate=0.005", "--save", "model")
    assert (told.code, told.told) == (0, [])
    seen = json.loads(Path("model/model.json").read_text())["rows"]
    assert (seen["validation"], seen["train_until"]) == (0, seen["until"])
    assert seen["until"] < seen["test_until"]
    intervals = json.loads(Path("model/model.json").read_text())["intervals"]
    assert (intervals["source"], intervals["pooled"]["rows"]) == ("training", 99), "of both folds"
    fixed = ("--set", "models.gru.learning_rate=0.005", "--set", "data.split.method=holdout")
    fewer = ballast("train", path, *fixed, "--save", "other")
    assert fewer.code == 0
    assert json.loads(Path("other/model.json").read_text())["rows"]["train"] < seen["train"]


def test_a_folder_that_cannot_be_used_is_reported_before_the_training(
    exported: Path, ballast: "Ballast"
) -> None:
    for place, sentence in (
        ("away/model", "there is no folder away; make it: mkdir -p away"),
        ("prices.csv", "it is a file; name a folder: --save prices.csv-model"),
        (".", "which is no part of a model; name another folder: --save model"),
    ):
        told = ballast("train", exported, "--save", place)
        assert (told.code, told.out) == (2, "")
        assert sentence in told.err
    told = ballast("train", exported, "--onnx")
    assert (told.code, told.out) == (2, "")
    assert "--onnx puts a file into the folder of --save" in " ".join(told.err.replace("│", " ").split())


@needs_extra
def test_onnx_stands_beside_the_weights(exported: Path, ballast: "Ballast") -> None:
    assert ballast("train", exported, "--save", "model", "--onnx").code == 0
    assert sorted(path.name for path in Path("model").iterdir()) == [
        "model.json",
        "model.onnx",
        "weights.safetensors",
    ]


def test_without_the_extra_nothing_is_trained(
    exported: Path, ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    told = ballast("train", exported, "--save", "model", "--onnx")
    assert (told.code, told.out) == (2, "")
    assert 'install it: pip install "ballast-gru[onnx]"' in told.err


def test_an_export_of_other_safe_ranges_says_so_if_it_is_not_reproduced(
    write_study: "WriteStudy", ballast: "Ballast", tmp_path: Path
) -> None:
    bundled = Path(__file__).parents[3] / "configs" / "safe_ranges.yaml"
    loose = tmp_path / "loose.yaml"
    loose.write_text(
        f"extends: {bundled}\nmodels.gru.learning_rate: {{high: 0.05, why: a test, source: a test}}\n"
    )
    path = write_study(study={"trials": 1})
    assert ballast("run", path, "--policy", loose, "--set", "models.gru.learning_rate=0.03").code == 0
    assert ballast("export", "small", "-o", "best.yaml").code == 0
    assert ballast("train", "best.yaml", "--policy", loose).code == 0
    told = ballast("train", "best.yaml")
    assert told.code == 1
    assert "the safe ranges differ; the study had those of --policy" in told.out
