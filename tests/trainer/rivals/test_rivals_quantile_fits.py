"""Naive forecasts and rivals forecast the quantiles that the study is judged by."""

import numpy as np
import pytest

from tests.trainer.rivals.dataset_fixtures import MakeData
from trainer.losses import HuberLoss, Loss, QLike, mean_loss
from trainer.quantile_loss import PinballLoss, QuantileLoss
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.boosted import Boosted
from trainer.rivals.effective_rows import effective_rows, least_effective_rows
from trainer.rivals.fitted import rival_forecasts

LOSS = QuantileLoss()


def stormy_returns(rows: int) -> np.ndarray:
    random = np.random.default_rng(5)
    storms = np.exp(np.convolve(random.standard_normal(rows + 99), np.ones(100) / 8, "valid"))
    returns: np.ndarray = storms * random.standard_normal(rows)
    return returns


def test_every_forecast_has_all_quantiles_in_order(make_data: MakeData) -> None:
    returns = stormy_returns(500)
    data = make_data(returns, returns[:, None], kind="return", returns=returns[:499])
    rows, target = data.validation, data.target[data.validation].astype(float)
    naive = baseline_forecasts(data, rows, LOSS)
    rivals = rival_forecasts(data, rows, LOSS).forecasts
    assert {"zero", "train_mean", "recent_spread"} <= naive.keys()
    assert {"ar", "linear"} <= rivals.keys()
    for name, told in {**naive, **rivals}.items():
        assert told.shape == (len(rows), 5), name
        assert (np.diff(told, axis=1) >= 0).all(), name
        assert np.isfinite(LOSS.value(told, target)).all(), name


def test_whoever_knows_that_storms_last_beats_the_constant_quantiles(make_data: MakeData) -> None:
    returns = stormy_returns(3000)
    data = make_data(returns, returns[:, None], kind="return", returns=returns[:2999])
    target = data.target[data.validation].astype(float)
    naive = baseline_forecasts(data, data.validation, LOSS)
    losses = {name: mean_loss(told, target, LOSS) for name, told in naive.items()}
    assert min(losses, key=lambda name: losses[name]) == "recent_spread"
    assert "recent_spread" not in baseline_forecasts(data, data.validation, PinballLoss())


@pytest.mark.parametrize("loss", [HuberLoss(0.5), QLike(2.0, 0.5), PinballLoss(0.9)], ids=repr)
def test_boosted_trees_are_fitted_to_the_loss(loss: Loss, make_data: MakeData) -> None:
    pytest.importorskip("lightgbm")
    random = np.random.default_rng(2)
    x = random.standard_normal((1500, 1))
    own = random.standard_normal(1500)
    own[1:] += np.where(x[:-1, 0] > 0, 1.0, -1.0)
    data = make_data(own, x, kind="other")
    rows = data.validation
    target, told = data.target[rows].astype(float), Boosted().fit(data, loss)(rows)
    constant = loss.best_constant(data.target[data.fitting].astype(float))
    assert mean_loss(told, target, loss) < 0.9 * mean_loss(np.full(len(rows), constant), target, loss)
    shifts = [mean_loss(told + by, target, loss) for by in (-0.6, 0.0, 0.6)]
    assert min(shifts) == shifts[1]


def test_the_quantile_that_is_worth_least_counts() -> None:
    random = np.random.default_rng(0)
    times = np.repeat(np.arange(200).astype("datetime64[D]"), 10)
    series = np.tile(np.arange(10), 200)
    own, common = random.standard_normal(2000), np.repeat(random.standard_normal(200), 10)
    found = least_effective_rows(np.column_stack([own, common]), times, series, 1)
    assert found == effective_rows(common, times, series, 1)
    assert found.uncorrelated < effective_rows(own, times, series, 1).uncorrelated
