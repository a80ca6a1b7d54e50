"""Explains a finding: names the cell and its line in the table, the parameter, or the operation."""

import math
import warnings
from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from trainer.data.windows import Dataset
from trainer.kernels.torch_kernel import weighted
from trainer.losses import Loss
from trainer.training.batches import Batch
from trainer.training.result import Finding, FindingKind

_MOST_PLACES = 5
"""Most further bad rows that a message names."""


def explain_step(
    finding: Finding, batch: Batch, model: nn.Module, data: Dataset, loss: Loss, *, replay: bool
) -> Finding:
    """The finding of a bad step, with its earliest cause and its location.

    Tests the inputs, targets, weights and gradients of the step, in causal order. `replay` repeats the step
    under anomaly detection to name the operation; this is slow and meant for the first bad step of a trial.
    Parameters are only read.
    """
    finding = replace(finding, rows=tuple(int(row) for row in batch.rows))
    explained = _earliest_cause(finding, batch, model, data)
    if explained is not None:
        return explained
    operation = _replay(batch, model, loss) if replay else None
    if operation is not None:
        finding = replace(finding, message=f"{finding.message} ({operation})")
    return replace(finding, parameter=_bad_gradient(finding, model))


def explain_epoch(finding: Finding, batches: Iterable[Batch], model: nn.Module, data: Dataset) -> Finding:
    """The finding of a validation pass over `batches`, with its earliest cause and its location.

    A finding with a finite value is returned unchanged."""
    if math.isfinite(finding.value):
        return finding
    causes = (_earliest_cause(finding, batch, model, data) for batch in batches)
    return next((explained for explained in causes if explained is not None), finding)


def _earliest_cause(finding: Finding, batch: Batch, model: nn.Module, data: Dataset) -> Finding | None:
    """The finding with the kind of the first non-finite input, target or weight; None if all are finite."""
    found = _bad_input(batch, data) or _bad_target(batch, data)
    if found is not None:
        kind, cell, further = found
        message = f"{finding.message}: {cell} is not finite{further}"
        return replace(finding, kind=kind, message=message, cell=cell)
    weight = _first_nonfinite({name: p.detach() for name, p in model.named_parameters()})
    if weight is None:
        return None
    message = f"{finding.message}: {weight} is not finite"
    return replace(finding, kind=FindingKind.NONFINITE_WEIGHT, message=message, parameter=weight)


def _bad_input(batch: Batch, data: Dataset) -> tuple[FindingKind, str, str] | None:
    """Kind, first bad cell, and the other rows in words."""
    bad = torch.nonzero(~torch.isfinite(batch.x)).tolist()
    if not bad:
        return None
    first = 1 - len(batch.x)  # of a window, relative to its last row
    rows = [int(batch.rows[item]) + first + step for step, item, _ in bad]
    cell = f"{data.feature_names[bad[0][2]]} at {data.where(rows[0])}"
    return FindingKind.NONFINITE_INPUT, cell, _further(rows, data)


def _bad_target(batch: Batch, data: Dataset) -> tuple[FindingKind, str, str] | None:
    rows = batch.rows[~torch.isfinite(batch.y)].tolist()
    if not rows:
        return None
    return FindingKind.NONFINITE_TARGET, f"target at {data.where(rows[0])}", _further(rows, data)


def _further(rows: list[int], data: Dataset) -> str:
    """`; the same in 2 further rows: …` for the other bad rows, in the order of the table."""
    others = sorted(set(rows) - {rows[0]})
    if not others:
        return ""
    named = ", ".join(data.where(row) for row in others[:_MOST_PLACES])
    more = ", …" if len(others) > _MOST_PLACES else ""
    return f"; the same in {len(others)} further row{'s' * (len(others) > 1)}: {named}{more}"


def _first_nonfinite(tensors: dict[str, Tensor]) -> str | None:
    return next((name for name, t in tensors.items() if not bool(torch.isfinite(t).all())), None)


def _bad_gradient(finding: Finding, model: nn.Module) -> str | None:
    """The first gradient that is not finite; the largest if all are finite and only their norm overflows."""
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    bad = _first_nonfinite(gradients)
    if bad is None and finding.kind is FindingKind.NONFINITE_GRADIENT:
        return max(gradients, key=lambda name: float(gradients[name].abs().max()))
    return bad


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
            gradient = loss.gradient(out.detach(), batch.y)
            if batch.weights is not None:
                gradient = weighted(gradient, batch.weights)
            torch.autograd.grad(out, parameters, gradient)
        except RuntimeError as error:
            return str(error).splitlines()[0]
    return None
