"""The model of the hand-written loops: PyTorch's own GRU and a linear head, initialised as they come."""

from torch import Tensor, nn


class Forecaster(nn.Module):
    """One forecast for each window."""

    def __init__(self, n_features: int, units: int) -> None:
        super().__init__()
        self.gru = nn.GRU(n_features, units, batch_first=True)
        self.head = nn.Linear(units, 1)

    def forward(self, windows: Tensor) -> Tensor:
        """Forecasts (batch,) from windows (batch, seq_len, features)."""
        _, last = self.gru(windows)  # (1, batch, units)
        out: Tensor = self.head(last[-1])  # (batch, 1)
        return out.squeeze(-1)
