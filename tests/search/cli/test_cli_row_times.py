"""What a row means: a raw target must say whether it is shifted; outputs keep the clock of the source."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from storage.engine import open_store
from storage.tables import StudyRow

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

RAW: dict[str, Any] = {"target": {"column": "Close", "transform": "raw", "kind": "other"}}
CEILING = ("--set", "guard.max_skill=0.9")
SHORT = ("--set", "training.epochs=1")


@pytest.mark.parametrize("command", ["check", "run", "train"])
def test_a_raw_target_must_say_what_its_row_means(
    write_study: "WriteStudy", ballast: "Ballast", command: str
) -> None:
    found = ballast(command, write_study(data=RAW, space=None))
    assert found.code == 2
    assert "data.target.already_shifted is missing" in found.err
    assert "true reads it as the value of" in found.err
    assert "false as the value of" in found.err


def test_check_shows_one_worked_row(write_study: "WriteStudy", ballast: "Ballast") -> None:
    path = write_study(data=RAW)
    frame = pd.read_csv(path.parent / "prices.csv").set_index("Date")
    for value, meant in (("true", "features_until"), ("false", "target_at")):
        answer = (*CEILING, "--set", f"data.target.already_shifted={value}")
        row = json.loads(ballast("check", path, *answer, "--json").out)["worked_row"]
        assert list(row) == ["features_until", "target_at", "target"]
        assert row["features_until"] < row["target_at"]
        assert row["target"] == frame["Close"][row[meant]]
        told = f"worked row: what is known until {row['features_until']} forecasts the target at"
        assert told in ballast("check", path, *answer).out


def test_an_older_study_continues_from_its_file_with_its_old_defaults(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study(data={"target": {**RAW["target"], "already_shifted": True}})
    assert ballast("run", path, *CEILING, *SHORT, "--trials", "1", "--json").code == 0
    store = open_store("sqlite:///ballast.db", create=False)
    with store.session() as session:
        (study,) = session.query(StudyRow)
        assert study.sources is not None
        study.sources = {key: value for key, value in study.sources.items() if key != "defaults"}
    store.close()
    write_study(data=RAW)
    again = ballast("run", path, *CEILING, *SHORT, "--trials", "2", "--json")
    assert again.code == 0, again.err


def test_forecasts_are_dated_by_the_clock_of_the_source(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study(space=None)
    table = path.parent / "prices.csv"
    frame = pd.read_csv(table)
    frame["Date"] = [f"{day} 00:00:00+09:00" for day in frame["Date"]]
    frame.to_csv(table, index=False)
    trained = ballast("train", path, "--save", "model")
    assert trained.code == 0, trained.err
    model = json.loads(Path("model/model.json").read_text())
    assert model["rows"]["until"].endswith("T00:00:00+09:00")
    forecast = ballast("predict", "model", "--data", table, "-o", "p.csv", "--allow-range")
    assert forecast.code == 0, forecast.err
    found = pd.read_csv("p.csv")
    assert list(found)[:6] == ["time", "forecast", "of", "horizon", "split", "volatility"]
    assert found["time"].tolist() == frame["Date"].tolist()[-len(found) :]
    assert found["of"].tolist()[:-1] == found["time"].tolist()[1:]
    assert np.all(found["of"].isna() == [False] * (len(found) - 1) + [True])
    told = f"{(pd.to_datetime(found['time']) > model['rows']['until']).sum()} for rows after"
    assert told in forecast.out
