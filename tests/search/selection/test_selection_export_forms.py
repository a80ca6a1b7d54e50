"""The same export as YAML and as JSON: what stands in either, and that both give the value again."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from search.config.resolve import resolve
from search.errors import RequestError
from search.selection.choice import ChoiceReason, choose_trials
from search.selection.export import write_export
from search.selection.rerun import rerun
from search.selection.skill_bound import LowerBound

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, Launched, WriteStudy

NAME = 'é 😀 "q" {x}'


@pytest.fixture
def done(write_study: "WriteStudy", launch: "Launch") -> "Launched":
    path = write_study(
        study={"name": NAME},
        data={"features": [{"name": "1e3", "column": "Close", "transform": "log_return"}]},
    )
    return launch(path, "study.trials=1", "training.epochs=1", "models.gru.dropout=0.7")


def _both(done: "Launched", tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The one accepted trial as YAML and as JSON."""
    for name in ("best.yaml", "best.json"):
        write_export(done.store, done.trials[0], tmp_path / name)
    return (
        yaml.safe_load((tmp_path / "best.yaml").read_text()),
        json.loads((tmp_path / "best.json").read_text()),
    )


def test_json_has_what_yaml_has_and_its_comments_in_the_provenance(done: "Launched", tmp_path: Path) -> None:
    as_yaml, as_json = _both(done, tmp_path)
    about, settings = (as_json["provenance"].pop(key) for key in ("about", "settings"))
    assert as_json == as_yaml
    assert list(as_json) == ["study", "data", "models", "training", "guard", "provenance"]
    assert about[0] == f"Study {NAME}, trial 0: validation loss {done.trials[0].value:.6f}"
    assert about[-1] == "Run it again:  ballast train best.json"
    told = settings["models.gru.dropout"]
    assert (told["layer"], told["requested"]) == ("clamp", 0.7)
    assert told["origin"].startswith("configs/safe_ranges.yaml:")
    assert told["reason"].startswith("safe range: at most 0.5")


@pytest.mark.slow
def test_both_are_read_as_the_same_configuration(done: "Launched", tmp_path: Path) -> None:
    _both(done, tmp_path)
    one, other = (resolve(tmp_path / name) for name in ("best.yaml", "best.json"))
    assert one.trial_config == other.trial_config
    assert one.file.study.name == other.file.study.name == NAME


def test_train_of_the_json_gives_the_value_again_to_the_last_bit(done: "Launched", tmp_path: Path) -> None:
    _both(done, tmp_path)
    again = rerun(tmp_path / "best.json")
    assert again.expected == again.result.value == done.trials[0].value


def test_another_ending_is_one_sentence_and_writes_nothing(done: "Launched", tmp_path: Path) -> None:
    for name in ("best", "best.toml", "best.yaml.bak"):
        with pytest.raises(
            RequestError, match=r"an export ends in \.yaml, \.yml or \.json; name it like -o "
        ):
            write_export(done.store, done.trials[0], tmp_path / name)
        assert not (tmp_path / name).exists()


def test_the_file_says_what_it_was_chosen_by(done: "Launched", tmp_path: Path) -> None:
    (choice,) = choose_trials(done.store, NAME)
    path = tmp_path / "best.yml"
    write_export(done.store, choice.trial, path, choice.why)
    assert f"# Chosen: {choice.why.sentence}." in path.read_text().splitlines()
    provenance = yaml.safe_load(path.read_text())["provenance"]
    assert choice.why.bound is not None
    assert provenance["chosen_by"] == "robust"
    assert provenance["lower_bound"]["low"] == choice.why.bound.low
    write_export(done.store, choice.trial, path, ChoiceReason("value", "lowest", LowerBound(0.1, 0.0, 2, 8)))
    assert yaml.safe_load(path.read_text())["provenance"]["lower_bound"] == {
        "mean": 0.1,
        "low": 0.0,
        "seeds": 2,
        "groups": 8,
    }
    write_export(done.store, choice.trial, path)
    assert yaml.safe_load(path.read_text())["provenance"]["chosen_by"] == "trial"
