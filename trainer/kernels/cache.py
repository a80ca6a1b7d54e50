"""Keeps compiled functions on disk, and loads only files that a process of this user wrote unchanged.

Numba's own cache unpickles every file in its folder: a flipped bit gives wrong numbers or a crash. Here a
file has a checksum, which is verified before the file is unpickled, and the folder can be written by this
user only. If anything is wrong, the function is compiled again.
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

from trainer.checksummed_file import ChecksummedFormat
from trainer.errors import ChecksumError

log = logging.getLogger("ballast.trainer")

_compiler: Any = compiler
_serialize: Any = serialize
"""Numba has no types for these modules."""

FOLDER = "ballast-kernels"
_SUFFIX = ".kernel"
KERNEL_FORMAT = ChecksummedFormat(
    magic=b"ballast kernel 1",
    largest=64 * 2**20,  # the files of these functions have up to 400,000 bytes
    other_identity="it is damaged",
    wrong_digest="it is damaged",
)
_SOURCES = ("compiled.py", "workspace.py")
"""The first holds the compiled functions; it takes a constant from the second."""
_KEPT_S = 90 * 86_400.0
"""Seconds after which a file is removed. It may be of an old version, and compiling again takes seconds."""


class KernelCache(_Cache):
    """The files of one function, one for each signature, with the interface of Numba's caches."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"

    @property
    def cache_path(self) -> str | None:
        """The folder; None if compiled functions are not kept."""
        folder = kernel_cache_folder()
        return None if folder is None else str(folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The code for this signature and processor; None if it must be compiled."""
        target_context.refresh()
        identity = self._identity(sig, target_context.codegen())
        payload = _read(identity)
        if payload is None:
            return None
        try:
            return _compiler.CompileResult._rebuild(target_context, *pickle.loads(payload))
        except Exception as error:  # for any error, compile again
            _warn_once(f"it does not load ({type(error).__name__})")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code, unless it holds addresses of this process."""
        if not data.library.has_dynamic_globals:
            _write(self._identity(sig, data.codegen), _serialize.dumps(data._reduce()))

    def enable(self) -> None:
        """Does nothing: the cache is always on."""

    def disable(self) -> None:
        """Does nothing: the cache is always on."""

    def flush(self) -> None:
        """Remove the files of all functions: they were compiled together."""
        folder = kernel_cache_folder()
        for path in () if folder is None else folder.glob(f"*{_SUFFIX}"):
            path.unlink(missing_ok=True)

    def _identity(self, sig: Any, codegen: Any) -> str:
        """SHA-256 (hex) of everything that decides the machine code, and of the format of the file."""
        facts = (KERNEL_FORMAT.magic, self._name, sig, codegen.magic_tuple(), _made_by())
        return hashlib.sha256(repr(facts).encode()).hexdigest()


@cache
def kernel_cache_folder() -> Path | None:
    """The folder of compiled functions, which only this user can write to. None if there is no such folder;
    the reason is logged.
    """
    try:
        folder = _base() / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except (OSError, RuntimeError) as error:  # RuntimeError: this user has no home
        _warn_about_folder(getattr(error, "strerror", None) or str(error))
        return None
    if not stat.S_ISDIR(found.st_mode):
        _warn_about_folder("it is a link")
    elif found.st_uid != os.geteuid():
        _warn_about_folder("it belongs to another user")
    elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        _warn_about_folder("other users can write to it")
    else:
        return folder
    return None


def _base() -> Path:
    named = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    return Path(named) if named else Path.home() / ".cache"


@cache
def _made_by() -> tuple[str, ...]:
    """Digest of the kernels' sources, and versions of Python and of the packages that compile or run them."""
    sources = b"".join(Path(__file__).with_name(name).read_bytes() for name in _SOURCES)
    versions = map(version, ("numba", "llvmlite", "numpy", "scipy"))
    return (hashlib.sha256(sources).hexdigest(), sys.version, *versions)


def _read(identity: str) -> bytes | None:
    """The payload that was written for `identity`; None if there is no usable one."""
    if (folder := kernel_cache_folder()) is None:
        return None
    try:
        return KERNEL_FORMAT.read(folder / _file_name(identity), identity)
    except FileNotFoundError:
        return None
    except OSError as error:
        _warn_once(str(error.strerror))
    except ChecksumError:
        _warn_once("it is damaged")  # the message does not say which part
    return None


def _write(identity: str, payload: bytes) -> None:
    if (folder := kernel_cache_folder()) is None:
        return
    try:
        KERNEL_FORMAT.write(folder / _file_name(identity), identity, payload)
        _forget_old(folder)
    except OSError as error:
        _warn_once(str(error.strerror))


def _forget_old(folder: Path) -> None:
    oldest = time.time() - _KEPT_S
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another worker was faster
            if path.lstat().st_mtime < oldest:
                path.unlink()


def _file_name(identity: str) -> str:
    return identity[:32] + _SUFFIX


@cache
def _warn_once(reason: str) -> None:
    """Log each reason once, for all functions together."""
    log.warning(
        "kernels are compiled anew, what is kept in %s is not used: %s", kernel_cache_folder(), reason
    )


def _warn_about_folder(reason: str) -> None:
    log.warning(
        "kernels are compiled in each process, %s cannot keep them: %s; name another: NUMBA_CACHE_DIR=FOLDER",
        _base() / FOLDER,
        reason,
    )
