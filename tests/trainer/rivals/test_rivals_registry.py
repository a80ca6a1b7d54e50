"""Every naive forecast and every rival keeps the same contract, and a new one is a class and an entry."""

import numpy as np
import pytest

from search.record.rival_facts import FORECASTS
from tests.trainer.rivals.dataset_fixtures import MakeData
from trainer.data.windows import Dataset
from trainer.losses import MSE, Loss, SquaredError
from trainer.rivals import registry
from trainer.rivals.baselines import baseline_losses, forecast
from trainer.rivals.fitted import rival_forecasts
from trainer.rivals.forecaster import Forecaster, Predict, everywhere

EVERY_FORECASTER = pytest.mark.parametrize("forecaster", registry.FORECASTERS, ids=lambda each: each.name)


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    random = np.random.default_rng(5)
    return np.exp(
        np.convolve(random.standard_normal(519), np.ones(20) / 10, "valid")
    ) * random.standard_normal(500)


@EVERY_FORECASTER
def test_a_row_is_forecast_alike_whatever_rows_are_asked_for(
    forecaster: Forecaster, make_data: MakeData, returns: np.ndarray
) -> None:
    if forecaster.name == "boosted":
        pytest.importorskip("lightgbm")
    data = make_data(np.abs(returns), np.column_stack([returns, np.abs(returns)]), returns=returns[:499])
    predict = forecaster.fit(data, MSE)
    rows = data.validation
    told = predict(rows)
    assert told.shape == rows.shape
    np.testing.assert_allclose(predict(rows[5:9]), told[5:9], rtol=1e-12)
    np.testing.assert_array_equal(forecast(forecaster, data, rows, MSE).values, told)


def test_every_forecaster_has_a_name_of_its_own_a_role_and_words_for_it() -> None:
    names = [each.name for each in registry.FORECASTERS]
    assert len(set(names)) == len(names)
    assert all(each.roles <= {"baseline", "rival"} and each.roles for each in registry.FORECASTERS)
    assert set(names) == set(FORECASTS)


def test_a_new_forecaster_is_one_class_and_one_entry(
    make_data: MakeData, returns: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Two(Forecaster):
        name = "two"
        roles = frozenset({"baseline", "rival"})

        def fit(self, data: Dataset, loss: Loss) -> Predict:
            return everywhere(np.full(len(data.target), 2.0))

    monkeypatch.setattr(registry, "FORECASTERS", (*registry.FORECASTERS, Two()))
    data = make_data(returns, returns[:, None], kind="return")
    target = data.target[data.validation].astype(np.float64)
    assert baseline_losses(data, data.validation, MSE)["two"] == pytest.approx(
        float(np.mean((2 - target) ** 2))
    )
    assert rival_forecasts(data, data.validation, MSE).forecasts["two"].tolist() == [2.0] * len(target)


def test_the_constant_of_the_training_rows_is_the_best_one_of_the_loss(
    make_data: MakeData, returns: np.ndarray
) -> None:
    class Seven(SquaredError):
        def best_constant(self, target: np.ndarray) -> float:
            return 7.0

    data = make_data(returns, returns[:, None], kind="return")
    (constant,) = (each for each in registry.FORECASTERS if each.name == "train_mean")
    assert constant.fit(data, Seven())(data.test[:2]).tolist() == [7.0, 7.0]
