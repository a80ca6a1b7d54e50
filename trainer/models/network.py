"""The forecaster: a GRU, dropout, a linear head, and the initialisation that keeps its first steps small."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from trainer.config import GRUConfig

_GATES = 3  # a GRU cell stacks the weights of its reset, update and new gates


class GRUForecaster(nn.Module):
    """Reads a window of features and forecasts one standardised target per row, by one output or by several.

    `start` are the biases of the head before the first step, one for each of several outputs: quantiles must
    not all begin at 0. `gains` are the gains that the initialisation applied, by setting; empty for PyTorch's
    own initialisation.
    """

    def __init__(
        self, n_features: int, config: GRUConfig, outputs: int = 1, start: Sequence[float] = ()
    ) -> None:
        super().__init__()
        self.gru = nn.GRU(
            input_size=n_features,
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            dropout=config.dropout if config.num_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.hidden_size, outputs)
        self.gains: Mapping[str, float] = {} if config.init == "torch" else self._initialise(config)
        if len(start):
            self.head.bias.data.copy_(torch.tensor(start))

    def forward(self, x: Tensor) -> Tensor:
        """Forecasts (batch,), of several outputs (batch, outputs), of windows (seq_len, batch, features)."""
        _, last = self.gru(x)  # last: (num_layers, batch, hidden_size)
        out: Tensor = self.head(self.dropout(last[-1]))  # (batch, outputs)
        return out.squeeze(-1)

    def _initialise(self, config: GRUConfig) -> Mapping[str, float]:
        """Xavier (Glorot & Bengio 2010) for input and head, orthogonal (Saxe et al. 2014) for the recurrence.

        Gates are initialised one by one: the stacked matrix has other fans and cannot be orthogonal.
        """
        for name, weight in self.gru.named_parameters():
            if name.startswith("weight_ih"):
                for gate in weight.chunk(_GATES):  # (hidden_size, inputs)
                    nn.init.xavier_uniform_(gate, gain=config.input_gain)
            elif name.startswith("weight_hh"):
                for gate in weight.chunk(_GATES):  # (hidden_size, hidden_size)
                    nn.init.orthogonal_(gate, gain=config.hidden_gain)
            else:
                nn.init.zeros_(weight)
        nn.init.xavier_uniform_(self.head.weight, gain=config.head_gain)
        nn.init.zeros_(self.head.bias)
        return {
            "input_gain": config.input_gain,
            "hidden_gain": config.hidden_gain,
            "head_gain": config.head_gain,
        }


def flat_copy(model: nn.Module) -> Tensor:
    """All parameters as one detached vector of shape (n_parameters,)."""
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()]).clone()


def movement(model: GRUForecaster, start: Tensor) -> float:
    """L2 distance of the parameters from `start`, relative to the norm of weights of ordinary size.

    Weights of ordinary size are those of PyTorch's initialisation, uniform within ±1/√hidden_size. The norm
    of `start` is no useful unit: with gains of 0.01 it is so small that even a learning rate that is too low
    to learn anything moves the weights far beyond it.
    """
    ordinary = math.sqrt(start.numel() / (3 * model.gru.hidden_size))
    return float(torch.linalg.vector_norm(flat_copy(model) - start)) / ordinary
