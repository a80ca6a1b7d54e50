"""Finds out whether this process can open more files, which errors of a database do not say."""

import errno
import os
from contextlib import suppress

_AT_ONCE = 4
"""A SQLite connection opens four: the file, its log, the log's index and the folder."""
_ENOUGH = 4096


def descriptor_shortage() -> str | None:
    """A sentence, with the limit, that no more files can be opened; None if they can."""
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
    """The sentence for an `errno` that means too many open files; None for any other."""
    if number == errno.EMFILE:
        import resource  # Windows does not have it

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        higher = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
        more = f"raise that with: ulimit -n {higher}" if soft < higher else "close some, or have it raised"
        return f"this process is out of file descriptors: it may have {soft} files open (ulimit -n); {more}"
    if number == errno.ENFILE:
        return "this machine is out of file descriptors; close other programs, or raise fs.file-max"
    return None
