"""Reads files from outside safely: never an endless file, and never more bytes than expected.

Only a regular file or, if allowed, a pipe is read. Opening a pipe normally could wait forever, and a device
may have no end.
"""

import errno
import os
import select
import stat
from io import BufferedReader
from pathlib import Path

SILENCE = 10.0
"""Longest pause of a pipe, in seconds; a command in `<(...)` takes a few to start."""
_CHUNK = 1 << 20


class NotARegularFile(OSError):
    """A path is not a regular file; `strerror` says what it is, such as `is a device and no file`."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(errno.EINVAL, what, str(path))


def memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def open_regular(path: Path, most: int) -> BufferedReader:
    """Open a regular file of at most `most` bytes for reading.

    Raises NotARegularFile for a pipe and a device, IsADirectoryError for a folder, and OSError for a larger
    file and as `open` does; `strerror` is a clause.
    """
    descriptor = _opened(path)
    try:
        size = _require_an_end(descriptor, path, pipes=False).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"it has {size} bytes, and at most {most} are expected", str(path))
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_bounded(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises as `open_regular` does."""
    with open_regular(path, most) as file:
        return file.read(most)


def read_file_or_pipe(path: Path, most: int, *, pipes: bool = False) -> bytes:
    """The first `most` + 1 bytes of a file, so that the caller sees if there are more than `most`.

    Raises NotARegularFile for a device, for a pipe unless `pipes`, and for a pipe that nobody writes to;
    IsADirectoryError for a folder, other OSErrors as `open` does, and ValueError for a path with a NUL.
    """
    descriptor = _opened(path)
    try:
        status = _require_an_end(descriptor, path, pipes=pipes)
        content = _read(descriptor, path, most + 1, max(status.st_size + 1, _CHUNK))
    finally:
        os.close(descriptor)
    if not content and stat.S_ISFIFO(status.st_mode):
        raise NotARegularFile(path, "is a pipe that nobody writes to")
    return content


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _require_an_end(descriptor: int, path: Path, *, pipes: bool) -> os.stat_result:
    status = os.fstat(descriptor)
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISFIFO(mode) and not pipes:
        raise NotARegularFile(path, "is a pipe, which can be read only once")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise NotARegularFile(path, "is a device and no file")
    return status


def _read(descriptor: int, path: Path, most: int, chunk: int) -> bytes:
    chunks: list[bytes] = []
    while most > 0:
        try:
            read = os.read(descriptor, min(chunk, most))
        except BlockingIOError:
            if not select.select([descriptor], [], [], SILENCE)[0]:
                raise NotARegularFile(path, f"was silent for {SILENCE:g} s") from None
            continue
        if not read:
            break
        chunks.append(read)
        most -= len(read)
    return b"".join(chunks)
