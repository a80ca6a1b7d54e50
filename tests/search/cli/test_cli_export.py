"""`ballast export`: what it prints about the chosen trial, and which options exclude each other."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

pytestmark = pytest.mark.slow


@pytest.fixture
def study(write_study: "WriteStudy", ballast: "Ballast") -> str:
    assert ballast("run", write_study().name, "--trials", 3, "--set", "training.epochs=1").code == 0
    return "small"


def test_the_terminal_says_what_the_trial_was_chosen_by(study: str, ballast: "Ballast") -> None:
    first, second, third = ballast("export", study, "-o", "best.yaml").out.splitlines()
    assert first.startswith("best.yaml: trial ")
    assert second.startswith("chosen by robust: trial ")
    assert "has the highest lower bound of skill, " in second
    assert "skill" in third
    by_value = ballast("export", study, "-o", "best.yaml", "--by", "value").out.splitlines()
    assert by_value[1].startswith("chosen by value: trial ")
    assert by_value[1].endswith(" has the lowest validation loss.")
    assert "chosen" not in ballast("export", study, "-o", "best.yaml", "--trial", 0).out


def test_json_names_the_trial_and_what_it_was_chosen_by(study: str, ballast: "Ballast") -> None:
    (told,) = ballast("export", study, "-o", "best.json", "--json").json
    assert list(told) == ["path", "trial", "value", "skill", "chosen_by", "lower_bound"]
    provenance = json.loads(Path("best.json").read_text())["provenance"]
    assert (told["chosen_by"], told["lower_bound"]) == ("robust", provenance["lower_bound"]["low"])
    lowest = ballast("status", study, "--json").json["best"]
    (by_value,) = ballast("export", study, "-o", "best.json", "--by", "value", "--json").json
    assert (by_value["trial"], by_value["lower_bound"]) == (lowest["number"], None)


def test_the_best_are_written_in_their_order(study: str, ballast: "Ballast") -> None:
    told = ballast("export", study, "-o", "best.json", "--top", 3, "--json").json
    assert [found["path"] for found in told] == ["best-1.json", "best-2.json", "best-3.json"]
    bounds = [found["lower_bound"] for found in told]
    assert bounds == sorted(bounds, reverse=True)
    assert len({found["trial"] for found in told}) == 3


def test_a_trial_by_number_is_chosen_by_nothing_else(study: str, ballast: "Ballast") -> None:
    refused = ballast("export", study, "-o", "best.yaml", "--trial", 0, "--by", "robust")
    assert refused.code == 2
    assert "--trial names one trial, --by chooses one; give one of them" in " ".join(refused.err.split())


def test_another_ending_is_refused(study: str, ballast: "Ballast") -> None:
    refused = ballast("export", study, "-o", "best.txt")
    assert (refused.code, len(refused.told)) == (2, 1)
    assert "an export ends in .yaml, .yml or .json; name it like -o best.yaml" in refused.told[0]


def test_an_export_follows_a_link_and_refuses_a_device(write_study: "WriteStudy", ballast: "Ballast") -> None:
    assert ballast("run", write_study(study={"trials": 1})).code == 0
    Path("link.yaml").symlink_to("real.yaml")
    assert ballast("export", "small", "-o", "link.yaml").code == 0
    assert Path("link.yaml").is_symlink()
    assert "provenance:" in Path("real.yaml").read_text()
    os.mkfifo("pipe.yaml")
    told = ballast("export", "small", "-o", "pipe.yaml")
    assert told.code == 2
    assert "cannot write pipe.yaml: it is a device; name a file: -o best.yaml" in told.err
    assert Path("pipe.yaml").is_fifo()
