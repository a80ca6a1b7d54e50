"""The shipped studies of panels and hourly bars: their recipe, splits of stocks, a check and a short run."""

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from search.config.files.shipped import CONFIGS, shipped_studies
from search.config.resolve import resolve
from trainer.config import DataConfig
from trainer.data.arrays import Floats
from trainer.data.features import build_features
from trainer.data.source import read_table

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


def test_no_split_of_a_stock_is_a_return_of_the_study_of_tech_stocks() -> None:
    """`Close` halves where a share became two; that is no return, and no feature may show it as one."""
    shipped = config_of("tech-returns")
    values = shipped.model_dump(exclude_unset=True)
    quoted = DataConfig.model_validate(
        {
            **values,
            "features": [{"name": "ret", "column": "Close", "transform": "log_return"}],
            "target": {**values["target"], "column": "Close"},
        }
    )
    for ticker, day in SPLITS:
        assert np.abs(values_at(quoted, ticker, day)).max() > 0.55
        assert np.abs(values_at(shipped, ticker, day)).max() < 0.55


def values_at(config: DataConfig, ticker: str, day: str) -> Floats:
    """What the features of returns are on one day, and the largest target of the week before it."""
    table = read_table(config, folder=CONFIGS / "studies")
    built = build_features(config, table)
    span = table.spans[table.series_names.index(ticker)]
    row = span.start + int(table.times[span].searchsorted(pd.Timestamp(day)))
    returns = [f.name for f in config.features if f.transform == "log_return" and (f.window or 1) <= 5]
    targets = built.unshifted[row : row + 5]
    return np.concatenate([built.features[returns].to_numpy(np.float64)[row], targets])


def test_no_level_of_an_adjusted_price_is_a_feature() -> None:
    """A dividend of tomorrow lowers the adjusted prices of today; their ratios stay what they are."""
    for name in ("us-stocks-volatility", "tech-returns"):
        config = config_of(name)
        adjusted = [
            each for each in (*config.features, config.target) if each.column in ("value", "Adj Close")
        ]
        assert adjusted
        assert {each.transform for each in adjusted} <= {"log_return", "abs_log_return"}


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_check_passes_and_a_short_run_ends(name: str, ballast: "Ballast") -> None:
    checked = json.loads(ballast("check", f"sample:{name}", "--json").out)
    assert checked["ok"]
    assert min(checked["rows"].values()) > 500
    short = ["--set", "study.trials=2", "--set", "training.epochs=2"]
    if name == "us-stocks-volatility":
        short += ["--set", "data.series=[AAPL, JPM, RRC, XOM]"]  # all twenty take a minute
    told = json.loads(ballast("run", f"sample:{name}", *short, "--json").out)
    assert (told["study"], told["trials"]) == (name, 2)
    assert told["verdicts"] == {"accepted": 2}
