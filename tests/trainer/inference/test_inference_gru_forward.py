"""Forecasts without torch are those of torch, and several networks forecast their mean."""

import numpy as np
import pytest
import torch

from trainer.config import GRUConfig
from trainer.data.windows import Dataset
from trainer.inference.forecaster import build_forecaster, forecast_windows, stack_windows
from trainer.inference.gru_forward import Network, forecast_rows
from trainer.models.network import GRUForecaster


def weights_of(gru: GRUConfig, seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return dict(GRUForecaster(3, gru).state_dict())


def as_network(weights: dict[str, torch.Tensor]) -> Network:
    return {name: weight.numpy() for name, weight in weights.items()}


@pytest.mark.parametrize(("layers", "hidden"), [(1, 1), (1, 32), (2, 16), (3, 8)])
def test_forecasts_are_those_of_torch(whole_market: Dataset, layers: int, hidden: int) -> None:
    gru = GRUConfig(num_layers=layers, hidden_size=hidden, init="torch")
    weights, rows = weights_of(gru, 0), whole_market.validation
    expected = forecast_windows(build_forecaster(gru, 3, weights), stack_windows(whole_market, rows))
    found = forecast_rows([as_network(weights)], whole_market.features, whole_market.seq_len, rows)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert np.std(expected) > 1e-3


def test_several_networks_forecast_their_mean(whole_market: Dataset) -> None:
    gru, rows = GRUConfig(hidden_size=8, init="torch"), whole_market.validation[:300]
    networks = [as_network(weights_of(gru, seed)) for seed in range(3)]

    def forecasts(*chosen: Network) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return forecast_rows(chosen, whole_market.features, whole_market.seq_len, rows)

    each = np.stack([forecasts(network) for network in networks])
    np.testing.assert_allclose(forecasts(*networks), each.mean(axis=0), rtol=0, atol=1e-12)
    assert each.std(axis=0).min() > 0
