"""The folds of a study as one process has prepared them, in a file that the workers of its machine map.

It is used by whoever would compute the same bits: its identity names the table, the data section, the machine
and the versions that the arrays come from. It is believed where its digest is right, which only those can
make who know the study's key, and that is in the store. Whatever is amiss with the file, folds are prepared
anew: nothing but time is lost.
"""

import errno
import hashlib
import hmac
import json
import logging
import mmap
import os
import stat
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from search.machine import machine_facts
from search.version import version_of
from trainer.atomic_files import write_file
from trainer.bounded_reading import open_regular
from trainer.config import DataConfig
from trainer.data.target_history import TargetHistory
from trainer.data.windows import Dataset, Scaler

log = logging.getLogger("ballast.workers")

_MAGIC = "ballast data 4"
"""The last figure is the format: raise it with any change to what is saved or to how folds are prepared."""
_HEAD = 256
"""Bytes for magic, identity and digest, which are always of one length."""
_ALIGNED = 64
"""Each array begins on a cache line, as numpy's own do."""
_LARGEST = 2**40
"""Bytes of a file; it is mapped, and needs no memory of its own."""
_DTYPES = frozenset({"<f4", "<f8", "<i8", "<M8[ns]"})
"""Of the arrays of a Dataset, its scaler and its history."""


def folds_identity(config: DataConfig, sha256: str) -> str:
    """SHA-256 of what decides every bit of the folds; `sha256` is that of the table's bytes.

    The machine is part of it: another one may round a logarithm otherwise, and a trial is to give the same
    bits again on the machine that its record names.
    """
    facts = {
        "config": config.model_dump(mode="json", exclude={"source"}),
        "table": sha256,
        "machine": machine_facts(),
        "versions": {name: version_of(name) for name in ("ballast", "numpy", "pandas")},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def write_folds(path: Path, identity: str, folds: Sequence[Dataset], key: bytes) -> None:
    """Put the folds at `path`, at once and as a whole, whoever else does the same; a failure is logged."""
    if map_folds(path, identity, key) is not None:
        return  # who has mapped it over a network would lose it with the file's last name
    payload = _encode(folds)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, _head(identity, payload, key), payload, mode=0o600)
    except OSError as error:
        log.warning("each worker prepares the data for itself: %s: %s", path, error.strerror)


def map_folds(path: Path, identity: str, key: bytes) -> tuple[Dataset, ...] | None:
    """The folds that were kept under this identity and key; None where there are none to be believed.

    Their pages are shared by all who map them, until somebody writes to one: what he writes is his alone.
    """
    try:
        mapped = _mapped(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # ValueError: the file is empty
        _doubted(path, getattr(error, "strerror", None) or "it is empty")
        return None
    if not hmac.compare_digest(mapped[:_HEAD], _head(identity, memoryview(mapped)[_HEAD:], key)):
        _doubted(path, "it is damaged, of other data, or was not written by a worker of this study")
        return None
    try:
        return _decode(mapped)
    # Whoever has the key can write what he likes: it is no data, and no crash either.
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        _doubted(path, f"it does not hold folds ({type(error).__name__}: {error})")
        return None


def _doubted(path: Path, reason: str) -> None:
    log.warning("data are prepared anew, %s is not used: %s", path, reason)


def _mapped(path: Path) -> mmap.mmap:
    with open_regular(path, _LARGEST) as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            # It could change, or be cut off, behind the check.
            raise PermissionError(errno.EPERM, "other users can write to it")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def _head(identity: str, payload: bytes | memoryview, key: bytes) -> bytes:
    digest = hmac.new(key, identity.encode(), "sha256")
    digest.update(payload)
    return f"{_MAGIC} {identity} {digest.hexdigest()}".encode().ljust(_HEAD - 1) + b"\n"


def _encode(folds: Sequence[Dataset]) -> bytes:
    """A line of JSON, in which an array is told by its place, and then the arrays, one after the other."""
    arrays: list[bytes] = []

    def place(array: npt.NDArray[Any]) -> dict[str, Any]:
        told = {"dtype": array.dtype.str, "shape": array.shape, "at": sum(map(len, arrays))}
        arrays.append(_padded(array.tobytes()))
        return told

    plain = [{**vars(fold), "scaler": vars(fold.scaler), "history": vars(fold.history)} for fold in folds]
    line = _padded(json.dumps(plain, default=place).encode() + b"\n")
    return line + b"".join(arrays)


def _decode(mapped: mmap.mmap) -> tuple[Dataset, ...]:
    """The folds. ValueError and its like where the text does not describe what the file holds."""
    first = _aligned(mapped.find(b"\n", _HEAD) + 1)
    room = memoryview(mapped)[first:]

    def array(plain: dict[str, Any]) -> Any:
        if not isinstance(plain.get("dtype"), str):  # the shares by feature, whatever these are called
            return plain
        return _array(room, **plain)

    folds = tuple(
        Dataset(
            **{
                **plain,
                "feature_names": tuple(plain["feature_names"]),
                "scaler": Scaler(**plain["scaler"]),
                "history": TargetHistory(**plain["history"]),
            }
        )
        for plain in json.loads(mapped[_HEAD:first], object_hook=array)
    )
    for fold in folds:
        _require_whole(fold)
    return folds


def _array(room: memoryview, dtype: str, shape: list[int], at: int) -> npt.NDArray[Any]:
    """Views of `room`: numpy itself looks at neither the sign of an offset nor at what an object is."""
    if dtype not in _DTYPES:
        raise ValueError(f"{dtype!r} is no type of such an array")
    if not all(type(length) is int and length >= 0 for length in (*shape, at)):
        raise ValueError(f"{shape} at {at} is no place of an array")
    count = prod(shape)
    if at + count * np.dtype(dtype).itemsize > len(room):
        raise ValueError(f"{shape} at {at} is behind the end")
    return np.frombuffer(room, dtype, count, at).reshape(shape)


def _require_whole(fold: Dataset) -> None:
    """Raise ValueError unless all arrays are of as many rows, and rows are named that are there."""
    (rows, features), history = fold.features.shape, fold.history
    by_row = (
        fold.target,
        fold.times,
        history.own,
        history.slots,
        history.returns,
        history.begun,
        fold.offsets,
        fold.positions,
    )
    by_feature = (fold.scaler.feature_mean, fold.scaler.feature_std)
    if any(each.shape != (rows,) for each in by_row if each is not None):
        raise ValueError("arrays are of different lengths")
    if any(each.shape != (features,) for each in by_feature) or len(fold.feature_names) != features:
        raise ValueError("features are missing")
    for named in (fold.train, fold.validation, fold.test, fold.fitting):
        if (
            named.dtype != np.int64
            or named.ndim != 1
            or (len(named) and not 0 <= named.min() <= named.max() < rows)
        ):
            raise ValueError("there are rows beyond the end")


def _padded(content: bytes) -> bytes:
    return content.ljust(_aligned(len(content)))


def _aligned(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
