"""`ballast trials`: sorted, cut to the best, and written as CSV and Parquet."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import ballast as api
from ballast.errors import RequestError

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

LR = "models.gru.learning_rate"
COLUMNS = {"number", "verdict", "value", "skill", "epochs", "duration_s", "seed", LR}


@pytest.fixture
def study(write_study: "WriteStudy", ballast: "Ballast") -> str:
    path = write_study(space={LR: {"low": 1e-3, "high": 1e-2, "log": True}}).name
    assert ballast("run", path, "--trials", 3, "--set", "training.epochs=1").code == 0
    return "small"


def test_sorted_lists_tables_and_frames_have_one_order(study: str, ballast: "Ballast") -> None:
    listed = [each["number"] for each in ballast("trials", study, "--sort", "loss", "--json").json]
    losses = {each["number"]: each["value"] for each in ballast("trials", study, "--json").json}
    assert listed == sorted(losses, key=lambda number: losses[number])
    assert [
        int(line.split()[0]) for line in ballast("trials", study, "--sort", "loss").out.splitlines()[1:4]
    ] == (listed)
    assert list(api.load_study(study).trials(sort="loss")["number"]) == listed
    assert [each["number"] for each in ballast("trials", study, "--best", 2, "--json").json] == listed[:2]
    rates = list(api.load_study(study).trials(best=3, sort="learning_rate")[LR])
    assert rates == sorted(rates)


def test_csv_and_parquet_hold_all_columns_with_the_settings(study: str, ballast: "Ballast") -> None:
    told = ballast("trials", study, "--csv", "t.csv", "--parquet", "t.parquet", "--sort", "skill")
    assert told.out.splitlines() == ["t.parquet: 3 trials", "t.csv: 3 trials"]
    whole = api.load_study(study).trials(sort="skill")
    for read in (pd.read_csv("t.csv"), pd.read_parquet("t.parquet")):
        assert set(read.columns) >= COLUMNS
        for column in (*COLUMNS,):
            assert read[column].tolist() == whole[column].tolist()
    printed = ballast("trials", study, "--csv", "-", "--best", 1)
    assert (len(pd.read_csv(io.StringIO(printed.out))), printed.err) == (1, "")


def test_a_setting_with_numbers_and_texts_is_text_in_parquet(tmp_path: Path) -> None:
    from search.api.trials_table import write_parquet

    write_parquet(pd.DataFrame({"reasons": [[], ["a"]], "clip": [0.5, "none"]}), tmp_path / "t.parquet")
    read = pd.read_parquet(tmp_path / "t.parquet")
    assert read["clip"].tolist() == ["0.5", "none"]
    assert [list(each) for each in read["reasons"]] == [[], ["a"]]


def test_what_cannot_be_sorted_or_written_is_told_in_one_sentence(study: str, ballast: "Ballast") -> None:
    refused = ballast("trials", study, "--sort", "los")
    assert (refused.code, refused.told) == (
        2,
        ["ballast: --sort los: trials have no such column; did you mean 'loss'?"],
    )
    refused = ballast("trials", study, "--csv", "missing/t.csv")
    assert (refused.code, len(refused.told)) == (2, 1)
    assert "there is no folder missing; make it: mkdir -p missing" in refused.told[0]
    for words in (("--watch", "--best", 2), ("--best", 1, "--verdict", "pruned"), ("--json", "--csv", "-")):
        assert ballast("trials", study, *words).code == 2
    with pytest.raises(RequestError, match="sort='los': trials have no such column; did you mean 'loss'"):
        api.load_study(study).trials(sort="los")
    with pytest.raises(RequestError, match="best is 0; it must be 1 or more"):
        api.load_study(study).trials(best=0)
