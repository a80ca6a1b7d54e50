"""Errors on rows that a model was trained on are compared with those of networks that had not seen them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from search.selection.validation_intervals import model_intervals
from tests.trainer.fit_fixtures import DATA
from trainer.config import GRUConfig
from trainer.data.source import read_table
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.inference.forecast_intervals import ValidationForecasts, in_own_unit
from trainer.inference.gru_forward import Network, forecast_rows, network_of
from trainer.losses import MSE
from trainer.models.network import GRUForecaster


@pytest.fixture(scope="module")
def whole_market() -> Dataset:
    return prepare_last_fold(DATA, read_table(DATA, folder=Path()))


@pytest.fixture(scope="module")
def network(whole_market: Dataset) -> Network:
    torch.manual_seed(0)
    return network_of(GRUForecaster(whole_market.features.shape[1], GRUConfig(hidden_size=4)).state_dict())


def found_of(data: Dataset, network: Network, times_worse: float) -> ValidationForecasts:
    """Forecasts of the training rows whose errors are so many times those of the network."""
    rows = data.train
    own = in_own_unit(data, rows, forecast_rows([network], data.features, data.seq_len, rows))
    target = in_own_unit(data, rows, data.target[rows])
    return ValidationForecasts(
        forecasts=target + (own - target) * times_worse,
        targets=target,
        series=np.zeros(len(rows), np.int64),
        times=data.times[rows],
    )


@pytest.mark.parametrize(("times_worse", "seen"), [(1.25, 0.8), (0.8, 1.0)])
def test_the_share_is_measured_on_rows_that_both_forecast(
    whole_market: Dataset, network: Network, times_worse: float, seen: float
) -> None:
    found = found_of(whole_market, network, times_worse)
    intervals = model_intervals(DATA, found, "trial", whole_market, [network], MSE)
    assert intervals.recent is not None
    assert intervals.recent.seen == pytest.approx(seen, rel=1e-6)


def test_rows_that_the_model_has_not_seen_say_nothing(whole_market: Dataset, network: Network) -> None:
    found = found_of(whole_market, network, 1.25)
    untrained = replace(whole_market, train=whole_market.train[-99:])
    intervals = model_intervals(DATA, found, "trial", untrained, [network], MSE)
    assert intervals.recent is not None
    assert intervals.recent.seen == 1
