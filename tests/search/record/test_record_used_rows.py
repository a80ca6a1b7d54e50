"""Rows that were used before: by evaluations, by searches of other studies, by single trainings."""

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sqlalchemy import text

from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.selection.choice import best_trials
from search.selection.export import write_export
from search.selection.statistics.conclusion import confidence_level
from search.selection.verification import verify
from search.study.studies import open_study
from search.workers.loop import run_worker
from search.workers.progress import NoProgress
from storage.engine import Store, open_store

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

pytestmark = pytest.mark.slow

EARLIER = {"split": {"fractions": {"train": 0.3, "validation": 0.2}}}
"""Test rows from the half on: the validation rows of the small study are the first half of them."""


@pytest.fixture
def searched(write_study: "WriteStudy", launch: "Launch") -> Store:
    """The store of study `small`, which searched with three trials."""
    return launch(write_study(), "study.trials=3").store


@pytest.fixture
def other(write_study: "WriteStudy", launch: "Launch", searched: Store, tmp_path: Path) -> Path:
    """The best of study `other`, whose test rows begin where the validation rows of `small` do."""
    launch(write_study("other.yaml", data=EARLIER, study={"name": "other"}), "study.trials=1")
    target = tmp_path / "other-best.yaml"
    write_export(searched, best_trials(searched, "other", 1)[0], target)
    return target


def test_a_study_that_searched_on_the_test_rows_is_named_and_costs_confidence(
    searched: Store, other: Path, ballast: "Ballast"
) -> None:
    told = ballast("verify", other, "--seeds", 3, "--json").json
    (search,) = told["searched_by"]
    assert (search["study"], search["trials"]) == ("small", 3)
    assert search["share"] == pytest.approx(0.5, abs=0.02)
    assert told["test"]["earlier_looks"] == []
    assert told["look"] == 1
    level = confidence_level(1, 1 + 3 * math.sqrt(search["share"]))
    assert level > 0.97
    assert told["interval"]["level"] == pytest.approx(level)


def test_the_answer_says_who_searched_and_what_is_not_known(
    searched: Store, other: Path, ballast: "Ballast"
) -> None:
    shown = " ".join(ballast("verify", other, "--seeds", 1).out.split())
    assert "study 'small' searched on 50 % of them" in shown
    counted = (
        r"3 trials on 50 % of the rows count as 3·√0\.\d+ = 2\.1\d configurations; hence a confidence of 98"
    )
    assert re.search(counted, shown)
    assert "with 3 trials" in shown
    assert "nobody has looked at them" not in shown
    assert "in another store, in a notebook" in shown


def test_a_study_whose_validation_rows_are_others_costs_nothing(searched: Store, tmp_path: Path) -> None:
    target = tmp_path / "best.yaml"
    write_export(searched, best_trials(searched, "small", 1)[0], target)
    (scored,) = verify(target, searched, seeds=1).scored
    assert scored.searches == ()
    assert scored.interval is not None
    assert scored.interval.level == pytest.approx(0.95)


@pytest.mark.slow
def test_what_is_searched_afterwards_does_not_change_an_answer(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path
) -> None:
    store = launch(write_study("other.yaml", data=EARLIER, study={"name": "other"}), "study.trials=1").store
    target = tmp_path / "other-best.yaml"
    write_export(store, best_trials(store, "other", 1)[0], target)
    (first,) = verify(target, store, seeds=1).scored
    launch(write_study(), "study.trials=2")
    (same,) = verify(target, store, seeds=1).scored
    (new,) = verify(target, store, seeds=2).scored
    assert (same.evaluation_number, same.searches, same.interval) == (1, (), first.interval)
    assert (new.evaluation_number, [search.study for search in new.searches]) == (2, ["small"])


def test_a_trial_that_another_study_took_over_counts_once(
    searched: Store, other: Path, write_study: "WriteStudy"
) -> None:
    resolved = resolve(write_study("more.yaml", study={"name": "more"}), ["study.trials=1"])
    more = open_study(resolved, load_study_data(resolved), searched, continue_from="small")
    run_worker(more, NoProgress(), lambda: False)
    (scored,) = verify(other, searched, seeds=1).scored
    assert [(search.study, search.trials) for search in scored.searches] == [
        ("small", 3),
        ("more", 1),
    ]


def test_a_study_of_another_asset_costs_nothing(
    write_study: "WriteStudy", launch: "Launch", tmp_path: Path
) -> None:
    launch(write_study(seed=1), "study.trials=1")  # the file is replaced below, under the same name
    store = launch(write_study("other.yaml", data=EARLIER, study={"name": "other"}), "study.trials=1").store
    target = tmp_path / "other-best.yaml"
    write_export(store, best_trials(store, "other", 1)[0], target)
    assert verify(target, store, seeds=1).scored[0].searches == ()


def altered(name: str, table: pd.DataFrame, config: dict[str, Any]) -> None:
    """Write the table in another form, and the configuration that reads it."""
    config["data"]["source"] = f"{name}.csv"
    if name == "parquet":
        config["data"]["source"] = "t.parquet"
        table.to_parquet("t.parquet", index=False)
        return
    if name == "one_row_more":
        last = table.iloc[[-1]].assign(Date=str(pd.bdate_range(table.Date.iloc[-1], periods=2)[1].date()))
        table = pd.concat([table, last])
    elif name == "renamed":
        table = table.rename(columns={"High": "hi"})
        for part in (config["data"]["target"], *config["data"]["features"]):
            part["high"] = "hi"
    elif name == "duplicated":
        table = table.assign(High2=table.High)
        config["data"]["target"]["high"] = "High2"
    elif name == "rescaled":
        table = table.assign(**{column: table[column] * 100 for column in ("Close", "High", "Low")})
    elif name == "zone":
        table = table.assign(Date=table.Date + "T00:00:00+09:00")
    table.to_csv(f"{name}.csv", index=False)


@pytest.mark.parametrize("form", ["parquet", "one_row_more", "renamed", "duplicated", "rescaled", "zone"])
def test_the_same_rows_in_another_table_are_not_new(
    other: Path, searched: Store, ballast: "Ballast", form: str
) -> None:
    assert ballast("verify", other, "--seeds", 1, "--json").json["test"]["earlier_looks"] == []
    config = yaml.safe_load(other.read_text())
    del config["provenance"]
    altered(form, pd.read_csv("prices.csv"), config)
    Path("again.yaml").write_text(yaml.safe_dump(config))
    told = ballast("verify", "again.yaml", "--seeds", 1, "--json").json
    assert [evaluation["kind"] for evaluation in told["test"]["earlier_looks"]] == ["verify"]
    assert [search["study"] for search in told["searched_by"]] == ["small"]


def test_rows_on_record_without_their_series_are_known_by_table_target_and_times(
    searched: Store, other: Path
) -> None:
    verify(other, searched, seeds=1)
    with searched.session() as session:
        session.execute(text("UPDATE ballast_looks SET series = NULL"))
        session.execute(text("UPDATE ballast_held_out SET series = NULL"))
    report = verify(other, searched, seeds=2)
    assert (len(report.earlier), report.scored[0].evaluation_number) == (1, 2)
    (search,) = report.scored[0].searches
    assert (search.study, search.trials) == ("small", 3)
    assert search.share == pytest.approx(0.5, abs=0.02)


MOVED = ("--set", "data.split.fractions={train: 0.7, validation: 0.2}")


def test_a_training_with_a_moved_split_is_on_record(
    searched: Store, tmp_path: Path, ballast: "Ballast"
) -> None:
    """The validation rows of the training are test rows of the exported configuration."""
    target = tmp_path / "best.yaml"
    write_export(searched, best_trials(searched, "small", 1)[0], target)
    trained = ballast("train", target, *MOVED)
    assert "on record in sqlite:///ballast.db: rows from 2002-" in trained.out
    told = ballast("verify", target, "--seeds", 1, "--json").json
    (evaluation,) = told["test"]["earlier_looks"]
    assert (evaluation["kind"], evaluation["study"], evaluation["verdict"]) == ("train", "small", "accepted")
    assert told["look"] == 2
    assert told["interval"]["level"] == pytest.approx(confidence_level(2))
    shown = " ".join(ballast("verify", target, "--seeds", 1).out.split())
    assert "looked at once before by ballast train, on " in shown
    assert "looked at once before by ballast verify, on 100 % of them, 2002-" in shown


def test_a_training_is_on_record_where_there_was_no_store(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study(space=None, models={"gru": {"learning_rate": 5e-3}})
    number = ballast("train", path, "--store", "sqlite:///made.db", "--json").json["evaluation"]
    assert number == 1
    store = open_store("sqlite:///made.db", create=False)
    with store.reading() as session:
        (row,) = session.execute(text("SELECT kind, verdict FROM ballast_looks"))
    assert tuple(row) == ("train", "accepted")
    store.close()


def test_an_exported_trial_trained_again_scores_nothing_new(
    searched: Store, tmp_path: Path, ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "best.yaml"
    write_export(searched, best_trials(searched, "small", 1)[0], target)
    again = ballast("train", target, "--store", "sqlite:///made.db", "--json").json
    assert (again["reproduction"], again["evaluation"]) == ("bits", None)
    assert not Path("made.db").exists()


def test_an_export_that_was_edited_is_another_training(
    searched: Store, tmp_path: Path, ballast: "Ballast"
) -> None:
    target = tmp_path / "best.yaml"
    write_export(searched, best_trials(searched, "small", 1)[0], target)
    content = yaml.safe_load(target.read_text())
    content["models"]["gru"]["hidden_size"] = 7
    target.write_text(yaml.safe_dump(content))
    assert ballast("train", target, "--store", "sqlite:///made.db", "--json").json["evaluation"] == 1


def test_the_level_falls_with_no_use_of_the_rows() -> None:
    """Never: more uses ask for more confidence."""
    by_number = [confidence_level(number, 4) for number in range(1, 20)]
    by_candidates = [confidence_level(2, candidates) for candidates in np.linspace(1, 500, 50)]
    assert by_number == sorted(by_number)
    assert by_candidates == sorted(by_candidates)
    assert confidence_level(1, 1) == pytest.approx(0.95)
