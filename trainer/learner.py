"""Model and optimiser of one trial: computes a step, applies it or leaves everything as it was.

There is one training path and it is plain float32. No step is applied here that the guard has not seen.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from trainer.batches import Batch
from trainer.config import TrialConfig
from trainer.guard import StepSignals
from trainer.model import GRUForecaster, flat_copy, movement


@dataclass(frozen=True)
class Validation:
    """The validation pass: loss in units of the standardised target, what the guard wants to know, and the
    forecasts (rows,) on the CPU.
    """

    inputs: float
    loss: float
    output_max: float
    prediction_std_ratio: float
    forecasts: Tensor


@dataclass(frozen=True)
class Snapshot:
    """Weights and optimiser state at the end of a good epoch, and the learning rate there."""

    weights: dict[str, Tensor]
    optimizer: dict[str, Any]
    lr: float


class Learner:
    """`backward` then `apply`, or `backward` then nothing: a step that is not applied changes no bit."""

    def __init__(self, n_features: int, config: TrialConfig, device: torch.device) -> None:
        gru = config.models.gru
        self.device = device
        self.model = GRUForecaster(n_features, gru).to(device)
        self._parameters = list(self.model.parameters())
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=gru.learning_rate, weight_decay=gru.weight_decay, fused=True
        )
        self._device_name = config.training.device
        self._max_grad_norm = config.training.max_grad_norm
        self._start = flat_copy(self.model)
        self._norm = torch.zeros((), device=device)
        self.start_lr = self.lr
        self.pace = 1.0
        """The share of `lr` that the next step uses; the guard's cuts are of `lr`, whatever the schedule."""
        self.effective: dict[str, Any] = {}

    @property
    def lr(self) -> float:
        """The learning rate, as the optimiser has it between steps."""
        return float(self._optimizer.param_groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        self._optimizer.param_groups[0]["lr"] = value

    def backward(self, batch: Batch) -> StepSignals:
        """Forward and backward pass; gradients stand, nothing is updated."""
        self.model.train()
        self._optimizer.zero_grad(set_to_none=True)
        out = self.model(batch.x)  # (batch,)
        loss = mse_loss(out, batch.y)
        if not self.effective:
            self.effective = self._read_back(batch.x)
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        self._norm = torch.nn.utils.get_total_norm(gradients)
        inputs = 0.0 if batch.known_finite else float(batch.x.sum() + batch.y.sum())
        low, high = torch.aminmax(out.detach())  # one operation; abs and max would be two
        loss_value, low_value, high_value, norm = _to_host(loss.detach(), low, high, self._norm)
        return StepSignals(inputs, loss_value, max(-low_value, high_value), norm)

    def apply(self) -> None:
        """Clip the gradients to training.max_grad_norm and update the weights."""
        torch.nn.utils.clip_grads_with_norm_(self._parameters, self._max_grad_norm, self._norm)
        lr = self.lr
        self.lr = self.pace * lr
        self._optimizer.step()
        self.lr = lr

    @torch.no_grad()
    def validate(self, batches: Iterable[Batch]) -> Validation:
        """Mean squared error over all rows of `batches`, weights untouched."""
        self.model.eval()
        outs, targets, inputs = [], [], torch.zeros_like(self._norm)
        for batch in batches:
            outs.append(self.model(batch.x))
            targets.append(batch.y)
            inputs = inputs + batch.x.sum() + batch.y.sum()
        out, y = torch.cat(outs), torch.cat(targets)  # (rows,)
        spread = out.std() / y.std().clamp_min(torch.finfo(y.dtype).eps)  # a constant target has none
        seen, loss, largest, ratio = _to_host(inputs, mse_loss(out, y), out.abs().max(), spread)
        return Validation(
            seen, loss, largest, ratio, out.float().cpu()
        )  # float32 but under a foreign autocast

    @torch.no_grad()
    def forecast(self, batches: Iterable[Batch]) -> Tensor:
        """Forecasts of all rows of `batches`, shape (rows,), weights untouched; no target is read."""
        self.model.eval()
        return torch.cat([self.model(batch.x) for batch in batches])

    def snapshot(self) -> "Snapshot":
        """A copy of all that a step changes."""
        return Snapshot(self.weights(), deepcopy(self._optimizer.state_dict()), self.lr)

    def restore(self, snapshot: "Snapshot", lr: float) -> None:
        """Be again as at `snapshot`, but for the learning rate."""
        self.model.load_state_dict(snapshot.weights)
        self._optimizer.load_state_dict(deepcopy(snapshot.optimizer))
        self.lr = lr

    def averages(self) -> float:
        """Sum over the optimiser's moving averages, in float64: finite iff all of them are."""
        states = self._optimizer.state.values()
        return sum(float(value.double().sum()) for state in states for value in state.values())

    def broken_average(self) -> str | None:
        """The first parameter of whose moving averages one is not finite."""
        return next(
            (
                name
                for name, parameter in self.model.named_parameters()
                if any(not bool(v.isfinite().all()) for v in self._optimizer.state[parameter].values())
            ),
            None,
        )

    def movement(self) -> float:
        """How far the weights are from their start, relative to weights of ordinary size."""
        return movement(self.model, self._start)

    def weights(self) -> dict[str, Tensor]:
        """A copy of the state dict on the CPU."""
        return {k: v.detach().cpu().clone() for k, v in self.model.state_dict().items()}

    def _read_back(self, x: Tensor) -> dict[str, Any]:
        """Effective settings by key, read from the optimiser, the model and the tensors.

        The gains and the bound of the gradient norm leave no trace there: they are what the initialisation
        and the clipping were given.

        Called next to the forward pass of a full batch x (seq_len, batch, features), so that an autocast
        region around it would be seen.
        """
        (group,) = self._optimizer.param_groups
        model, dtypes = self.model, {p.dtype for p in self._parameters} | {x.dtype}
        return {
            "models.gru.learning_rate": group["lr"],
            "models.gru.weight_decay": group["weight_decay"],
            "models.gru.batch_size": x.shape[1],
            "models.gru.hidden_size": model.gru.hidden_size,
            "models.gru.num_layers": model.gru.num_layers,
            "models.gru.dropout": model.dropout.p,
            "models.gru.init": "gains" if model.gains else "torch",
            **{f"models.gru.{name}": gain for name, gain in model.gains.items()},
            "data.seq_len": x.shape[0],
            "training.max_grad_norm": self._max_grad_norm,
            "training.mixed_precision": torch.is_autocast_enabled(x.device.type) or dtypes != {torch.float32},
            "training.device": self._device_name if _is_named(x.device, self._device_name) else str(x.device),
        }


def _is_named(device: torch.device, name: str) -> bool:
    """Whether a tensor's device is what `name` asks for; `cuda` asks for any of its cards."""
    wanted = torch.device(name)
    return device.type == wanted.type and wanted.index in (None, device.index)


def _to_host(*signals: Tensor) -> list[float]:
    """Scalars as Python floats. A GPU is waited for once; on a CPU, stacking costs more than it saves."""
    if signals[0].is_cuda:
        values: list[float] = torch.stack(signals).tolist()
        return values
    return [signal.item() for signal in signals]
