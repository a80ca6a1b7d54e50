"""`ballast predict`: forecasts from a folder that was carried away, and refusals in one sentence."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy


@pytest.fixture
def model(
    write_study: "WriteStudy", ballast: "Ballast", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A model in a folder with nothing else; new rows, another path of the same kind, lie in new.csv."""
    path = write_study(space=None)
    assert ballast("train", path, "--set", "models.gru.learning_rate=0.005", "--save", "model").code == 0
    away = tmp_path / "away"
    away.mkdir()
    shutil.move(tmp_path / "model", away / "model")
    write_study(seed=5)
    shutil.move(tmp_path / "prices.csv", away / "new.csv")
    monkeypatch.chdir(away)
    return Path("model")


def test_a_folder_alone_forecasts_every_row(model: Path, ballast: "Ballast") -> None:
    told = ballast("predict", model, "--data", "new.csv", "-o", "predictions.csv")
    assert told.code == 0, told.err
    rows, found = pd.read_csv("new.csv"), pd.read_csv("predictions.csv")
    assert list(found) == ["time", "forecast", "of", "horizon", "split", "volatility", "annualised"]
    assert list(found["time"]) == list(rows["Date"][2:])
    assert list(found["of"][:-1]) == list(rows["Date"][3:])
    assert np.isnan(found["of"].iloc[-1])
    assert np.isfinite(found["forecast"]).all()
    assert told.out.startswith("predictions.csv: 398 forecasts of log_parkinson of High, Low, 1 row ahead; ")
    assert told.out.endswith(", the last that the model saw\n")


def test_json_has_the_forecasts_and_what_was_said_of_them(model: Path, ballast: "Ballast") -> None:
    assert ballast("predict", model, "--data", "new.csv", "-o", "predictions.csv").code == 0
    shape = ballast("predict", model, "--data", "new.csv", "--json").json
    before = ["unit", "horizon", "rows", "unseen", "seen_until", "warnings", "forecasts"]
    assert list(shape) == [*before, "bars_per_year", "left_out"]
    assert shape["rows"] == len(shape["forecasts"]) == 398
    assert 0 < shape["unseen"] < 398
    assert shape["forecasts"][-1]["of"] is None
    written = pd.read_csv("predictions.csv")["forecast"].tolist()
    assert [row["forecast"] for row in shape["forecasts"]] == written


def test_rows_unlike_those_of_the_training_are_refused_unless_allowed(
    model: Path, ballast: "Ballast"
) -> None:
    table = pd.read_csv("new.csv")
    table["High"] = table["Low"] * (table["High"] / table["Low"]) ** 100
    table.to_csv("new.csv", index=False)
    told = ballast("predict", model, "--data", "new.csv", "-o", "predictions.csv")
    assert (told.code, told.out, len(told.told)) == (2, "", 1)
    assert told.told[0].startswith(
        "ballast: new.csv is not like what the model in model was trained on: vol "
    )
    assert told.told[0].endswith("or go on: --allow-range")
    assert not Path("predictions.csv").exists()
    allowed = ballast("predict", model, "--data", "new.csv", "-o", "predictions.csv", "--allow-range")
    assert allowed.code == 0
    assert allowed.told[0].startswith("warning: vol lies outside ")
    assert len(pd.read_csv("predictions.csv")) == 398


def test_a_single_wild_day_is_a_warning(model: Path, ballast: "Ballast") -> None:
    table = pd.read_csv("new.csv")
    table["High"] = table["High"].where(table.index != 200, 1.5 * table["High"])
    table.to_csv("new.csv", index=False)
    told = ballast("predict", model, "--data", "new.csv", "-o", "predictions.csv")
    assert told.code == 0
    assert any("vol lies outside its range in training in 0." in line for line in told.told)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--data", "away.csv", "-o", "p.csv"), "--data away.csv: there is no such file; name a CSV"),
        (("--data", "sample:dax", "-o", "p.csv"), "'sample:dax' is not a sample; there are sp500"),
        (
            ("--data", "sample:wti", "-o", "p.csv"),
            "does not fit the model in model: column 'High' is missing",
        ),
        (("--data", "new.csv"), "name the file to write with -o, or take the forecasts as --json"),
        (("--data", "new.csv", "-o", "p.xlsx"), "forecasts are written as CSV; name it p.csv"),
        (("--data", "new.csv", "-o", "./new.csv"), "would replace the table of --data; name another file"),
        (("--data", "new.csv", "-o", "none/p.csv"), "there is no folder none; make it: mkdir -p none"),
    ],
)
def test_a_wish_that_cannot_be_met_is_one_sentence(
    model: Path, ballast: "Ballast", arguments: tuple[str, ...], sentence: str
) -> None:
    told = ballast("predict", model, *arguments)
    assert (told.code, told.out) == (2, "")
    assert sentence in " ".join(told.err.replace("│", " ").split())
    assert not Path("p.csv").exists()


def test_a_folder_that_is_no_model_is_one_sentence(model: Path, ballast: "Ballast") -> None:
    told = ballast("predict", ".", "--data", "new.csv", "-o", "p.csv")
    assert told.code == 2
    assert told.told == [
        "ballast: . is not a model folder: it has no model.json; make one: ballast train best.yaml --save ."
    ]


def test_text_of_a_model_that_somebody_sent_does_not_reach_the_terminal_as_it_is(
    model: Path, ballast: "Ballast"
) -> None:
    described = json.loads((model / "model.json").read_text())
    hostile = "\x1b]0;owned\x07\x9b2J\u202eunit\nballast: all is well"
    described["target"]["unit"] = hostile
    for part in (described["features"], described["data"]["features"]):
        part[0]["name"] = hostile
    (model / "model.json").write_text(json.dumps(described))
    told = ballast("predict", model, "--data", "new.csv", "-o", "predictions.csv")
    assert told.code == 0, told.err
    assert r"forecasts of \x1b]0;owned\x07\x9b2J\u202eunit" in told.out
    shape = ballast("predict", model, "--data", "new.csv", "--json")
    assert shape.json["unit"] == hostile  # the same, once it is read as JSON
    told_too = told.out + told.err + shape.out + shape.err
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(told_too)
