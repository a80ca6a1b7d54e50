"""A trained forecaster for inference: arrays in and out, on the CPU, without dropout."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainer.config import GRUConfig
from trainer.data.windows import Dataset
from trainer.models.network import GRUForecaster
from trainer.runtime import reproducible

_BATCH = 256
"""Windows per forward pass, the same number in each: it changes the order of sums."""


class BatchFirstForecaster(nn.Module):
    """The forecaster for input (n, seq_len, features); training uses (seq_len, n, features)."""

    def __init__(self, forecaster: GRUForecaster) -> None:
        super().__init__()
        self.forecaster = forecaster

    def forward(self, x: Tensor) -> Tensor:
        """(n, seq_len, features) → (n,), standardised."""
        forecasts: Tensor = self.forecaster(x.transpose(0, 1))
        return forecasts


def build_forecaster(config: GRUConfig, n_features: int, weights: Mapping[str, Tensor]) -> nn.Module:
    """The model with a copy of `weights`, a state dict of GRUForecaster."""
    with torch.device("meta"):  # initial weights are not needed and slow to draw
        forecaster = GRUForecaster(n_features, config.model_copy(update={"init": "torch"}))
    copies = {key: weight.detach().cpu().clone() for key, weight in weights.items()}
    forecaster.load_state_dict(copies, assign=True)
    return BatchFirstForecaster(forecaster).eval()


def stack_windows(data: Dataset, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The windows that end at `rows`: (n, seq_len, features)."""
    return np.stack([data.features[row - data.seq_len + 1 : row + 1] for row in rows])


def forecast_windows(model: nn.Module, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Forecasts of windows `x` (n, seq_len, features) by a model of `build_forecaster`: (n,),
    standardised.
    """
    with torch.no_grad():
        forecasts: npt.NDArray[np.float32] = model(torch.from_numpy(x)).numpy()
    return forecasts


def forecast_rows(
    model: nn.Module, features: npt.NDArray[np.float32], seq_len: int
) -> npt.NDArray[np.float32]:
    """Forecasts for every row of `features`, (T, F), that has a full window: (T - seq_len + 1,),
    standardised.

    The last batch is padded, so that later rows change no bit of a forecast.
    """
    held = np.lib.stride_tricks.sliding_window_view(features, seq_len, axis=0)  # (n, F, seq_len)
    forecasts = []
    with reproducible(0):
        for first in range(0, len(held), _BATCH):
            batch = held[first : first + _BATCH].transpose(0, 2, 1)  # (n, seq_len, F)
            full = np.zeros((_BATCH, *batch.shape[1:]), np.float32)
            full[: len(batch)] = batch
            forecasts.append(forecast_windows(model, full)[: len(batch)])
    return np.concatenate(forecasts)
