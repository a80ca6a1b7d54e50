"""Writes a text to a file that a user named; the file is written whole or not at all."""

import os
from pathlib import Path

from search.errors import RequestError
from trainer.atomic_files import write_file


def write_text_atomically(text: str, target: Path, example: str) -> None:
    """Write `text` (UTF-8) to `target`, replacing the old file; a link still points to the same file.

    `example` is a file name for the advice in an error. Raises RequestError if it cannot be written.
    """
    if os.path.isdir(target):
        raise RequestError(f"cannot write {target}: it is a folder; name a file: -o {target / example}")
    if _is_device(target):
        raise RequestError(f"cannot write {target}: it is a device; name a file: -o {example}")
    if not os.path.exists(target.parent):
        raise RequestError(
            f"cannot write {target}: there is no folder {target.parent}; make it: mkdir -p {target.parent}"
        )
    try:
        write_file(target, text.encode())
    except OSError as error:
        raise RequestError(f"cannot write {target}: {error.strerror}; choose another place with -o") from None


def _is_device(target: Path) -> bool:
    """Whether it is a pipe or a device, or a link to an open file, as /dev/stdout is."""
    if not os.path.exists(target):
        return False
    if not os.path.isfile(target):
        return True
    while os.path.islink(target):
        if Path(os.path.realpath(target.parent)).is_relative_to("/proc"):
            return True
        target = target.parent / os.readlink(target)
    return False
