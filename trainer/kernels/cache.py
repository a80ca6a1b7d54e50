"""Compiled functions on disk, believed only where they are, to the bit, what this user's own process wrote.

Numba's own cache unpickles whatever lies in its folder: a flipped bit gives other numbers, or a crash. Here a
file begins with a SHA-256 of what it is for and what it holds. It is read once, compared, and only then
unpickled, and it lies in a folder that nobody but this user can write to. On any doubt the function is
compiled again.
"""

import hashlib
import logging
import os
import pickle
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numba.core import compiler, serialize
from numba.core.caching import _Cache

from trainer.atomic_files import write_file
from trainer.bounded_reading import read_bounded

log = logging.getLogger("ballast.trainer")

_compiler: Any = compiler
_serialize: Any = serialize
"""Numba has no types here."""

FOLDER = "ballast-kernels"
_SUFFIX = ".kernel"
_DIGEST = hashlib.sha256().digest_size
_SOURCES = ("compiled.py", "workspace.py")
"""What is compiled stands in the first, and takes a constant from the second."""
_LARGEST = 64 * 2**20
"""Bytes of a file; those of our functions have up to 400,000."""
_KEPT_S = 90 * 86_400.0
"""Seconds after which a file is removed: it may be of a version that is gone, and takes seconds to make."""


class KernelCache(_Cache):
    """The files of one function, one for each signature; what Numba asks of a cache."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"

    @property
    def cache_path(self) -> str | None:
        """The folder; None where nothing is kept."""
        folder = kernel_cache_folder()
        return None if folder is None else str(folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was compiled for this signature and processor; None where it is to be compiled."""
        target_context.refresh()
        identity = self._identity(sig, target_context.codegen())
        payload = _read(identity)
        if payload is None:
            return None
        try:
            return _compiler.CompileResult._rebuild(target_context, *pickle.loads(payload))
        except Exception as error:  # whatever it is, compiling it again is the answer
            _tell(f"it does not load ({type(error).__name__})")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, unless it holds addresses of this process."""
        if not data.library.has_dynamic_globals:
            _write(self._identity(sig, data.codegen), _serialize.dumps(data._reduce()))

    def enable(self) -> None:
        """Nothing: it is always on."""

    def disable(self) -> None:
        """Nothing: it is always on."""

    def flush(self) -> None:
        """Remove the files of all functions: they were compiled together."""
        folder = kernel_cache_folder()
        for path in () if folder is None else folder.glob(f"*{_SUFFIX}"):
            path.unlink(missing_ok=True)

    def _identity(self, sig: Any, codegen: Any) -> bytes:
        """Of everything that decides the machine code."""
        return hashlib.sha256(repr((self._name, sig, codegen.magic_tuple(), _made_by())).encode()).digest()


@cache
def kernel_cache_folder() -> Path | None:
    """The folder of compiled functions, in which only this user can write; None, which is logged, where there
    can be none.
    """
    try:
        folder = _base() / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except (OSError, RuntimeError) as error:  # RuntimeError: this user has no home
        _tell_of_folder(getattr(error, "strerror", None) or str(error))
        return None
    if not stat.S_ISDIR(found.st_mode):
        _tell_of_folder("it is a link")
    elif found.st_uid != os.geteuid():
        _tell_of_folder("it belongs to another user")
    elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        _tell_of_folder("other users can write to it")
    else:
        return folder
    return None


def _base() -> Path:
    named = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    return Path(named) if named else Path.home() / ".cache"


@cache
def _made_by() -> tuple[str, ...]:
    """The sources of the kernels, and the versions of what compiles them and of what they call."""
    sources = b"".join(Path(__file__).with_name(name).read_bytes() for name in _SOURCES)
    versions = map(version, ("numba", "llvmlite", "numpy", "scipy"))
    return (hashlib.sha256(sources).hexdigest(), sys.version, *versions)


def _read(identity: bytes) -> bytes | None:
    """What was written for `identity`; None where there is nothing, or something else."""
    if (folder := kernel_cache_folder()) is None:
        return None
    try:
        content = read_bounded(folder / _file_name(identity), _LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        _tell(str(error.strerror))
        return None
    if content[:_DIGEST] == _digest(identity, content[_DIGEST:]):
        return content[_DIGEST:]
    _tell("it is damaged")
    return None


def _write(identity: bytes, payload: bytes) -> None:
    if (folder := kernel_cache_folder()) is None:
        return
    try:
        write_file(folder / _file_name(identity), _digest(identity, payload), payload)
        _forget_old(folder)
    except OSError as error:
        _tell(str(error.strerror))


def _forget_old(folder: Path) -> None:
    oldest = time.time() - _KEPT_S
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another worker was faster
            if path.lstat().st_mtime < oldest:
                path.unlink()


def _file_name(identity: bytes) -> str:
    return identity.hex()[:32] + _SUFFIX


def _digest(identity: bytes, payload: bytes) -> bytes:
    return hashlib.sha256(identity + payload).digest()


@cache
def _tell(reason: str) -> None:
    """Once for each reason, however many functions it concerns."""
    log.warning(
        "kernels are compiled anew, what is kept in %s is not used: %s", kernel_cache_folder(), reason
    )


def _tell_of_folder(reason: str) -> None:
    log.warning(
        "kernels are compiled in each process, %s cannot keep them: %s; name another: NUMBA_CACHE_DIR=FOLDER",
        _base() / FOLDER,
        reason,
    )
