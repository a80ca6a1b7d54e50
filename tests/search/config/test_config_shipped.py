"""`sample:NAME` stands for a study that ships with Ballast, wherever a study file may stand."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from search.config.files.shipped import CONFIGS, shipped_studies, study_file
from search.config.resolve import resolve
from search.errors import ConfigError

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast


def test_every_shipped_study_has_a_name_and_is_the_file() -> None:
    assert "sp500-volatility" in shipped_studies()
    for name in shipped_studies():
        assert study_file(Path(f"sample:{name}")) == CONFIGS / "studies" / f"{name}.yaml"
        assert resolve(Path(f"sample:{name}")).file.study.name == name


def test_settings_say_that_they_come_from_the_sample() -> None:
    resolved = resolve(Path("sample:smoke"), ["study.trials=2"])
    assert resolved.file.study.trials == 2
    assert resolved.settings["training.epochs"].overrides[-1].origin.startswith("sample:smoke:")


def test_an_unknown_name_is_reported_with_the_names_that_there_are() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(Path("sample:sp500-volatilty"))
    assert str(caught.value) == (
        "sample:sp500-volatilty: no study of this name ships with Ballast; there are "
        f"{', '.join(shipped_studies())}; did you mean sample:sp500-volatility?"
    )


def test_a_file_that_is_really_called_so_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "sample:smoke"
    path.write_text((CONFIGS / "studies" / "smoke.yaml").read_text().replace("name: smoke", "name: mine"))
    assert resolve(path).file.study.name == "mine"


def test_relative_paths_start_in_the_folder_before_the_name(tmp_path: Path) -> None:
    resolved = resolve(tmp_path / "sample:smoke", ["data.source=prices.csv"])
    assert resolved.folder == tmp_path


@pytest.mark.parametrize("command", ["check", "run", "train"])
def test_commands_that_take_a_study_file_name_what_is_there(command: str, ballast: "Ballast") -> None:
    told = ballast(command, "sample:none")
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert "there are eurusd-volatility, nasdaq-volatility, smoke" in told.err


def test_check_names_the_run_that_it_answers_for(ballast: "Ballast") -> None:
    told = ballast("check", "sample:smoke")
    assert told.code == 0, told.err
    assert told.out.splitlines()[0] == "ready: ballast run sample:smoke"


@pytest.mark.slow
def test_a_study_of_a_sample_runs_and_is_found_again_by_its_record(ballast: "Ballast") -> None:
    first = json.loads(ballast("run", "sample:smoke", "--json").out)
    again = json.loads(ballast("run", "sample:smoke", "--trials", "4", "--json").out)
    assert (first["study"], again["study"]) == ("smoke", "smoke")
    recorded = str(Path("sample:smoke").resolve())
    assert ballast("check", recorded).code == 0
