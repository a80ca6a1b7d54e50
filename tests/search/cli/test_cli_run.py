"""`ballast run`: its options, and what they leave on record."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

LR = "models.gru.learning_rate"


def test_a_clamped_configuration_of_the_study_file_is_explained_on_its_trial(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study(study={"trials": 1, "enqueue": [{LR: 5}]})
    assert ballast("run", path).code == 0
    (setting,) = ballast("explain", "small", "--trial", 0, "--key", LR, "--json").json
    assert (setting["layer"], setting["requested"]) == ("clamp", 5)
    assert setting["overrides"][-2]["reason"] == "asked for in the queue"


def test_two_places_for_the_store_are_an_error_and_the_one_used_is_on_record(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path, store = write_study(study={"trials": 1}), "sqlite:///other.db"
    told = ballast("run", path, "--store", store, "--set", "storage.url=sqlite:///third.db")
    assert told.code == 2
    assert "--store name two stores; keep one of them" in told.err
    assert not Path("third.db").exists()
    assert ballast("run", path, "--store", store).code == 0
    (setting,) = ballast("explain", "small", "--key", "storage.url", "--store", store, "--json").json
    assert (setting["value"], setting["layer"], setting["origin"]) == (store, "cli", "--store")


@pytest.mark.parametrize("devices", ["", "cpu,,", " "])
def test_an_empty_device_is_refused(write_study: "WriteStudy", ballast: "Ballast", devices: str) -> None:
    refused = ballast("run", write_study(), "--devices", devices)
    assert refused.code == 2
    assert "names an empty device; write them as in --devices cpu,cpu" in refused.told[0]
