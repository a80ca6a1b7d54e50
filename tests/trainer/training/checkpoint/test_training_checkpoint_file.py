"""The file of a checkpoint: any name in it, any damage and forgery, a disk that is full."""

from __future__ import annotations

import errno
import io
import logging
import math
import os
import pickle
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainer.training.checkpoint.interrupted_trial import (
    BASELINE,
    EPOCHS,
    KILLED_IN,
    bits,
    halted,
    settings,
    trial,
)
from trainer.atomic_files import remove_file
from trainer.data.windows import Dataset
from trainer.errors import ChecksumError
from trainer.training import checkpoint
from trainer.training.checkpoint import CHECKPOINT_FORMAT, CheckpointFile, checkpoint_identity
from trainer.training.result import EpochReport, Outcome, TrialResult

OWNER = "whose it is"


def test_an_epoch_is_put_into_words_once_however_many_checkpoints_it_is_in(
    data: Dataset, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = checkpoint._EPOCHS.dump_json
    told: list[int] = []

    def spy(reports: tuple[EpochReport, ...]) -> bytes:
        told.extend(report.epoch for report in reports)
        return genuine(reports)

    monkeypatch.setattr(checkpoint._EPOCHS, "dump_json", spy)
    halted(data, path)
    assert told == list(range(KILLED_IN))
    trial(data, path)  # a new process knows nothing of what was written
    assert told[KILLED_IN:] == list(range(EPOCHS))


@pytest.mark.parametrize("name", ["vol\u2028x", "vol\x85x", "vol\nx"])
def test_a_column_of_any_name_may_be_found_broken_before_a_checkpoint(
    data: Dataset, path: Path, name: str
) -> None:
    broken = broken_cell_in(data, name)
    halted(broken, path)
    result = trial(broken, path)
    assert result.findings[0].cell is not None
    assert result.findings[0].cell.startswith(name)
    assert result.resumed_from == KILLED_IN - 1


def test_a_name_that_is_no_text_costs_the_checkpoint_and_not_the_trial(
    data: Dataset, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = broken_cell_in(data, "vol\ud800")
    assert trial(broken, path).outcome is Outcome.FINISHED
    assert [f"no checkpoint at {path}" in message for message in caplog.messages].count(True) == 1


def broken_cell_in(data: Dataset, name: str) -> Dataset:
    """The data with a broken cell, which one window has, in a column of this name; no broken target."""
    features = data.features.copy()
    features[data.train[0] - 7, 0] = math.nan
    target = np.nan_to_num(data.target)
    return replace(data, features=features, target=target, feature_names=(name, *data.feature_names[1:]))


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def cut_in_its_head(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:60])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def zeroed_in_the_middle(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[5000:6000] = bytes(1000)
    file.write_bytes(content)


def replaced_by_weights(file: Path) -> None:
    torch.save({"head.bias": torch.zeros(1)}, file)


def replaced_by_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES: dict[Callable[[Path], None], str] = {
    cut_short: "it is damaged, or no worker of this study wrote it: its digest is wrong",
    cut_in_its_head: "it is damaged: it ends in its head",
    emptied: "it does not begin with 'ballast checkpoint 3'",
    zeroed_in_the_middle: "it is damaged, or no worker of this study wrote it: its digest is wrong",
    replaced_by_weights: "it does not begin with 'ballast checkpoint 3'",
    replaced_by_a_folder: "Is a directory",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_or_foreign_file_is_ignored_and_replaced(
    damage: Callable[[Path], None],
    data: Dataset,
    path: Path,
    unbroken: TrialResult,
    caplog: pytest.LogCaptureFixture,
) -> None:
    halted(data, path)
    damage(path)
    result = trial(data, path)
    assert (result.resumed_from, bits(result)) == (None, bits(unbroken))
    assert f"checkpoint {path} is ignored: " in caplog.messages[0]
    assert DAMAGES[damage] in caplog.messages[0]
    if path.is_file():
        assert trial(data, path).resumed_from == EPOCHS - 1


class Hostile:
    """Code to be run by whoever unpickles this."""

    def __init__(self, proof: Path) -> None:
        self._proof = proof

    def __reduce__(self) -> Any:
        return Path.touch, (self._proof,)


def saved_by_torch(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def test_code_in_a_forged_file_is_never_run(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    proof = path.with_name("proof")
    for payload in (saved_by_torch({"good": Hostile(proof)}), pickle.dumps(Hostile(proof), protocol=2)):
        CHECKPOINT_FORMAT.write(path, OWNER, payload)
        assert CheckpointFile(path, OWNER).load() is None
    assert not proof.exists()
    assert all(
        "it does not hold the tensors and numbers of a trial (UnpicklingError)" in message
        for message in caplog.messages
    )


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x80", saved_by_torch([]), saved_by_torch({}), saved_by_torch({"good": {}}), saved_by_torch(1)],
    ids=["empty", "cut", "list", "nothing", "no_snapshot", "number"],
)
def test_a_forged_file_without_what_is_needed_is_ignored(
    payload: bytes, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    CHECKPOINT_FORMAT.write(path, OWNER, payload)
    assert CheckpointFile(path, OWNER).load() is None
    assert (
        f"checkpoint {path} is ignored: it does not hold the tensors and numbers of a trial ("
        in caplog.messages[0]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [{"best_epoch": 99}, {"best_epoch": "0"}, {"epochs": ""}, {"epochs": "[]\n"}]
)
def test_a_forged_file_that_contradicts_itself_is_ignored(
    data: Dataset, path: Path, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    halted(data, path)
    owner = checkpoint_identity(settings(), [data], baseline=BASELINE, ceiling=0.9, seeds=(3,))
    plain = torch.load(io.BytesIO(CHECKPOINT_FORMAT.read(path, owner)), weights_only=True)
    CHECKPOINT_FORMAT.write(path, owner, saved_by_torch({**plain, **change}))
    assert trial(data, path).resumed_from is None
    assert "it does not hold the tensors and numbers of a trial (ValueError)" in caplog.messages[0]


def test_a_checkpoint_that_cannot_be_written_costs_one_warning_and_nothing_else(
    data: Dataset, path: Path, unbroken: TrialResult, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = path.parent / "missing" / path.name
    assert bits(trial(data, nowhere)) == bits(unbroken)
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert f"no checkpoint at {nowhere}, the trial goes on without: " in warning


def test_a_full_disk_leaves_the_checkpoint_of_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CHECKPOINT_FORMAT.write(path, OWNER, b"before")

    def full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left on device"):
        CHECKPOINT_FORMAT.write(path, OWNER, b"after")
    assert CHECKPOINT_FORMAT.read(path, OWNER) == b"before"
    assert list(path.parent.iterdir()) == [path]


def test_what_a_kill_left_half_written_is_not_read_and_is_forgotten_with_the_rest(path: Path) -> None:
    CHECKPOINT_FORMAT.write(path, OWNER, b"whole\nwith lines\n")
    path.with_name(".ballast-0123456789abcdef.part").write_bytes(b"ballast check")
    assert CHECKPOINT_FORMAT.read(path, OWNER) == b"whole\nwith lines\n"
    remove_file(path)
    assert list(path.parent.iterdir()) == []
    remove_file(path)


def test_a_seal_that_is_not_mine_is_refused(path: Path) -> None:
    CHECKPOINT_FORMAT.write(path, OWNER, b"whole")
    with pytest.raises(ChecksumError, match="it is of another configuration, seed, table or version"):
        CHECKPOINT_FORMAT.read(path, "another")


def test_a_checkpoint_that_was_not_signed_with_the_key_of_the_study_is_ignored(
    data: Dataset, path: Path, unbroken: TrialResult, caplog: pytest.LogCaptureFixture
) -> None:
    for other in ({}, {"checkpoint_key": b"another"}):
        path.unlink(missing_ok=True)
        halted(data, path, **other)
        result = trial(data, path, checkpoint_key=b"the study's")
        assert (result.resumed_from, bits(result)) == (None, bits(unbroken))
    assert "no worker of this study wrote it" in caplog.text
    assert trial(data, path, checkpoint_key=b"the study's").resumed_from == EPOCHS - 1


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("folds", 0, "good", "weights", "head.bias"), torch.zeros(3)),
        (("folds", 0, "best_weights", "head.bias"), torch.zeros(1, dtype=torch.float64)),
        (("folds", 0, "good", "optimizer", "state", 0, "step"), 10**30),
        (("folds", 0, "good", "optimizer"), []),
        (("folds", 0, "step"), {}),
        (("random", 0, "cpu"), torch.zeros(3)),
    ],
)
def test_a_forged_file_that_does_not_fit_the_trial_is_ignored(
    data: Dataset, path: Path, unbroken: TrialResult, place: tuple[Any, ...], value: Any
) -> None:
    halted(data, path)
    owner = checkpoint_identity(settings(), [data], baseline=BASELINE, ceiling=0.9, seeds=(3,))
    plain = torch.load(io.BytesIO(CHECKPOINT_FORMAT.read(path, owner)), weights_only=True)
    *outer, last = place
    part = plain
    for key in outer:
        if isinstance(part[key], tuple):
            part[key] = list(part[key])
        part = part[key]
    part[last] = value
    CHECKPOINT_FORMAT.write(path, owner, saved_by_torch(plain))
    result = trial(data, path)
    assert (result.resumed_from, bits(result)) == (None, bits(unbroken))


@pytest.mark.slow
def test_no_damage_to_the_bytes_under_a_right_digest_is_an_error(data: Dataset, path: Path) -> None:
    halted(data, path)
    owner = checkpoint_identity(settings(), [data], baseline=BASELINE, ceiling=0.9, seeds=(3,))
    payload, drawn = CHECKPOINT_FORMAT.read(path, owner), random.Random(14)
    loaded = []
    for _ in range(200):
        damaged, at = bytearray(payload), drawn.randrange(len(payload))
        damaged[at : at + drawn.choice([0, 1, 40])] = drawn.randbytes(drawn.choice([0, 1, 9]))
        CHECKPOINT_FORMAT.write(path, owner, bytes(damaged))
        loaded.append(CheckpointFile(path, owner).load())
    assert None in loaded
