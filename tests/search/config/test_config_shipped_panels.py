"""The shipped studies of panels and of hourly bars: each says what its table holds, and trials of it run."""

import json
from typing import TYPE_CHECKING

import pytest

from search.config.files.shipped import CONFIGS, shipped_studies
from search.config.resolve import resolve
from trainer.config import DataConfig

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast

STUDIES = ("us-stocks-volatility", "tech-returns", "eurusd-volatility")
SPLITS = (("AAPL", "2000-06-21"), ("AAPL", "2005-02-28"), ("MSFT", "2003-02-18"))


def config_of(name: str) -> DataConfig:
    return resolve(CONFIGS / "studies" / f"{name}.yaml").trial_config.data


@pytest.mark.parametrize("name", STUDIES)
def test_the_recipe_is_that_of_the_recommended_study(name: str) -> None:
    study, recipe = (resolve(CONFIGS / "studies" / f"{each}.yaml") for each in (name, "sp500-volatility"))
    assert study.clamps == ()
    assert set(study.space) == set(recipe.space)
    for key in ("data.split.method", "models.gru.init", "training.schedule", "study.trials"):
        assert study.settings[key].value == recipe.settings[key].value


def test_the_studies_of_volatility_know_falls_from_rises() -> None:
    for name in shipped_studies():
        if name.endswith("-volatility"):
            transforms = {feature.transform for feature in config_of(name).features}
            assert {"log_return", "abs_log_return"} <= transforms, name


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_check_passes_and_a_short_run_scores_no_test_row(name: str, ballast: "Ballast") -> None:
    checked = json.loads(ballast("check", f"sample:{name}", "--json").out)
    assert checked["ready"]
    short = ("--set", "study.trials=2", "training.epochs=2")
    told = json.loads(ballast("run", f"sample:{name}", *short, "--json").out)
    assert told["study"] == name
    assert [trial["verdict"] for trial in told["trials"]] == ["accepted", "accepted"]
