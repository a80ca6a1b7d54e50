"""The forecast that the table of verified skill stands beside: HAR with a term for losses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.market import SP500
from benchmarks.verified import ROOT, STUDIES, har_with_losses, leverage_loss
from search.config.resolve import resolve
from trainer.config import DataConfig
from trainer.data.source import read_table
from trainer.data.windows import Dataset, prepare, prepare_final
from trainer.rivals.naive import baseline_forecasts


@pytest.fixture(scope="module")
def market() -> Dataset:
    config = DataConfig.model_validate(SP500)
    return prepare(config, read_table(config, folder=Path()))


def returns_of(data: Dataset) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Returns of the rows in standard deviations, as the features have them."""
    returns: np.ndarray[tuple[int], np.dtype[np.float64]] = data.features[:, 0].astype(np.float64)
    return returns


def test_without_losses_it_is_har(market: Dataset) -> None:
    gains = np.abs(returns_of(market))
    told = har_with_losses(market, gains, market.validation)
    har = baseline_forecasts(market, market.validation)["har"]
    np.testing.assert_allclose(told, har, atol=1e-9)


def test_what_losses_add_to_the_target_is_found(market: Dataset) -> None:
    returns = returns_of(market)
    planted = np.full(len(market.target), 0.3) - 0.5 * np.minimum(returns, 0)
    data = replace(market, target=planted.astype(np.float32))
    told = har_with_losses(data, returns, data.validation)
    np.testing.assert_allclose(told, planted[data.validation], atol=1e-5)


def test_no_forecast_knows_a_target_of_its_day_or_later(market: Dataset) -> None:
    returns, row = returns_of(market), market.validation[100]
    later = market.target.copy()
    later[row:] = 7.0
    before = har_with_losses(market, returns, market.validation[:101])
    after = har_with_losses(replace(market, target=later), returns, market.validation[:101])
    np.testing.assert_array_equal(before, after)


def test_the_loss_is_of_the_returns_of_the_table_itself() -> None:
    study = ROOT / "configs" / "studies" / "sp500-volatility.yaml"
    config = resolve(study).trial_config.data
    table = read_table(config, folder=Path())
    data = prepare_final(config, table)
    close = np.log(table.frame["Close"].to_numpy())
    returns = np.diff(close, prepend=np.nan)[table.times >= data.times[0]][: len(data.target)]
    told = har_with_losses(data, returns, data.test)
    expected = np.mean((data.target[data.test] - told) ** 2)
    assert leverage_loss(study, "Close") == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", STUDIES)
def test_the_studies_of_the_table_keep_the_rows_after_2014_for_it(name: str) -> None:
    config = resolve(ROOT / "configs" / "studies" / f"{name}.yaml").trial_config.data
    assert config.split.validation_until == "2014-12-31"
    assert STUDIES[name] == config.features[0].column
