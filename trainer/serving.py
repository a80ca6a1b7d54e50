"""A trained forecaster as others use it: windows first, arrays in and out, on the CPU, without dropout."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainer.config import GRUConfig
from trainer.data.windows import Dataset
from trainer.model import GRUForecaster


class WindowsFirst(nn.Module):
    """The forecaster with (n, seq_len, features) in, where training has (seq_len, n, features)."""

    def __init__(self, forecaster: GRUForecaster) -> None:
        super().__init__()
        self.forecaster = forecaster

    def forward(self, x: Tensor) -> Tensor:
        """(n, seq_len, features) → (n,), standardised."""
        forecasts: Tensor = self.forecaster(x.transpose(0, 1))
        return forecasts


def served(config: GRUConfig, n_features: int, weights: Mapping[str, Tensor]) -> nn.Module:
    """The model of these weights, as a trial hands them back."""
    forecaster = GRUForecaster(n_features, config)
    forecaster.load_state_dict({key: weight.cpu() for key, weight in weights.items()})
    return WindowsFirst(forecaster).eval()


def windows(data: Dataset, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The windows that end at `rows`: (n, seq_len, features)."""
    return np.stack([data.features[row - data.seq_len + 1 : row + 1] for row in rows])


def forecast(model: nn.Module, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Forecasts for windows, as `served` gives them: (n,), standardised."""
    with torch.no_grad():
        told: npt.NDArray[np.float32] = model(torch.from_numpy(x)).numpy()
    return told
