"""What this process may still open: the error of a database does not say that it was that."""

import errno
import os
from contextlib import suppress

_AT_ONCE = 4
"""A SQLite connection opens the file, its log, the log's index and the folder."""
_ENOUGH = 4096


def descriptor_shortage() -> str | None:
    """The sentence that no file can be opened for want of a descriptor, with the limit; None if some can."""
    opened: list[int] = []
    try:
        for _ in range(_AT_ONCE):
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return descriptor_message(error.errno)
    finally:
        for descriptor in opened:
            with suppress(OSError):
                os.close(descriptor)
    return None


def descriptor_message(number: int | None) -> str | None:
    """The sentence for an `errno` that means so; None for any other."""
    if number == errno.EMFILE:
        import resource  # which Windows has not

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        higher = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
        more = f"raise that with: ulimit -n {higher}" if soft < higher else "close some, or have it raised"
        return f"this process is out of file descriptors: it may have {soft} files open (ulimit -n); {more}"
    if number == errno.ENFILE:
        return "this machine is out of file descriptors; close other programs, or raise fs.file-max"
    return None
