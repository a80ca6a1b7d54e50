"""What a trial needs to go on after an epoch exactly as if it had never stopped, in a file.

In the file are tensors and plain containers alone, so that `torch.load(weights_only=True)` reads it: a file
can hold wrong numbers, but no code. The initial weights are not in it: the seed gives them again.
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
from trainer.rivals.skill import Baseline
from trainer.training.learner import LearnerSnapshot
from trainer.training.result import EpochReport, Finding

log = logging.getLogger("ballast.trainer")

_NO_PART_OF_A_TRIAL = {"training": {"max_seconds"}, "data": {"source"}}
"""A limit of time changes no bit of what is within it, and the table is known by its digest."""


@dataclass(frozen=True)
class FoldState:
    """One fold at the end of an epoch: the learner's state there, and what the guard has counted.

    `best_weights` and `best_forecasts` are those of the trial's best epoch.
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
            raise ValueError("a count is none")
        if type(self.effective) is not dict or type(self.good.lr) is not float:
            raise ValueError("what was used is missing")
        if _shapes(self.good.weights) != _shapes(self.best_weights):
            raise ValueError("the best weights are of another model")
        _shapes({"forecasts": self.best_forecasts})


def _shapes(weights: dict[str, Tensor]) -> dict[str, torch.Size]:
    """Of parameters; ValueError where one is no plain tensor of float32."""
    for name, weight in weights.items():
        if type(weight) is not Tensor or weight.dtype != torch.float32 or weight.layout != torch.strided:
            raise ValueError(f"{name} is no tensor of float32")
    return {name: weight.shape for name, weight in weights.items()}


@dataclass(frozen=True)
class Checkpoint:
    """A trial at the end of an epoch that passed the guard."""

    folds: tuple[FoldState, ...]
    random: dict[str, Tensor]
    epochs: tuple[EpochReport, ...]
    findings: tuple[Finding, ...]
    best_epoch: int

    def __post_init__(self) -> None:
        if [report.epoch for report in self.epochs] != list(range(len(self.epochs))):
            raise ValueError("epochs are missing, or are there twice")
        if self.best_epoch not in range(len(self.epochs)):
            raise ValueError("the best epoch is none of those passed")


CHECKPOINT_FORMAT = ChecksummedFormat(
    magic=b"ballast checkpoint 3",
    largest=2**34,  # a trial of 45 folds and a million weights each has 1 GB
    other_identity="it is of another configuration, seed, table or version of torch, numba or scipy",
    wrong_digest="it is damaged, or no worker of this study wrote it: its digest is wrong",
)
"""Raise the figure in the magic also with any change to what a trial computes."""

Report = TypeVar("Report")

_EVERY_FLOAT = ConfigDict(ser_json_inf_nan="constants")
_EPOCHS = TypeAdapter(tuple[EpochReport, ...], config=_EVERY_FLOAT)


def _flat(finding: Any) -> Any:
    """The finding as saved today; older files keep action and learning rates under `intervention`."""
    return {**finding, **finding.pop("intervention", {})} if isinstance(finding, dict) else finding


_FINDINGS = TypeAdapter(tuple[Annotated[Finding, BeforeValidator(_flat)], ...], config=_EVERY_FLOAT)


def checkpoint_identity(
    config: TrialConfig, folds: Sequence[Dataset], *, baseline: Baseline, ceiling: float, seed: int
) -> str:
    """SHA-256 of what decides the course of a trial; a checkpoint of another identity is never used.

    Six digits of what is computed from the table: the last ones differ between machines.
    """
    device = torch.device(config.training.device)
    facts = {
        "config": config.model_dump(mode="json", exclude=_NO_PART_OF_A_TRIAL),
        "kernel": [kernel_name(config.training.kernel, device), version("numba"), version("scipy")],
        "data": [data.sha256 for data in folds],
        "baseline": [baseline.name, f"{baseline.loss:.6g}"],
        "ceiling": f"{ceiling:.6g}",
        "seed": seed,
        "torch": torch.__version__,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


MALFORMED_CHECKPOINT_ERRORS = (
    *(pickle.UnpicklingError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, EOFError),
    OverflowError,
)
"""What torch raises of a file that is not what was saved: its digest has held, so somebody has made it."""


class CheckpointFile:
    """The one checkpoint of a trial, at `path`. Neither reading nor writing it ever raises: a trial does
    without.
    """

    def __init__(self, path: Path, identity: str, key: bytes | None = None) -> None:
        self._path = path
        self._identity = identity
        self._key = key
        self._epochs, self._findings = _Diary(_EPOCHS), _Diary(_FINDINGS)
        self._warned = False

    def load(self) -> Checkpoint | None:
        """The checkpoint; None where there is none or it cannot be used, which is logged with the reason."""
        try:
            return _decode(CHECKPOINT_FORMAT.read(self._path, self._identity, self._key))
        except FileNotFoundError:
            return None
        except (ChecksumError, CheckpointError, OSError) as error:
            log.warning("checkpoint %s is ignored: %s", self._path, error)
            return None

    def refuse(self, error: Exception) -> None:
        """Log that the checkpoint does not fit the trial, which begins anew."""
        reason = f"it does not fit the trial ({type(error).__name__})"
        log.warning("checkpoint %s is ignored: %s", self._path, reason)

    def save(self, checkpoint: Checkpoint) -> None:
        """Put the checkpoint in the place of the one before; a failure is logged once."""
        try:
            content = self._encode(checkpoint)
            # Waiting for the disk would cost time in every epoch; the digest finds what a power cut damages.
            CHECKPOINT_FORMAT.write(self._path, self._identity, content, self._key, durable=False)
        # ValueError: a name that is no Unicode cannot be put into words.
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


class _Diary(Generic[Report]):
    """What a trial only ever adds to, as text: JSON keeps every bit of a float.

    Each line is what was new to one checkpoint: a long trial does not encode all of it in every epoch.
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
                "epochs": _read(_EPOCHS, plain["epochs"]),
                "findings": _read(_FINDINGS, plain["findings"]),
            }
        )
    except MALFORMED_CHECKPOINT_ERRORS as error:
        what = f"it does not hold the tensors and numbers of a trial ({type(error).__name__})"
        raise CheckpointError(what) from None


def _read(adapter: TypeAdapter[tuple[Report, ...]], text: str) -> tuple[Report, ...]:
    return tuple(report for line in text.split("\n")[:-1] for report in adapter.validate_json(line))
