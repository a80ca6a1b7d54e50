"""`ballast walk-forward`: blocks are studies of the rows before them, nothing is done twice, one record."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from search.selection.walk_forward_record import read_record
from storage import query, walk_forwards
from storage.engine import open_store
from tests.search_fixtures import Ballast, Result, WriteStudy

pytestmark = pytest.mark.slow
STORE = "sqlite:///ballast.db"
TWO = ("--every", "4mo", "--from", "2001-11", "--seeds", 1)
"""Two blocks, up to the last of 400 days, 2002-07-12."""


def walk(ballast: Ballast, study: Path, *more: object) -> Result:
    return ballast("walk-forward", study, *TWO, *more)


def trials() -> dict[str, list[Any]]:
    store = open_store(STORE, create=False)
    try:
        return {
            study.name: [
                (each.number, each.params, each.value, each.finished_at)
                for each in query.trials(store, study.name)
            ]
            for study in query.studies(store)
        }
    finally:
        store.close()


def test_json_has_the_shape_that_other_programs_rely_on(ballast: Ballast, write_study: WriteStudy) -> None:
    done = walk(ballast, write_study(), "--json")
    assert done.code in (0, 1), done.err
    told = done.json
    assert [{name: block[name] for name in ("study", "from", "until")} for block in told["blocks"]] == [
        {"study": "small@2001-11", "from": "2001-11-01", "until": "2002-02-28"},
        {"study": "small@2002-03", "from": "2002-03-01", "until": "2002-06-30"},
        {"study": "small@2002-07", "from": "2002-07-01", "until": "2002-07-11"},
    ]
    assert all(
        isinstance(block["trial"], int) and isinstance(block["skill"], float) for block in told["blocks"]
    )
    assert told["rows"] == sum(block["rows"] for block in told["blocks"])
    assert {"low", "high", "level"} <= set(told["interval"])
    assert {"name", "loss", "skill", "interval", "verdict"} <= set(told["strongest_rival"])
    days = pd.bdate_range("2001-01-01", periods=400)
    assert told["rows"] == len(
        days[(days >= pd.Timestamp("2001-11-01")) & (days <= pd.Timestamp("2002-07-11"))]
    )


def test_what_lies_behind_a_block_changes_nothing_in_its_study(
    ballast: Ballast, write_study: WriteStudy
) -> None:
    study = write_study(data={"target": {**_TARGET, "horizon": 5}})
    assert walk(ballast, study, "--name", "before").code in (0, 1)
    table = pd.read_csv("prices.csv")
    later = table.Date >= "2001-11-01"
    table.loc[later, "High"] = table.loc[later, "Low"] * np.exp(np.linspace(0.001, 0.2, later.sum()))
    table.to_csv("prices.csv", index=False)
    assert walk(ballast, study, "--name", "after").code in (0, 1)
    found = trials()
    assert [each[:3] for each in found["before@2001-11"]] == [each[:3] for each in found["after@2001-11"]]
    assert [each[2] for each in found["before@2002-03"]] != [each[2] for each in found["after@2002-03"]]


_TARGET = {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": "volatility"}


def test_the_same_command_does_nothing_twice_and_gives_the_same_record(
    ballast: Ballast, write_study: WriteStudy
) -> None:
    study = write_study()
    first = walk(ballast, study, "--json").json
    before = trials()
    again = walk(ballast, study, "--json").json
    assert again == first
    assert trials() == before


def test_another_plan_under_the_same_name_is_refused_with_what_differs(
    ballast: Ballast, write_study: WriteStudy
) -> None:
    study = write_study()
    walk(ballast, study, "-q")
    refused = ballast("walk-forward", study, "--every", "1y", "--from", "2001-11", "--seeds", 2)
    assert refused.code == 2
    (line,) = [line for line in refused.told if line.startswith("ballast:")]
    assert "every was 4mo, now 1y; seeds was 1, now 2" in line
    assert line.endswith("start another one: --name small-2")


def test_a_set_of_the_split_decides_the_lengths_and_not_the_blocks(
    ballast: Ballast, write_study: WriteStudy
) -> None:
    split = [("--set", f"data.split.{each}") for each in ("fractions=null", "train_until=2001-06-29")]
    split.append(("--set", "data.split.validation_until=2001-10-31"))
    done = walk(
        ballast, write_study(), *(text for pair in split for text in pair), "--search", "none", "--json"
    )
    assert done.code in (0, 1), done.err
    assert done.json["blocks"][0]["from"] == "2001-11-01"


def test_search_none_keeps_the_settings_of_the_file_and_trains_one_trial_a_block(
    ballast: Ballast, write_study: WriteStudy
) -> None:
    told = walk(ballast, write_study(), "--search", "none", "--name", "fixed", "--json").json
    assert [block["trials"] for block in told["blocks"]] == [1, 1, 1]
    assert [block["settings"] for block in told["blocks"]] == [{}, {}, {}]
    assert told["options"]["search"] == "none"


def test_warm_start_tries_the_best_of_the_block_before_first(
    ballast: Ballast, write_study: WriteStudy
) -> None:
    told = walk(ballast, write_study(), "--warm-start", "--json").json
    found = trials()
    for before, block in zip(told["blocks"], told["blocks"][1:], strict=False):
        assert found[block["study"]][0][1] == before["settings"]


def test_two_workers_share_the_trials_of_each_block(ballast: Ballast, write_study: WriteStudy) -> None:
    shared = walk(
        ballast, write_study(study={"sampler": "random", "startup_trials": None}), "--workers", 2, "--json"
    )
    assert shared.code in (0, 1), shared.err
    told = shared.json
    alone = walk(ballast, Path("study.yaml"), "--name", "alone", "--json").json
    assert [block["settings"] for block in told["blocks"]] == [block["settings"] for block in alone["blocks"]]
    assert told["skill"] == alone["skill"]


def test_its_rows_are_used_once_and_verify_knows_it(ballast: Ballast, write_study: WriteStudy) -> None:
    study = write_study()
    first = walk(ballast, study, "--json").json
    assert first["look"] == 1
    other = walk(ballast, study, "--name", "other", "--set", "training.epochs=3", "--json").json
    assert other["look"] == 2
    assert other["interval"]["level"] > first["interval"]["level"]
    assert ballast("run", study, "--name", "usual").code == 0
    assert ballast("export", "usual", "-o", "best.yaml").code == 0
    looks = ballast("verify", "best.yaml", "--seeds", 1, "--json").json["test"]["earlier_looks"]
    assert [look["kind"] for look in looks] == ["walk-forward", "walk-forward"]


def test_where_no_trial_is_accepted_the_best_naive_forecast_stands_in(
    ballast: Ballast, write_study: WriteStudy
) -> None:
    told = walk(ballast, write_study(), "--set", "guard.loss_floor=1000", "--json").json
    assert [block["trial"] for block in told["blocks"]] == [None, None, None]
    assert all(block["fallback"].startswith("no trial was accepted: ") for block in told["blocks"])
    assert told["skill"] <= 0
    assert told["verdict"] != "holds"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--every", "often"), "--every 'often' is no length of a block; write it as 1y, 6mo"),
        (("--every", "1y", "--from", "soon"), "--from 'soon' is no date; write it as 2011"),
        (("--every", "1y", "--from", "2030"), "no row is forecast from 2030-01-01 on"),
        (("--every", "1y", "--from", "2001-02"), "begin later: --from"),
        (("--every", "1y", "--search", "none", "--trials", "3"), "--trials has no effect with --search none"),
        (
            ("--every", "1y", "--search", "none", "--warm-start"),
            "--warm-start has no effect with --search none",
        ),
    ],
)
def test_a_wrong_request_is_one_sentence_and_leaves_no_study(
    ballast: Ballast, write_study: WriteStudy, options: tuple[str, ...], sentence: str
) -> None:
    refused = ballast("walk-forward", write_study(), *options)
    assert refused.code == 2
    assert sentence in " ".join(refused.told)
    assert not Path("ballast.db").exists()


def test_the_record_says_how_often_validation_was_right_and_how_the_settings_wandered(
    ballast: Ballast, write_study: WriteStudy
) -> None:
    walk(ballast, write_study(), "-q")
    store = open_store(STORE, create=False)
    record = read_record(store, "small")
    assert sum(each.blocks for each in record.calibration()) == len(record.blocks)
    assert [len(values) for values in record.wandering().values()] == [len(record.blocks)]
    assert walk_forwards.walk_forward_of_study(store, "small@2002-03") == "small"
    assert record.rows is not None
    assert record.skill == pytest.approx(
        1 - record.rows.loss.mean() / record.rows.naive_losses[record.rows.baseline].mean()
    )
    store.close()
