"""A file of prepared folds, which one process writes and all workers of its machine map into memory.

Its identity names the table, the data section, the machine and the versions, so that only a process that
would compute the same bits uses it. Its digest needs the study's key, which is in the store. If anything is
wrong with the file, the folds are prepared again: only time is lost.
"""

import errno
import hashlib
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
from trainer.bounded_reading import open_regular
from trainer.checksummed_file import ChecksummedFormat
from trainer.config import DataConfig
from trainer.data.scaler import Scaler, SeriesMoments
from trainer.data.target_history import TargetHistory
from trainer.data.windows import Dataset
from trainer.errors import ChecksumError

log = logging.getLogger("ballast.workers")

FOLDS_FORMAT = ChecksummedFormat(
    magic=b"ballast data 8".ljust(61),  # so that the payload begins at byte 192, on a cache line
    largest=2**40,  # the file is mapped, and needs no memory of its own
    other_identity="it is of other data, another machine or other versions",
    wrong_digest="it is damaged, or no worker of this study wrote it: its digest is wrong",
)
"""Raise the figure in the magic also with any change to how folds are prepared."""
_ALIGNED = 64
"""Each array begins on a cache line, as numpy's own arrays do."""
_DTYPES = frozenset({"<f4", "<f8", "<i8", "<M8[ns]"})
"""Types of the arrays of a Dataset, its scaler and its history."""


def folds_identity(config: DataConfig, sha256: str) -> str:
    """SHA-256 of everything that decides the bits of the folds; `sha256` is that of the table's bytes.

    The machine is included: another one may round a logarithm differently, and a trial must give the same
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
    """Write the folds to `path` atomically; other processes may do the same. A failure is logged."""
    if map_folds(path, identity, key) is not None:
        return  # over a network, removing a file breaks the mapping of other processes
    payload = _encode(folds)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        FOLDS_FORMAT.write(path, identity, payload, key, mode=0o600)
    except OSError as error:
        log.warning("each worker prepares the data for itself: %s: %s", path, error.strerror)


def map_folds(path: Path, identity: str, key: bytes) -> tuple[Dataset, ...] | None:
    """The folds that were written with this identity and key; None if there are none that can be used.

    All processes share the pages; a process that writes to one gets its own copy of it.
    """
    try:
        mapped = _mapped(path)
        start = FOLDS_FORMAT.payload_start(mapped, identity, key)
    except FileNotFoundError:
        return None
    except ChecksumError as error:
        _doubted(path, str(error))
        return None
    except (OSError, ValueError) as error:  # ValueError: the file is empty
        _doubted(path, getattr(error, "strerror", None) or "it is empty")
        return None
    try:
        return _decode(mapped, start)
    # A process that has the key can write any payload: it must not crash this one.
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        _doubted(path, f"it does not hold folds ({type(error).__name__}: {error})")
        return None


def _doubted(path: Path, reason: str) -> None:
    log.warning("data are prepared anew, %s is not used: %s", path, reason)


def _mapped(path: Path) -> mmap.mmap:
    with open_regular(path, FOLDS_FORMAT.largest) as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            # It could change, or become shorter, after the check.
            raise PermissionError(errno.EPERM, "other users can write to it")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def _encode(folds: Sequence[Dataset]) -> list[bytes | memoryview]:
    """A line of JSON, which gives the position of each array, and then the arrays, one after the other, not
    copied. Arrays that folds have in common are there once.
    """
    arrays: list[tuple[npt.NDArray[Any], dict[str, Any]]] = []
    parts: list[bytes | memoryview] = []

    def place(array: npt.NDArray[Any]) -> dict[str, Any]:
        for other, entry in arrays:
            if other is array or (_is_alike(other, array) and np.array_equal(other, array)):
                return entry
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        at = sum(map(len, parts))
        parts.extend([content, b"\0" * (_aligned(len(content)) - len(content))])
        arrays.append((array, {"dtype": array.dtype.str, "shape": array.shape, "at": at}))
        return arrays[-1][1]

    plain = [
        {**vars(fold), "scaler": _plain_scaler(fold.scaler), "history": vars(fold.history)} for fold in folds
    ]
    return [_padded(json.dumps(plain, default=place).encode() + b"\n"), *parts]


def _is_alike(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    """Whether two arrays hold as many numbers of one type; -0.0 equals 0.0, so that of floats none is."""
    return one.dtype == other.dtype and one.shape == other.shape and one.dtype.kind == "i"


def _plain_scaler(scaler: Scaler) -> dict[str, Any]:
    return {**vars(scaler), "series": None if scaler.series is None else vars(scaler.series)}


def _scaler(plain: dict[str, Any]) -> Scaler:
    series = plain["series"]
    return Scaler(**{**plain, "series": None if series is None else SeriesMoments(**series)})


def _decode(mapped: mmap.mmap, start: int) -> tuple[Dataset, ...]:
    """The folds. Raises ValueError and its like if the line at `start` does not describe the arrays after
    it.
    """
    first = _aligned(mapped.find(b"\n", start) + 1)
    room = memoryview(mapped)[first:]

    def array(plain: dict[str, Any]) -> Any:
        if not isinstance(plain.get("dtype"), str):  # a mapping from feature to share, not an array
            return plain
        return _array(room, **plain)

    folds = tuple(
        Dataset(
            **{
                **plain,
                "feature_names": tuple(plain["feature_names"]),
                "series_names": tuple(plain["series_names"]),
                "scaler": _scaler(plain["scaler"]),
                "history": TargetHistory(**plain["history"]),
            }
        )
        for plain in json.loads(mapped[start:first], object_hook=array)
    )
    for fold in folds:
        _require_whole(fold)
    return folds


def _array(room: memoryview, dtype: str, shape: list[int], at: int) -> npt.NDArray[Any]:
    """A view of `room`. Checks what numpy does not: the sign of an offset, and types that hold objects."""
    if dtype not in _DTYPES:
        raise ValueError(f"{dtype!r} is no type of such an array")
    if not all(type(length) is int and length >= 0 for length in (*shape, at)):
        raise ValueError(f"{shape} at {at} is no place of an array")
    count = prod(shape)
    if at + count * np.dtype(dtype).itemsize > len(room):
        raise ValueError(f"{shape} at {at} is behind the end")
    return np.frombuffer(room, dtype, count, at).reshape(shape)


def _require_whole(fold: Dataset) -> None:
    """Raise ValueError unless all arrays have the same number of rows, and all row numbers exist."""
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
        fold.weights,
    )
    by_feature = (fold.scaler.feature_mean, fold.scaler.feature_std)
    if any(each.shape != (rows,) for each in by_row if each is not None):
        raise ValueError("arrays are of different lengths")
    moments = fold.scaler.series
    if moments is not None and any(
        each.shape != (len(fold.series_starts), *shape)
        for each, shape in (
            (moments.feature_mean, (features,)),
            (moments.feature_std, (features,)),
            (moments.target_mean, ()),
            (moments.target_std, ()),
        )
    ):
        raise ValueError("moments of series are missing")
    if any(each.shape != (features,) for each in by_feature) or len(fold.feature_names) != features:
        raise ValueError("features are missing")
    if len(fold.series_names) not in (0, len(fold.series_starts)):
        raise ValueError("series are missing")
    starts = fold.series_starts[: np.searchsorted(fold.series_starts, rows)]  # the last ones may have no rows
    for named in (fold.train, fold.validation, fold.test, fold.fitting, fold.unseen, starts):
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
