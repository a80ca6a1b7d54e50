"""`ballast predict`: forecasts from a folder that was carried away, and refusals in one sentence."""

import json
import shutil
import subprocess
import sys
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
    bounds = ["lower_80", "upper_80", "lower_95", "upper_95"]
    assert list(found) == [
        *("time", "forecast", "of", "horizon", "split", "volatility", "annualised"),
        *(f"{of}{bound}" for of in ("", "volatility_", "annualised_") for bound in bounds),
    ]
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
    assert list(shape) == [*before, "bars_per_year", "left_out", "intervals", "series"]
    assert shape["series"] is None
    assert shape["rows"] == len(shape["forecasts"]) == 398
    assert 0 < shape["unseen"] < 398
    assert shape["forecasts"][-1]["of"] is None
    written = pd.read_csv("predictions.csv")["forecast"].tolist()
    assert [row["forecast"] for row in shape["forecasts"]] == written
    assert list(shape["forecasts"][0])[-1] == "annualised_upper_95"


def test_every_bound_encloses_its_forecast_in_each_unit(model: Path, ballast: "Ballast") -> None:
    assert ballast("predict", model, "--data", "new.csv", "-o", "predictions.csv").code == 0
    found = pd.read_csv("predictions.csv")
    for name, unit in (("forecast", ""), ("volatility", "volatility_"), ("annualised", "annualised_")):
        columns = [*(f"{unit}lower_{level}" for level in (95, 80)), name]
        columns += [f"{unit}upper_{level}" for level in (80, 95)]
        assert (np.diff(found[columns].to_numpy(), axis=1) > 0).all()
    np.testing.assert_allclose(np.log(found["volatility_lower_80"]), found["lower_80"])
    year = found["annualised"] / found["volatility"]
    np.testing.assert_allclose(found["annualised_upper_95"], year * found["volatility_upper_95"])


def test_a_folder_of_before_forecasts_without_bounds(model: Path, ballast: "Ballast") -> None:
    content = json.loads((model / "model.json").read_text())
    del content["intervals"], content["rows"]["test_until"]
    (model / "model.json").write_text(json.dumps({**content, "format": 1}))
    told = ballast("predict", model, "--data", "new.csv", "--last", "2")
    assert told.code == 0, told.err
    assert told.out.splitlines()[0] == "time,forecast,of,horizon,split,volatility,annualised"
    assert [line.split(",")[4] for line in told.out.splitlines()[1:]] == ["test", "test"]
    shape = ballast("predict", model, "--data", "new.csv", "--last", "2", "--json").json
    assert shape["intervals"] is None


def test_rows_after_the_test_rows_are_unseen(model: Path, ballast: "Ballast") -> None:
    splits = [
        row["split"] for row in ballast("predict", model, "--data", "new.csv", "--json").json["forecasts"]
    ]
    assert list(dict.fromkeys(splits)) == ["train", "validation", "test", "unseen"]
    assert splits.count("unseen") == 1, "the newest row, which had no target when the model was saved"


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


def test_the_latest_forecast_is_printed_and_is_the_last_of_all(model: Path, ballast: "Ballast") -> None:
    assert ballast("predict", model, "--data", "new.csv", "-o", "predictions.csv").code == 0
    everything = pd.read_csv("predictions.csv")
    told = ballast("predict", model, "--data", "new.csv", "--latest")
    assert told.code == 0, told.err
    header, line = told.out.splitlines()
    assert header.split(",") == list(everything)
    assert float(line.split(",")[1]) == pytest.approx(everything["forecast"].iloc[-1], abs=1e-6)
    last = ballast("predict", model, "--data", "new.csv", "--last", "3", "--json").json
    assert [row["time"][:10] for row in last["forecasts"]] == list(everything["time"][-3:])


def test_a_bad_row_is_named_on_stderr_and_in_json(model: Path, ballast: "Ballast") -> None:
    table = pd.read_csv("new.csv")
    table.loc[399, "High"] = np.nan
    table.to_csv("new.csv", index=False)
    told = ballast("predict", model, "--data", "new.csv", "--latest")
    assert told.code == 0, told.err
    assert told.out.splitlines()[1].startswith(table["Date"][398])
    (line,) = [line for line in told.told if line.startswith("left out")]
    assert line.startswith("left out: new.csv, line 401: column High is nan at ")
    left_out = ballast("predict", model, "--data", "new.csv", "--json").json["left_out"]
    assert [(row["place"], row["cells"]) for row in left_out] == [
        ("new.csv, line 401", ["column High is nan"])
    ]


def test_no_forecast_at_all_is_one_sentence_and_exit_code_1(model: Path, ballast: "Ballast") -> None:
    table = pd.read_csv("new.csv")
    table["High"] = table["High"].where(table.index % 3 != 2)
    table.to_csv("new.csv", index=False)
    told = ballast("predict", model, "--data", "new.csv", "-o", "predictions.csv")
    assert (told.code, told.out, len(told.told)) == (1, "", 1)
    assert told.told[0].startswith("ballast: new.csv: no row can be forecast: every window of 3 rows")
    assert "(133 such rows); correct these rows" in told.told[0]
    assert not Path("predictions.csv").exists()


def test_stale_rows_are_refused_with_exit_code_1_and_fresh_ones_are_not(
    model: Path, ballast: "Ballast"
) -> None:
    told = ballast("predict", model, "--data", "new.csv", "--latest", "--max-age", "3d")
    assert (told.code, told.out, len(told.told)) == (1, "", 1)
    assert "the newest row that can be forecast from is " in told.told[0]
    assert told.told[0].endswith(" old, and --max-age allows 3d; get newer rows, then predict again")
    table = pd.read_csv("new.csv")
    shift = pd.Timestamp.now().normalize() - pd.Timestamp(table["Date"].iloc[-1])
    table["Date"] = (pd.to_datetime(table["Date"]) + shift).dt.strftime("%Y-%m-%d")
    table.to_csv("new.csv", index=False)
    assert ballast("predict", model, "--data", "new.csv", "--latest", "--max-age", "3d").code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--max-age", "soon"), "--max-age: 'soon' is no duration; write it as 4d, 2h, 30min or 90s"),
        (("--latest", "--last", "2"), "--latest is --last 1; give one of them"),
    ],
)
def test_an_impossible_choice_of_rows_is_one_sentence(
    model: Path, ballast: "Ballast", arguments: tuple[str, ...], sentence: str
) -> None:
    told = ballast("predict", model, "--data", "new.csv", *arguments, "--json")
    assert (told.code, told.out) == (2, "")
    assert sentence in " ".join(told.err.replace("│", " ").split())


@pytest.mark.slow
def test_a_cron_job_forecasts_from_any_folder_without_an_environment(model: Path) -> None:
    """As cron runs it: from `/`, without HOME and PATH, and the model's folder cannot be written."""
    root = Path(__file__).parents[3]
    for path in (model, *model.iterdir()):
        path.chmod(0o555)
    names = ("torch", "optuna", "sqlalchemy", "scipy", "numba")
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from search.cli.main import main\n"
        f"sys.argv = ['ballast', 'predict', {str(model.absolute())!r}, '--data', "
        f"{str(Path('new.csv').absolute())!r}, '--latest']\n"
        "try:\n    main()\n"
        f"finally:\n    print([name for name in {names} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd="/", env={}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    header, forecast, loaded = done.stdout.splitlines()
    assert header.startswith("time,forecast,of,horizon,split")
    assert len(forecast.split(",")) == len(header.split(","))
    assert loaded == "[]", "these take longer to load than a forecast takes"
