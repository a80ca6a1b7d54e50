"""Files that Ballast 0.1.0 left are read, reproduced and gone on with by the code of today.

They were made by `make_files.py`, at schema 0004, before the code was put into rooms. What a command answers
may gain keys. On another machine, or with other versions, numbers may differ in their last digits, as they
may for whoever reruns an exported file.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.compatibility.answers import (
    FILES,
    LATER,
    READ,
    READERS,
    WRITERS,
    WRITTEN,
    Command,
    answer,
    lost,
    shape,
)

KEPT_0003 = Path(__file__).parents[1] / "storage" / "schemas" / "0003.sqlite.sql"


def kept(path: Path) -> Any:
    return json.loads(path.read_text())


def test_the_store_is_well(ballast: Command, folder: Path) -> None:
    """Every study is there, with each verdict that a trial can have, findings, folds and an evaluation."""
    assert answer(ballast, ("db", "check"), folder) == {"ok": True, "settled": [], "problems": []}
    verdicts = [study["verdicts"] for study in answer(ballast, ("status",), folder)]
    assert {verdict for of_one in verdicts for verdict in of_one} == {
        *("accepted", "unpromising", "unstable", "suspicious", "interrupted", "failed")
    }
    with closing(sqlite3.connect("ballast.db")) as file:
        for table in ("ballast_findings", "ballast_looks", "ballast_clamps"):
            assert file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0


@pytest.mark.parametrize("name", READERS)
def test_what_is_on_record_is_told_as_before(ballast: Command, folder: Path, name: str) -> None:
    gone = lost(answer(ballast, READERS[name], folder), kept(READ)[name])
    assert not gone, "\n".join(gone)


@pytest.mark.parametrize(
    ("study", "file"), [("mixed", "best.yaml"), ("mixed", "best.json"), ("folds", "folds-best.yaml")]
)
def test_an_export_is_the_same_to_the_byte(ballast: Command, folder: Path, study: str, file: str) -> None:
    (folder / file).unlink()
    ballast("export", study, "-o", file)
    assert (folder / file).read_bytes() == (FILES / file).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("file", ["best.yaml", "best.json", "folds-best.yaml"])
def test_an_exported_file_gives_its_value_again(ballast: Command, folder: Path, file: str) -> None:
    told = answer(ballast, ("train", file), folder)
    assert told["reproduction"] in (("close", "bits") if told["differences"] else ("bits",)), told
    assert told["verdict"] == "accepted"
    assert told["evaluation"] is None, "nothing new was scored"


def test_a_model_folder_forecasts_as_before(ballast: Command, folder: Path) -> None:
    ballast("predict", "model", "--data", "new.csv", "-o", "again.csv")
    before, now = (pd.read_csv(folder / name) for name in ("predictions.csv", "again.csv"))
    pd.testing.assert_frame_equal(now[list(before)], before, rtol=1e-5)


@pytest.mark.slow
def test_a_killed_trial_goes_on_from_its_checkpoint(ballast: Command, folder: Path) -> None:
    """Its epochs before the kill have the seconds that they took then: they were not trained again."""
    elsewhere = answer(ballast, ("train", "best.yaml"), folder)["differences"]
    ballast("run", "stopped.yaml")
    now = {trial["number"]: trial for trial in answer(ballast, ("trials", "stopped"), folder)}
    before = {trial["number"]: trial for trial in kept(LATER)["stopped"]}
    assert [now[number]["verdict"] for number in sorted(now)] == ["interrupted", "accepted"] * 2
    assert now[3]["params"] == now[2]["params"] == before[3]["params"]
    assert now[3]["value"] == pytest.approx(before[3]["value"], abs=1e-4 if elsewhere else 0)
    assert elsewhere or seconds_of(3)[: len(seconds_of(2))] == seconds_of(2)
    assert not list(folder.rglob("*.checkpoint"))


def seconds_of(trial: int) -> list[bytes]:
    """How long each epoch of a trial of `stopped` took."""
    sql = "SELECT seconds FROM ballast_epochs WHERE study = 'stopped' AND trial = ? ORDER BY epoch"
    with closing(sqlite3.connect("ballast.db")) as file:
        found = [row[0] for row in file.execute(sql, (trial,))]
    assert len(found) > 10
    return found


@pytest.mark.slow
def test_a_finished_study_goes_on(ballast: Command, folder: Path) -> None:
    """The sampler has learnt from the same trials, so that the next ones are those of before."""
    elsewhere = answer(ballast, ("train", "best.yaml"), folder)["differences"]
    ballast("run", "mixed.yaml", "--trials", "9")
    now, before = answer(ballast, ("trials", "mixed"), folder), kept(LATER)["mixed"]
    old = len(kept(READ)["trials of many verdicts"])
    assert len(now) == len(before) > old
    assert lost(now[:old], before[:old]) == []
    for trial, then in zip(now[old:], before[old:], strict=True):
        assert trial["seed"] == then["seed"]
        assert trial["verdict"] == then["verdict"]
        assert trial["params"] == (pytest.approx(then["params"]) if elsewhere else then["params"])
        assert elsewhere or trial["value"] == then["value"]


@pytest.mark.slow
def test_the_answers_of_commands_that_write_keep_their_keys_and_types(ballast: Command, folder: Path) -> None:
    found = {name: shape(answer(ballast, command, folder)) for name, command in WRITERS.items()}
    gone = lost(found, kept(WRITTEN), shapes=True)
    assert not gone, "\n".join(gone)


def test_a_store_of_the_schema_before_is_upgraded_read_and_exported(ballast: Command, folder: Path) -> None:
    with closing(sqlite3.connect("older.db")) as file:
        file.executescript(KEPT_0003.read_text())
    store = ("--store", "sqlite:///older.db")
    ballast("db", "upgrade", *store)
    assert answer(ballast, ("db", "check", *store), folder)["ok"]
    assert [study["study"] for study in answer(ballast, ("status", *store), folder)] == ["smoke"]
    trials = answer(ballast, ("trials", "smoke", *store), folder)
    assert [trial["verdict"] for trial in trials] == ["accepted"] * 3
    ballast("export", "smoke", "-o", "smoke.yaml", *store)
    told = answer(ballast, ("train", "smoke.yaml"), folder)
    assert told["reproduced"], told
