"""Writes a file that a user named; it is written whole or not at all."""

import os
from pathlib import Path

from search.errors import RequestError
from trainer.atomic_files import write_file


def write_text_atomically(text: str, target: Path, example: str) -> None:
    """As `write_bytes_atomically`, with a text, as UTF-8."""
    write_bytes_atomically(text.encode(), target, example)


def write_bytes_atomically(content: bytes, target: Path, example: str, option: str = "-o") -> None:
    """Write `content` to `target`, replacing the old file; a link still points to the same file.

    `example` is a file name for the advice in an error, and `option` the option that names the file. Raises
    RequestError if it cannot be written.
    """
    if os.path.isdir(target):
        raise RequestError(f"cannot write {target}: it is a folder; name a file: {option} {target / example}")
    if _is_device(target):
        raise RequestError(f"cannot write {target}: it is a device; name a file: {option} {example}")
    if not os.path.exists(target.parent):
        raise RequestError(
            f"cannot write {target}: there is no folder {target.parent}; make it: mkdir -p {target.parent}"
        )
    try:
        write_file(target, content)
    except OSError as error:
        raise RequestError(
            f"cannot write {target}: {error.strerror}; choose another place with {option}"
        ) from None


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
