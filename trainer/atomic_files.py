"""Writes files and folders atomically: whenever a writer is killed, a reader finds the old or the new
content.

Content is written under a temporary name in the same folder, `.ballast-<random>.part`, and then renamed. The
writer holds a lock on the temporary file. A temporary file that nobody locks was left by a killed writer, and
`clean_up_leftovers` removes it. No other file is ever opened, followed or removed.
"""

import ctypes
import errno
import fcntl
import logging
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger("ballast.files")

_TEMPORARY = re.compile(r"\.ballast-[0-9a-f]{16}\.part")
_NEW, _OLD = "new", "old"
"""Subfolders of a temporary folder: for the new folder, and for the old one that it replaces."""
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EXDEV)
"""Errors that mean that exchanging two folders is not supported; two renames may still work."""
_SOMEBODY_ELSE_WAS_FASTER = (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY)
_ATTEMPTS = 100


def write_file(path: Path, *parts: bytes | memoryview, durable: bool = True, mode: int | None = None) -> None:
    """Write the concatenated `parts` to `path`. A link stays a link; a file keeps its mode unless `mode` is
    given.

    With `durable` the file is the old or the new one even after a power cut. Without it there is no wait for
    the disk, but a power cut may damage the file, which its reader must notice. Raises OSError if nothing can
    be written, and for a read-only file, a folder, a pipe or a device; the old file then stays unchanged.
    """
    place, found = _destination(path)
    with _temporary_file(place.parent, found if mode is None else mode) as (temporary, file):
        file.writelines(parts)
        file.flush()
        if durable:
            os.fsync(file.fileno())
        os.replace(temporary, place)
    if durable:
        _sync(place.parent)
        for sentence in clean_up_leftovers(place.parent):
            log.info("%s", sentence)


def remove_file(path: Path) -> None:
    """Remove a file, if it exists, and what killed writers left beside it."""
    path.unlink(missing_ok=True)
    clean_up_leftovers(path.parent)


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder with these files to `path`, in place of the folder there; a link stays a link.

    At every moment one of the two folders is there, complete. If the file system cannot exchange folders,
    none is there between two renames; if the writer is killed then, `clean_up_leftovers` makes the second
    rename. Raises OSError if nothing can be written; the old folder then stays unchanged.
    """
    place = Path(os.path.realpath(path))
    mode = _folder_mode(place)
    with temporary_folder(place.parent) as temporary:
        new, old = temporary / _NEW / place.name, temporary / _OLD / place.name
        new.mkdir(parents=True)
        old.parent.mkdir()
        for name, content in files.items():
            with open(new / name, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        if mode is not None:
            new.chmod(mode)
        for folder in (new, new.parent, temporary):
            _sync(folder)
        _put(new, place, old)
        _sync(place.parent)


def clean_up_leftovers(folder: Path) -> list[str]:
    """Remove what killed writers left in `folder`, and finish replacements that they had begun.

    Returns a sentence for each. A leftover that cannot be removed stays; it does no harm.
    """
    try:
        names = [name for name in os.listdir(folder) if _TEMPORARY.fullmatch(name)]
    except OSError:
        return []
    sentences = []
    for name in sorted(names):
        with suppress(OSError), _unowned(folder / name):
            finished = _settle(folder / name)
            sentences.append(
                f"{folder / name} was left by a command that was killed, and is removed"
                if finished is None
                else f"{finished} was saved by a command that was killed before its end, and is whole"
            )
    return sentences


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent` for as long as the block runs. Raises OSError if it cannot be made."""
    while True:
        temporary = _temporary_name(parent)
        temporary.mkdir()
        with ExitStack() as opened:
            try:
                descriptor = opened.enter_context(_opened(temporary, os.O_RDONLY))
            except FileNotFoundError:  # removed as a leftover, before it was locked
                continue
            if not _is_locked(descriptor, temporary):
                continue
            try:
                yield temporary
            finally:
                with suppress(OSError):
                    _settle(temporary)
            return


def _destination(path: Path) -> tuple[Path, int | None]:
    """The file that `path` leads to, and its mode; None if it does not exist."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return Path(os.path.realpath(path)), None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "It is a pipe or a device", str(path))
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "The file is read-only", str(path))
    return Path(os.path.realpath(path)), stat.S_IMODE(found.st_mode)


def _folder_mode(place: Path) -> int | None:
    """The mode of the folder at `place`; None if there is none. Raises NotADirectoryError for anything else.

    Asked once: another writer may take the folder away at any time.
    """
    try:
        mode = os.stat(place).st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
    return stat.S_IMODE(mode)


@contextmanager
def _temporary_file(folder: Path, mode: int | None) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file with `mode` (None: by the umask); it is removed if the block raises."""
    while True:
        temporary = _temporary_name(folder)
        with _opened(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
            if not _is_locked(descriptor, temporary):
                continue
            try:
                if mode is not None:
                    os.fchmod(descriptor, mode)
                with open(descriptor, "wb", closefd=False) as file:
                    yield temporary, file
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            return


def _temporary_name(folder: Path) -> Path:
    return folder / f".ballast-{secrets.token_hex(8)}.part"


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int, temporary: Path) -> bool:
    """Lock a new temporary file; False if another process has already removed it as a leftover.

    On a file system without locks there is no lock, and nothing is ever removed as a leftover.
    """
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return os.path.lexists(temporary)


@contextmanager
def _unowned(temporary: Path) -> Iterator[None]:
    """Hold the lock of a leftover. Raises OSError if its writer still holds it."""
    with _opened(temporary, os.O_RDONLY) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _settle(temporary: Path) -> Path | None:
    """Remove a temporary file or folder; if its writer was killed between two renames, first make the second.

    Returns the path of the folder that was thereby restored. Both folders exist only between the two renames:
    the new one is complete before the first.
    """
    if not temporary.is_dir():
        temporary.unlink()
        return None
    finished = None
    for old in (temporary / _OLD).glob("*"):
        place, new = temporary.parent / old.name, temporary / _NEW / old.name
        if new.is_dir() and not os.path.lexists(place):
            os.rename(new, place)
            finished = place
    shutil.rmtree(temporary)
    return finished


def _put(new: Path, place: Path, old: Path) -> None:
    """Move the folder `new` to `place`. A folder that is there moves to where `new` was, or to `old`."""
    replace = swap_folders
    for attempt in range(_ATTEMPTS):
        try:
            if os.path.lexists(place):
                replace(new, place, old)
            else:
                os.rename(new, place)
            return
        except OSError as error:
            if replace is swap_folders and error.errno in _NO_EXCHANGE:
                replace = _rename_twice
            elif error.errno not in _SOMEBODY_ELSE_WAS_FASTER or attempt == _ATTEMPTS - 1:
                raise


def swap_folders(new: Path, place: Path, old: Path) -> None:
    """Exchange two folders in one step; `old` is not used. Raises OSError."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # another system than Linux, or an old C library
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    if renameat2(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(place), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(new), None, str(place))


def _rename_twice(new: Path, place: Path, old: Path) -> None:
    os.rename(place, old)
    try:
        os.rename(new, place)
    except OSError:
        _put_back(old, place)
        raise


def _put_back(old: Path, place: Path) -> None:
    """Move the old folder back to `place`; remove it if another writer has put its own folder there."""
    try:
        os.rename(old, place)
    except OSError as error:
        if error.errno not in _SOMEBODY_ELSE_WAS_FASTER:
            raise
        shutil.rmtree(old)  # or the next attempt could not move a folder to `old`


def _sync(folder: Path) -> None:
    """Make the renames in `folder` survive a power cut, if the file system supports it."""
    with suppress(OSError), _opened(folder, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)
