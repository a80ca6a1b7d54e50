"""Reads files that others may have put there: no pipe is waited for, and no more is read than is expected."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path, most: int) -> BinaryIO:
    """Open a regular file of at most `most` bytes for reading.

    OSError for any other, with `strerror` as a clause: a pipe would be waited for, and a device has no end.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and found.st_size <= most:
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    raise OSError(errno.EFBIG, f"it has {found.st_size} bytes, and at most {most} are expected", str(path))


def read_bounded(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes; OSError as `open_regular`."""
    with open_regular(path, most) as file:
        return file.read(most)
