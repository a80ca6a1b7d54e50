"""The model and the optimiser of one fold: computes a step, and applies it on request.

There is one training path, in plain float32. The caller applies a step only after the guard has passed it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainer.config import TrialConfig
from trainer.kernels.choice import kernel_name, make_kernel
from trainer.kernels.torch_kernel import to_host
from trainer.losses import HuberLoss, Loss, judged_forecasts, point_forecast
from trainer.models.network import GRUForecaster, flat_copy, movement
from trainer.quantile_loss import QuantileLoss
from trainer.training.batches import Batch
from trainer.training.guard import StepSignals, loss_limits


class TrialLosses(NamedTuple):
    """What steps minimise, and what validation measures, both in the unit of the data. `start` are the first
    forecasts of several outputs; empty: they begin at 0.
    """

    training: Loss
    metric: Loss
    start: tuple[float, ...] = ()


@dataclass(frozen=True)
class ValidationResult:
    """The validation pass: the mean loss on the standardised target, further signals for the guard, and the
    forecasts on the CPU, (rows,) or (rows, outputs) as the metric judges them.
    """

    inputs: float
    loss: float
    output_max: float
    prediction_std_ratio: float
    forecasts: Tensor


@dataclass(frozen=True)
class LearnerSnapshot:
    """Weights, optimiser state and learning rate at the end of an epoch that passed the guard."""

    weights: dict[str, Tensor]
    optimizer: dict[str, Any]
    lr: float


class Learner:
    """Computes a step in `backward`; `apply` applies it. A step that is not applied changes no weight.

    Without `losses`, steps and validation have the loss of `config`, which must not depend on the data.
    """

    def __init__(
        self,
        n_features: int,
        config: TrialConfig,
        device: torch.device,
        losses: TrialLosses | None = None,
    ) -> None:
        self.device = device
        self.loss, self.metric, start = losses or TrialLosses(config.loss, config.loss)
        self.model = GRUForecaster(n_features, config.models.gru, self.loss.outputs, start).to(device)
        self.step_limits = loss_limits(config.guard, self.loss)
        self.epoch_limits = loss_limits(config.guard, self.metric)
        self.kernel = make_kernel(self.model, config, device, self.loss)
        self._requested = config.training
        self._start = flat_copy(self.model)
        self.start_lr = self.lr
        self.learning_rate_factor = 1.0
        """The share of `lr` that the next step uses; the guard cuts `lr`, whatever the schedule."""
        self.effective: dict[str, Any] = {}

    @property
    def lr(self) -> float:
        """The learning rate, as the optimiser has it between steps."""
        return self.kernel.lr

    @lr.setter
    def lr(self, value: float) -> None:
        self.kernel.lr = value

    def backward(self, batch: Batch) -> StepSignals:
        """Forward and backward pass; leaves the gradients and updates nothing."""
        if not self.effective:
            self.effective = self._read_back(batch)
        loss, output_max, grad_norm = self.kernel.backward(batch.x, batch.y, batch.weights)
        inputs = 0.0 if batch.known_finite else float(batch.x.sum() + batch.y.sum())
        return StepSignals(inputs, loss, output_max, grad_norm)

    def apply(self) -> None:
        """Clip the gradients to training.max_grad_norm and update the weights."""
        self.kernel.apply(self.learning_rate_factor)

    @torch.no_grad()
    def validate(self, batches: Iterable[Batch]) -> ValidationResult:
        """Mean loss, signals and forecasts over all rows of `batches`; the weights stay unchanged."""
        outs, targets, inputs = [], [], torch.zeros((), device=self.device)
        for batch in batches:
            outs.append(self._forecast(batch))
            targets.append(batch.y)
            inputs = inputs + batch.x.sum() + batch.y.sum()
        out, y = torch.cat(outs), torch.cat(targets)  # (rows,) or (rows, outputs), and (rows,)
        eps = torch.finfo(y.dtype).eps  # a constant target has spread 0
        spread = point_forecast(out, self.loss).std() / y.std().clamp_min(eps)
        judged = judged_forecasts(out, self.loss, self.metric)
        mean = self.metric.value(judged, y).mean()
        input_sum, loss, largest, ratio = to_host(inputs, mean, out.abs().max(), spread)
        return ValidationResult(
            input_sum, loss, largest, ratio, judged.float().cpu()
        )  # float32 but under a foreign autocast

    def forecast(self, batches: Iterable[Batch]) -> Tensor:
        """Forecasts (rows,) or (rows, outputs) of all rows of `batches`; no target is read and the weights
        stay unchanged.
        """
        return torch.cat([self._forecast(batch) for batch in batches])

    def snapshot(self) -> "LearnerSnapshot":
        """A copy of everything that a step changes."""
        return LearnerSnapshot(self.weights(), self.kernel.state(), self.lr)

    def restore(self, snapshot: "LearnerSnapshot", lr: float) -> None:
        """Return to `snapshot`, with the learning rate `lr`."""
        self.model.load_state_dict(snapshot.weights)
        self.kernel.restore(snapshot.optimizer)
        self.lr = lr

    def averages(self) -> float:
        """Sum of the optimiser's moving averages in float64; finite if and only if all of them are."""
        return sum(
            float(value.double().sum()) for values in self.kernel.averages().values() for value in values
        )

    def broken_average(self) -> str | None:
        """The first parameter that has a non-finite moving average; None if there is none."""
        kept = self.kernel.averages().items()
        return next((name for name, both in kept if any(not bool(v.isfinite().all()) for v in both)), None)

    def share_workspace(self, other: "Learner") -> None:
        """Use the working memory of `other`, a model of the same shape that computes at other times."""
        self.kernel.share_workspace(other.kernel)

    def movement(self) -> float:
        """L2 distance of the weights from their start, relative to the norm of weights of ordinary size."""
        return movement(self.model, self._start)

    def weights(self) -> dict[str, Tensor]:
        """A copy of the state dict on the CPU."""
        return {k: v.detach().cpu().clone() for k, v in self.model.state_dict().items()}

    def _forecast(self, batch: Batch) -> Tensor:
        """The forecasts of a batch. Quantiles that cross are put in order, which never costs more:
        Chernozhukov, Fernández-Val & Galichon (2010), "Quantile and Probability Curves Without Crossing".
        """
        out = self.kernel.forecast(batch.x)
        return out.sort(dim=-1).values if self.loss.outputs > 1 else out

    def _read_back(self, batch: Batch) -> dict[str, Any]:
        """Effective settings by key, read from the kernel, the model and the tensors.

        Gains and the bound of the gradient norm cannot be read there; they are the values that the
        initialisation and the clipping received.

        Called right before the forward pass of a full batch, where an autocast region would be active.
        """
        x = batch.x
        kernel, model, requested = self.kernel, self.model, self._requested
        dtypes = {p.dtype for p in model.parameters()} | {x.dtype}
        is_requested = kernel.name == kernel_name(requested.kernel, x.device)
        return {
            "models.gru.learning_rate": kernel.lr,
            "models.gru.weight_decay": kernel.weight_decay,
            "models.gru.batch_size": batch.size,
            "models.gru.hidden_size": model.gru.hidden_size,
            "models.gru.num_layers": model.gru.num_layers,
            "models.gru.dropout": model.dropout.p,
            "models.gru.init": "gains" if model.gains else "torch",
            **{f"models.gru.{name}": gain for name, gain in model.gains.items()},
            "data.seq_len": x.shape[0],
            "training.max_grad_norm": kernel.max_grad_norm,
            "training.mixed_precision": torch.is_autocast_enabled(x.device.type) or dtypes != {torch.float32},
            "training.device": requested.device if _is_named(x.device, requested.device) else str(x.device),
            "training.kernel": requested.kernel if is_requested else kernel.name,
            **_loss_settings(kernel.loss),
        }


def _loss_settings(loss: Loss) -> dict[str, Any]:
    """The settings that make a loss."""
    found: dict[str, Any] = {"training.loss": loss.name}
    if isinstance(loss, HuberLoss):
        found["training.huber_delta"] = loss.delta
    if isinstance(loss, QuantileLoss):
        found["training.quantiles"] = list(loss.quantiles)
    return found


def _is_named(device: torch.device, name: str) -> bool:
    """Whether `name` names a tensor's device; `cuda` names every CUDA device."""
    wanted = torch.device(name)
    return device.type == wanted.type and wanted.index in (None, device.index)
