"""Explains a bad step: which cell, which parameter, which operation."""

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from trainer.data.windows import Dataset
from trainer.losses import Loss
from trainer.training.batches import Batch
from trainer.training.guard import Detection
from trainer.training.result import FindingKind


@dataclass(frozen=True)
class FaultLocation:
    """Where a bad step comes from, as far as it can be told."""

    parameter: str | None = None
    rows: tuple[int, ...] = ()
    cell: str | None = None


NO_LOCATION = FaultLocation()


def explain_step(
    detection: Detection, batch: Batch, model: nn.Module, data: Dataset, loss: Loss, *, replay: bool
) -> tuple[Detection, FaultLocation]:
    """The detection, sharpened to its earliest cause, and the evidence.

    Looks at what the bad step left behind (inputs, targets, weights, gradients) in the order of causes.
    With `replay`, meant for a trial's first bad step, the step is repeated under anomaly detection to name
    the operation. Parameters are only read.
    """
    rows = tuple(int(r) for r in batch.rows)
    cause = _cause(batch, model, data)
    if cause is not None:
        return _sharpened(detection, cause), replace(cause.evidence, rows=rows)
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    operation = _replay(batch, model, loss) if replay else None
    if operation is not None:
        detection = replace(detection, message=f"{detection.message} ({operation})")
    return detection, FaultLocation(_broken_gradient(detection, gradients), rows)


def explain_epoch(
    detection: Detection, batches: Iterable[Batch], model: nn.Module, data: Dataset
) -> tuple[Detection, FaultLocation]:
    """The same for a validation pass over `batches`; what is finite has nothing to explain."""
    if not math.isfinite(detection.value):
        for batch in batches:
            cause = _cause(batch, model, data)
            if cause is not None:
                return _sharpened(detection, cause), cause.evidence
    return detection, NO_LOCATION


@dataclass(frozen=True)
class _Cause:
    kind: FindingKind
    where: str
    evidence: FaultLocation


def _cause(batch: Batch, model: nn.Module, data: Dataset) -> _Cause | None:
    """The first input, target or weight that is not finite."""
    cell = _offending_input(batch, data)
    if cell is not None:
        return _Cause(FindingKind.NONFINITE_INPUT, cell, FaultLocation(cell=cell))
    cell = _offending_target(batch, data)
    if cell is not None:
        return _Cause(FindingKind.NONFINITE_TARGET, cell, FaultLocation(cell=cell))
    weight = _first_nonfinite({n: p.detach() for n, p in model.named_parameters()})
    if weight is not None:
        return _Cause(FindingKind.NONFINITE_WEIGHT, weight, FaultLocation(parameter=weight))
    return None


def _sharpened(detection: Detection, cause: _Cause) -> Detection:
    return replace(detection, kind=cause.kind, message=f"{detection.message}: {cause.where} is not finite")


def _offending_input(batch: Batch, data: Dataset) -> str | None:
    bad = torch.nonzero(~torch.isfinite(batch.x))
    if len(bad) == 0:
        return None
    step, item, feature = (int(i) for i in bad[0])
    row = int(batch.rows[item]) - (batch.x.shape[0] - 1) + step
    return f"{data.feature_names[feature]} at {data.when(int(row))}"


def _offending_target(batch: Batch, data: Dataset) -> str | None:
    bad = torch.nonzero(~torch.isfinite(batch.y))
    return None if len(bad) == 0 else f"target at {data.when(int(batch.rows[int(bad[0])]))}"


def _first_nonfinite(tensors: dict[str, Tensor]) -> str | None:
    return next((name for name, t in tensors.items() if not bool(torch.isfinite(t).all())), None)


def _broken_gradient(detection: Detection, gradients: dict[str, Tensor]) -> str | None:
    """The first that is not finite; where all are finite and only their norm overflows, the largest."""
    broken = _first_nonfinite(gradients)
    if broken is None and detection.kind is FindingKind.NONFINITE_GRADIENT:
        return max(gradients, key=lambda name: float(gradients[name].abs().max()))
    return broken


def _replay(batch: Batch, model: nn.Module, loss: Loss) -> str | None:
    """The first operation whose backward returns NaN, in PyTorch's words; None if the replay is clean."""
    parameters = list(model.parameters())
    with (
        torch.random.fork_rng(devices=[]),
        warnings.catch_warnings(action="ignore"),  # entering anomaly detection warns that it is slow
        torch.autograd.detect_anomaly(check_nan=True),
    ):
        try:
            out = model(batch.x)
            torch.autograd.grad(out, parameters, loss.gradient(out.detach(), batch.y))
        except RuntimeError as error:
            return str(error).splitlines()[0]
    return None
