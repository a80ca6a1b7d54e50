"""A study that begins with an exported configuration tries it first and once, and records why."""

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from search.record.row_mapping import settings_from_rows
from storage import query
from storage.engine import open_store

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

LR = "models.gru.learning_rate"


def _exported(write_study: "WriteStudy", ballast: "Ballast", name: str) -> float:
    """Run a study, export its best to `name`, and give the value of what it searched."""
    assert ballast("run", write_study(study={"name": "old"}).name, "--trials", 1).code == 0
    assert ballast("export", "old", "-o", name).code == 0
    assert "Traceback" not in ballast("train", name).err
    with closing(open_store("sqlite:///ballast.db")) as store:
        return float(query.trial(store, "old", 0).params[LR])


def _params(study: str) -> list[dict[str, Any]]:
    with closing(open_store("sqlite:///ballast.db")) as store:
        return [row.params for row in query.trials(store, study)]


@pytest.mark.slow
def test_the_next_study_tries_the_exported_configuration_first_and_only_once(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    rate = _exported(write_study, ballast, "best.json")
    path = write_study("next.yaml", study={"name": "next"}).name
    ran = ballast("run", path, "--trials", 1, "--warm-start", "best.json")
    assert (ran.code, _params("next")) == (0, [{LR: rate}])
    assert "was found with" not in ran.out
    assert ballast("run", path, "--trials", 3, "--warm-start", "best.json").code == 0
    assert [found[LR] == rate for found in _params("next")] == [True, False, False]
    told = {setting["key"]: setting for setting in ballast("explain", "next", "--trial", 0, "--json").json}
    assert told[LR]["origin"] == "--warm-start best.json"
    queue = told["study.enqueue"]
    assert (queue["layer"], queue["origin"]) == ("cli", "--warm-start best.json")
    assert queue["value"] == [{LR: rate}]


@pytest.mark.slow
def test_what_is_cut_is_on_record_with_study_and_trial(write_study: "WriteStudy", ballast: "Ballast") -> None:
    path = write_study(study={"name": "next"}).name
    Path("wild.yaml").write_text(f"{LR}: 7\n")
    ran = ballast("run", path, "--trials", 1, "--warm-start", "wild.yaml")
    assert ran.code == 0, ran.err
    with closing(open_store("sqlite:///ballast.db")) as store:
        (clamp,) = query.clamps(store, "next")
        settings = settings_from_rows(query.setting_layers(store, "next", 0))
    assert (clamp.key, clamp.declared, clamp.effective) == (f"study.enqueue[0].{LR}", 7.0, 0.01)
    assert "(--warm-start wild.yaml)" in clamp.reason
    (setting,) = [setting for setting in settings if setting.key == LR]
    assert [(act.layer, act.requested) for act in setting.overrides][-2:] == [
        ("sampled", 7.0),
        ("clamp", 7.0),
    ]
    assert setting.value == 0.01


@pytest.mark.slow
def test_a_difference_in_fixed_settings_is_reported_at_the_start(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    _exported(write_study, ballast, "best.yaml")
    path = write_study("next.yaml", study={"name": "next"}, training={"epochs": 1}).name
    for command in (("check",), ("run", "--trials", 1)):
        told = ballast(*command, path, "--warm-start", "best.yaml")
        assert told.code == 0
        assert told.out.count("--warm-start best.yaml was found with training.epochs 2 (here 1)") == 1


@pytest.mark.slow
def test_workers_need_no_file(write_study: "WriteStudy", ballast: "Ballast") -> None:
    rate = 0.002
    Path("best.yaml").write_text(f"{LR}: {rate}\n")
    path = write_study("next.yaml", study={"name": "next"}, training={"epochs": 1}).name
    ran = ballast("run", path, "--trials", 2, "--workers", 2, "--warm-start", "best.yaml", "--json")
    assert ran.code == 0, ran.err
    assert [found[LR] for found in _params("next")].count(rate) == 1
    for file in ("best.yaml", path):
        Path(file).unlink()
    assert ballast("worker", "next").code == 0


def test_a_file_that_cannot_be_begun_from_is_one_sentence(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study().name
    Path("other.json").write_text(json.dumps({"training": {"epochs": 3}}))
    for file, sentence in (
        ("missing.yaml", "missing.yaml: there is no such file"),
        ("other.json", f"other.json: it sets no key that this study searches ({LR})"),
        ("prices.csv", "prices.csv:1: the file holds the single value"),
    ):
        refused = ballast("run", path, "--warm-start", file)
        assert (refused.code, len(refused.told)) == (2, 1)
        assert sentence in refused.told[0]
        assert not Path("ballast.db").exists()
