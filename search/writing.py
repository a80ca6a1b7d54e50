"""Writes a text to the file that a user named: the file is there whole or not at all."""

from contextlib import suppress
from pathlib import Path

from search.errors import RequestError


def write_whole(text: str, target: Path, example: str) -> None:
    """Write `text` (UTF-8) to `target`, replacing what was there; a link keeps pointing where it does.

    `example` is a file name for the advice in an error. Raises RequestError where nothing can be written.
    """
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise RequestError(f"cannot write {target}: it is a device; name a file: -o {example}")
    if target.is_dir():
        raise RequestError(f"cannot write {target}: it is a folder; name a file: -o {target / example}")
    if not target.parent.is_dir():
        raise RequestError(
            f"cannot write {target}: there is no folder {target.parent}; make it: mkdir -p {target.parent}"
        )
    place = target.resolve()
    part = place.with_name(f"{place.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(place)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise RequestError(f"cannot write {target}: {error.strerror}; choose another place with -o") from None
