"""Saves a trial after each epoch, so that it can continue later as if it had never stopped.

The file holds only tensors and plain containers, so that `torch.load(weights_only=True)` reads it: a file
can hold wrong numbers, but no code. It does not hold the initial weights: the seed gives them again.
"""

import hashlib
import io
import json
import logging
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import torch
from pydantic import BeforeValidator, ConfigDict, TypeAdapter
from torch import Tensor

from trainer.checksummed_file import ChecksummedFormat
from trainer.config import TrialConfig
from trainer.data.windows import Dataset
from trainer.errors import CheckpointError, ChecksumError
from trainer.kernels.choice import kernel_name
from trainer.losses import Loss
from trainer.rivals.skill import Baseline
from trainer.training.learner import LearnerSnapshot
from trainer.training.result import EpochReport, Finding

log = logging.getLogger("ballast.trainer")

_IGNORED_SETTINGS = {"training": {"max_seconds"}, "data": {"source"}}
"""Settings that a checkpoint does not depend on: a time limit changes no bit of the epochs within it, and the
table is identified by its digest."""


@dataclass(frozen=True)
class FoldState:
    """One fold at the end of an epoch: the state of the learner, and the counters of the guard.

    `best_weights` and `best_forecasts` (rows,) are those of the trial's best epoch. Raises ValueError if the
    values are not those of a fold.
    """

    good: LearnerSnapshot
    effective: dict[str, Any]
    best_weights: dict[str, Tensor]
    best_forecasts: Tensor
    step: int
    bad_in_a_row: int
    rewinds: int

    def __post_init__(self) -> None:
        if not all(
            type(count) is int and count >= 0 for count in (self.step, self.bad_in_a_row, self.rewinds)
        ):
            raise ValueError("a counter is not a whole number from 0 on")
        if type(self.effective) is not dict or type(self.good.lr) is not float:
            raise ValueError("the effective settings or the learning rate are missing")
        if _shapes(self.good.weights) != _shapes(self.best_weights):
            raise ValueError("the best weights are of another model")
        _shapes({"forecasts": self.best_forecasts})


def _shapes(weights: dict[str, Tensor]) -> dict[str, torch.Size]:
    """Shapes of parameters by name. Raises ValueError if one is not a dense tensor of float32."""
    for name, weight in weights.items():
        if type(weight) is not Tensor or weight.dtype != torch.float32 or weight.layout != torch.strided:
            raise ValueError(f"{name} is not a dense tensor of float32")
    return {name: weight.shape for name, weight in weights.items()}


@dataclass(frozen=True)
class Checkpoint:
    """A trial at the end of an epoch that passed the guard. Raises ValueError if epochs are missing."""

    folds: tuple[FoldState, ...]
    random: tuple[dict[str, Tensor], ...]
    """The state of the random numbers of each seed."""
    epochs: tuple[EpochReport, ...]
    findings: tuple[Finding, ...]
    best_epoch: int

    def __post_init__(self) -> None:
        if [report.epoch for report in self.epochs] != list(range(len(self.epochs))):
            raise ValueError("epochs are missing or repeated")
        if self.best_epoch not in range(len(self.epochs)):
            raise ValueError("the best epoch is not on record")


CHECKPOINT_FORMAT = ChecksummedFormat(
    magic=b"ballast checkpoint 3",
    largest=2**34,  # a trial of 45 folds with a million weights each has 1 GB
    other_identity="it is of another configuration, seed, table or version of torch, numba or scipy",
    wrong_digest="it is damaged, or no worker of this study wrote it: its digest is wrong",
)
"""Raise the number in `magic` also when a trial computes something else than before."""

Report = TypeVar("Report")

_EVERY_FLOAT = ConfigDict(ser_json_inf_nan="constants")
_EPOCHS = TypeAdapter(tuple[EpochReport, ...], config=_EVERY_FLOAT)


def _flat(finding: Any) -> Any:
    """The finding as saved today; older files keep action and learning rates under `intervention`."""
    return {**finding, **finding.pop("intervention", {})} if isinstance(finding, dict) else finding


_FINDINGS = TypeAdapter(tuple[Annotated[Finding, BeforeValidator(_flat)], ...], config=_EVERY_FLOAT)


def checkpoint_identity(
    config: TrialConfig,
    folds: Sequence[Dataset],
    *,
    metric: Loss | None = None,
    baseline: Baseline,
    ceiling: float,
    seeds: Sequence[int],
) -> str:
    """SHA-256 (hex) of everything that a trial's results depend on; other checkpoints are not used.

    Losses computed from the table enter with six digits, because the last digits differ between machines.
    """
    device = torch.device(config.training.device)
    judged_by = {} if metric is None or metric == config.loss else {"metric": metric.to_json()}
    others = {"more_seeds": list(seeds[1:])} if len(seeds) > 1 else {}
    facts = {
        **judged_by,
        **others,
        "config": config.model_dump(mode="json", exclude=_IGNORED_SETTINGS),
        "kernel": [kernel_name(config.training.kernel, device), version("numba"), version("scipy")],
        "data": [data.sha256 for data in folds],
        "baseline": [baseline.name, f"{baseline.loss:.6g}"],
        "ceiling": f"{ceiling:.6g}",
        "seed": seeds[0],
        "torch": torch.__version__,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


MALFORMED_CHECKPOINT_ERRORS = (
    *(pickle.UnpicklingError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, EOFError),
    OverflowError,
)
"""Errors that torch raises for a file whose digest is right but whose content is not a trial's."""


class CheckpointFile:
    """The checkpoint file of a trial, at `path`. Reading and writing never raise: the trial then goes on
    without it.
    """

    def __init__(self, path: Path, identity: str, key: bytes | None = None) -> None:
        self._path = path
        self._identity = identity
        self._key = key
        self._epochs, self._findings = _ReportLog(_EPOCHS), _ReportLog(_FINDINGS)
        self._warned = False

    def load(self) -> Checkpoint | None:
        """The checkpoint; None if there is none or if it cannot be used. The reason is logged."""
        try:
            return _decode(CHECKPOINT_FORMAT.read(self._path, self._identity, self._key))
        except FileNotFoundError:
            return None
        except (ChecksumError, CheckpointError, OSError) as error:
            log.warning("checkpoint %s is ignored: %s", self._path, error)
            return None

    def refuse(self, error: Exception) -> None:
        """Log that the checkpoint does not fit the trial, and that it is not used."""
        reason = f"it does not fit the trial ({type(error).__name__})"
        log.warning("checkpoint %s is ignored: %s", self._path, reason)

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the file by this checkpoint. The first failure is logged."""
        try:
            content = self._encode(checkpoint)
            # Not durable: waiting for the disk would cost time in every epoch, and the digest finds damage.
            CHECKPOINT_FORMAT.write(self._path, self._identity, content, self._key, durable=False)
        # ValueError: a path that is not valid Unicode cannot be written in a message.
        except (OSError, ValueError) as error:
            if not self._warned:
                log.warning("no checkpoint at %s, the trial goes on without: %s", self._path, error)
            self._warned = True

    def _encode(self, checkpoint: Checkpoint) -> bytes:
        plain = {
            **vars(checkpoint),
            "folds": [{**vars(fold), "good": vars(fold.good)} for fold in checkpoint.folds],
            "epochs": self._epochs.text(checkpoint.epochs),
            "findings": self._findings.text(checkpoint.findings),
        }
        buffer = io.BytesIO()
        torch.save(plain, buffer)
        return buffer.getvalue()


class _ReportLog(Generic[Report]):
    """Encodes the epochs or findings of a trial as JSON, which keeps every bit of a float.

    Each line holds the reports that one checkpoint added, so that older reports are not encoded again.
    """

    def __init__(self, adapter: TypeAdapter[tuple[Report, ...]]) -> None:
        self._adapter, self._known, self._text = adapter, 0, ""

    def text(self, reports: tuple[Report, ...]) -> str:
        if len(reports) > self._known:
            self._text += self._adapter.dump_json(reports[self._known :]).decode() + "\n"
            self._known = len(reports)
        return self._text


def _decode(payload: bytes) -> Checkpoint:
    try:
        plain = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        return Checkpoint(
            **{
                **plain,
                "folds": tuple(
                    FoldState(**{**fold, "good": LearnerSnapshot(**fold["good"])}) for fold in plain["folds"]
                ),
                "random": _streams(plain["random"]),
                "epochs": _read(_EPOCHS, plain["epochs"]),
                "findings": _read(_FINDINGS, plain["findings"]),
            }
        )
    except MALFORMED_CHECKPOINT_ERRORS as error:
        what = f"it does not hold the tensors and numbers of a trial ({type(error).__name__})"
        raise CheckpointError(what) from None


def _streams(saved: Any) -> tuple[dict[str, Tensor], ...]:
    """The state of each seed; a file from before trials had several seeds holds that of the only one."""
    return (saved,) if isinstance(saved, dict) else tuple(saved)


def _read(adapter: TypeAdapter[tuple[Report, ...]], text: str) -> tuple[Report, ...]:
    return tuple(report for line in text.split("\n")[:-1] for report in adapter.validate_json(line))
