"""`ballast predict` and `Model.predict` for a panel: a forecast of each series, each named."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from search.api.model import Model
from search.errors import AnswerIsNo, RequestError
from tests.trainer.inference.panel_model import rows_of, saved
from trainer.errors import DataError

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model of A, B, C and D."""
    monkeypatch.chdir(tmp_path)
    saved(tmp_path, "series", min_series=2)
    return "model"


def ended(path: Path, *names: str) -> str:
    """A table whose series end today, but for those of `names`, which end where they did."""
    frame = pd.read_csv(rows_of("ABCD", path), dtype={"name": str}, parse_dates=["date"])
    live = ~frame["name"].isin(names)
    newest = frame[live].groupby("name")["date"].transform("max")
    frame.loc[live, "date"] += pd.Timestamp.now().normalize() - newest
    frame.to_csv(path, index=False)
    return str(path)


def test_latest_gives_the_newest_row_of_each_series(folder: str, tmp_path: Path, ballast: "Ballast") -> None:
    rows = rows_of("ABCD", tmp_path / "rows.csv", {"B": 300})
    told = ballast("predict", folder, "--data", rows, "--latest")
    assert told.code == 0, told.err
    lines = [line.split(",") for line in told.out.splitlines()]
    assert lines[0][:4] == ["name", "time", "forecast", "of"]
    newest = pd.read_csv(rows, dtype=str).groupby("name")["date"].max()
    assert [(line[0], line[1]) for line in lines[1:]] == [*newest.items()]


def test_last_n_counts_by_series_and_the_file_names_them(
    folder: str, tmp_path: Path, ballast: "Ballast"
) -> None:
    rows = rows_of("ABCD", tmp_path / "rows.csv")
    told = ballast("predict", folder, "--data", rows, "--last", "3", "-o", "out.csv")
    assert told.out.startswith("out.csv: 12 forecasts for 4 series of ")
    assert pd.read_csv("out.csv")["name"].tolist() == [name for name in "ABCD" for _ in range(3)]


def test_json_names_the_series_of_each_row_and_of_what_is_left_out(
    folder: str, tmp_path: Path, ballast: "Ballast"
) -> None:
    rows = rows_of("ABCX", tmp_path / "rows.csv", {"B": 9})
    frame = pd.read_csv(rows, dtype={"name": str})
    frame.loc[frame.index[frame["name"] == "C"][-1], "close"] = None
    frame.to_csv(rows, index=False)
    shape = ballast("predict", folder, "--data", rows, "--latest", "--allow-unseen", "--json").json
    assert [row["series"] for row in shape["forecasts"]] == ["A", "C", "X"]
    assert [row["series"] for row in shape["left_out"]] == ["C"]
    assert shape["series"]["column"] == "name"
    assert [(each["name"], each["trained"]) for each in shape["series"]["forecast"]] == [
        ("A", True),
        ("C", True),
        ("X", False),
    ]
    assert (shape["series"]["none"], shape["series"]["old"]) == (["B"], [])


def test_a_series_that_ended_is_named_and_does_not_make_the_others_stale(
    folder: str, tmp_path: Path, ballast: "Ballast"
) -> None:
    rows = ended(tmp_path / "rows.csv", "B", "D")
    told = ballast("predict", folder, "--data", rows, "--latest", "--max-age", "5d")
    assert told.code == 0, told.err
    assert [line.split(",")[0] for line in told.out.splitlines()[1:]] == ["A", "C"]
    assert "no forecast of 2 of 4 series, older than --max-age 5d allows: B (newest row " in told.err
    every = ended(tmp_path / "rows.csv", *"ABCD")
    told = ballast("predict", folder, "--data", every, "--latest", "--max-age", "5d")
    assert (told.code, told.out) == (1, "")


def test_rows_at_which_too_few_series_can_be_compared_are_counted(
    folder: str, tmp_path: Path, ballast: "Ballast"
) -> None:
    rows = rows_of("AB", tmp_path / "rows.csv", {"B": 637})
    told = ballast("predict", folder, "--data", rows, "--latest")
    assert "rows have no forecast: a feature compares at least min_series series" in told.err
    frame = pd.read_csv(rows, parse_dates=["date"])
    frame.loc[frame["name"] == "B", "date"] += pd.Timedelta("3650D")
    frame.to_csv(rows, index=False)
    told = ballast("predict", folder, "--data", rows, "--latest", "--allow-range")
    assert told.code == 1
    assert "no row can be forecast: " in told.err


def test_one_series_alone_cannot_be_compared(folder: str, tmp_path: Path, ballast: "Ballast") -> None:
    told = ballast("predict", folder, "--data", rows_of("A", tmp_path / "rows.csv"), "--latest")
    assert told.code == 2
    assert "holds one series, A, and features of the model compare each series with others" in told.err


def test_python_names_its_arguments(folder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, rows = Model(folder), rows_of("ABCDX", tmp_path / "rows.csv")
    frame = pd.read_csv(rows, dtype={"name": str})
    with pytest.raises(DataError, match=r"not on X; .*: allow_unseen=True"):
        model.predict(frame)
    with pytest.raises(AnswerIsNo, match="get newer rows"):
        model.predict(frame, allow_unseen=True, max_age="1d")
    with caplog.at_level(logging.WARNING):
        found = model.predict(frame, allow_unseen=True, last=1)
    assert found["name"].tolist() == [*"ABCDX"]
    assert "not trained on X" in caplog.text


def test_a_series_unlike_the_training_has_no_forecast_and_the_others_have(
    folder: str, tmp_path: Path, ballast: "Ballast"
) -> None:
    rows = rows_of("ABCD", tmp_path / "rows.csv")
    frame = pd.read_csv(rows, dtype={"name": str})
    frame.loc[frame["name"] == "C", "close"] **= 3
    frame.to_csv(rows, index=False)
    told = ballast("predict", folder, "--data", rows, "--latest")
    assert told.code == 0, told.err
    assert [line.split(",")[0] for line in told.out.splitlines()[1:]] == ["A", "B", "D"]
    assert ", series C" in told.err
    assert "C: not forecast, as the rows are unlike those of the training; " in told.err
    assert ballast("predict", folder, "--data", rows, "--latest", "--json").json["series"]["none"] == ["C"]
    allowed = ballast("predict", folder, "--data", rows, "--latest", "--allow-range")
    assert [line.split(",")[0] for line in allowed.out.splitlines()[1:]] == [*"ABCD"]
    frame["close"] **= 9
    frame.to_csv(rows, index=False)
    told = ballast("predict", folder, "--data", rows, "--latest")
    assert (told.code, told.out) == (2, "")
    assert "is not like what the model in model was trained on" in told.err


def test_a_model_of_one_file_for_each_series_takes_a_frame_that_names_them(
    tmp_path: Path, ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path, "pooled", layout="files")
    frame = pd.read_csv(rows_of("ABCD", tmp_path / "rows.csv"), dtype={"name": str})
    for name, rows in frame.groupby("name"):
        rows.drop(columns="name").to_csv(f"{name}.csv", index=False)
    of_files = Model("model").predict("[A-D].csv", last=1)
    of_frame = Model("model").predict(frame.rename(columns={"name": "series"}), last=1)
    of_index = Model("model").predict(
        frame.set_index(["name", "date"]).rename_axis(["series", "date"]), last=1
    )
    assert of_files["series"].tolist() == [*"ABCD"]
    for other in (of_frame, of_index):
        pd.testing.assert_frame_equal(other.drop(columns="time"), of_files.drop(columns="time"))
    with pytest.raises(RequestError, match="data has no column 'series' that says which series a row is of"):
        Model("model").predict(frame)
