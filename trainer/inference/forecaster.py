"""A trained forecaster as a module of PyTorch, for MLflow and for the check of an ONNX graph.

Forecasts are computed by `trainer.inference.gru_forward`, which needs no torch.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainer.config import GRUConfig
from trainer.data.windows import Dataset
from trainer.models.network import GRUForecaster


class BatchFirstForecaster(nn.Module):
    """The forecaster for input (n, seq_len, features); training uses (seq_len, n, features)."""

    def __init__(self, forecaster: GRUForecaster) -> None:
        super().__init__()
        self.forecaster = forecaster

    def forward(self, x: Tensor) -> Tensor:
        """(n, seq_len, features) → (n,), or (n, outputs) in order; standardised."""
        forecasts: Tensor = self.forecaster(x.transpose(0, 1))
        return forecasts.sort(dim=-1).values if forecasts.ndim > 1 else forecasts


class MeanForecaster(nn.Module):
    """The mean of the forecasts of several models."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, x: Tensor) -> Tensor:
        """(n, seq_len, features) → (n,), standardised."""
        return torch.stack([model(x) for model in self.models]).mean(dim=0)


def build_forecaster(
    config: GRUConfig, n_features: int, weights: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]]
) -> nn.Module:
    """The model with a copy of `weights`, a state dict of GRUForecaster; of several the mean forecasts."""
    if not isinstance(weights, Mapping):
        models = [build_forecaster(config, n_features, each) for each in weights]
        return models[0] if len(models) == 1 else MeanForecaster(models).eval()
    with torch.device("meta"):  # initial weights are not needed and slow to draw
        forecaster = GRUForecaster(
            n_features, config.model_copy(update={"init": "torch"}), len(weights["head.bias"])
        )
    copies = {key: weight.detach().cpu().clone() for key, weight in weights.items()}
    forecaster.load_state_dict(copies, assign=True)
    return BatchFirstForecaster(forecaster).eval()


def stack_windows(data: Dataset, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The windows that end at `rows`: (n, seq_len, features)."""
    return np.stack([data.features[row - data.seq_len + 1 : row + 1] for row in rows])


def forecast_windows(model: nn.Module, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Forecasts of windows `x` (n, seq_len, features) by a model of `build_forecaster`, standardised: (n,) or
    (n, outputs).
    """
    with torch.no_grad():
        forecasts: npt.NDArray[np.float32] = model(torch.from_numpy(x)).numpy()
    return forecasts
