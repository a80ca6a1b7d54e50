"""The folds of a study as one process has prepared them, in a file that the workers of its machine map.

It is used by whoever would compute the same bits: its identity names the table, the data section, the machine
and the versions that the arrays come from, and its digest covers every byte of them. Whatever is amiss with
the file, folds are prepared anew: nothing but time is lost.
"""

import hashlib
import json
import logging
import mmap
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from search.machine import this_machine
from trainer.atomic_files import write_file
from trainer.config import DataConfig
from trainer.data.history import History
from trainer.data.windows import Dataset, Scaler

log = logging.getLogger("ballast.workers")

_MAGIC = "ballast data 2"
"""The last figure is the format: raise it with any change to what is saved or to how folds are prepared."""
_HEAD = 256
"""Bytes for magic, identity and digest, which are always of one length."""
_ALIGNED = 64
"""Each array begins on a cache line, as numpy's own do."""


def identity_of(config: DataConfig, sha256: str) -> str:
    """SHA-256 of what decides every bit of the folds; `sha256` is that of the table's bytes.

    The machine is part of it: another one may round a logarithm otherwise, and a trial is to give the same
    bits again on the machine that its record names.
    """
    facts = {
        "config": config.model_dump(mode="json", exclude={"source"}),
        "table": sha256,
        "machine": this_machine(),
        "versions": {name: version(name) for name in ("ballast", "numpy", "pandas")},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def keep(path: Path, identity: str, folds: Sequence[Dataset]) -> None:
    """Put the folds at `path`, at once and as a whole, whoever else does the same; a failure is logged."""
    payload = _encode(folds)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, _head(identity, payload), payload)
    except OSError as error:
        log.warning("each worker prepares the data for itself: %s: %s", path, error.strerror)


def recall(path: Path, identity: str) -> tuple[Dataset, ...] | None:
    """The folds that were kept under this identity; None where there are none, or none that can be used.

    Their pages are shared by all who map them, until somebody writes to one: what he writes is his alone.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError):  # ValueError: the file is empty
        return None
    if mapped[:_HEAD] != _head(identity, memoryview(mapped)[_HEAD:]):
        log.info("%s is damaged, or of other data, and not used", path)
        return None
    return _decode(mapped)


def _head(identity: str, payload: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(payload).hexdigest()
    return f"{_MAGIC} {identity} {digest}".encode().ljust(_HEAD - 1) + b"\n"


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
    first = _aligned(mapped.find(b"\n", _HEAD) + 1)

    def array(plain: dict[str, Any]) -> Any:
        if not isinstance(plain.get("dtype"), str):  # the shares by feature, whatever these are called
            return plain
        return np.ndarray(plain["shape"], plain["dtype"], buffer=mapped, offset=first + plain["at"])

    return tuple(
        Dataset(
            **{
                **plain,
                "feature_names": tuple(plain["feature_names"]),
                "scaler": Scaler(**plain["scaler"]),
                "history": History(**plain["history"]),
            }
        )
        for plain in json.loads(mapped[_HEAD:first], object_hook=array)
    )


def _padded(content: bytes) -> bytes:
    return content.ljust(_aligned(len(content)))


def _aligned(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
