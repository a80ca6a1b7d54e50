"""The bytes of a text table in UTF-8, whatever encoding they are in."""

import codecs
from typing import Any

from trainer.errors import SourceError

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def to_utf8(shown: str, content: bytes, encoding: str | None, detected: dict[str, Any]) -> bytes:
    """The content in UTF-8 without a byte order mark."""
    found = encoding or _encoding(content)
    if encoding is None:
        detected["encoding"] = "utf-8" if found == "utf-8-sig" else found
    try:
        if found == "utf-8-sig":
            content = content[len(codecs.BOM_UTF8) :]
        elif found.lower().replace("_", "-") not in ("utf-8", "utf8"):
            return content.decode(found).removeprefix("\ufeff").encode()
        if not content.isascii():
            content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        name = "UTF-8" if found.startswith("utf-8") else found
        raise SourceError(
            f"{shown}, line {line}: byte 0x{content[error.start]:02x} is not {name}; save the table as UTF-8 "
            "CSV, or set data.csv.encoding, such as cp1252"
        ) from None
    except (LookupError, ValueError):
        raise SourceError(
            f"data.csv.encoding {found!r} is not known; write it as utf-8, utf-16 or cp1252"
        ) from None
    return content


def _encoding(content: bytes) -> str:
    for mark, name in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return name
    start = content[:4096]
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) > 3 and start[first::2].count(0) > 0.4 * len(start):
            return name
    return "utf-8"


def refuse_documents(shown: str, text: bytes) -> None:
    """Raise SourceError for what servers send in place of a table: a page, or a message in JSON."""
    start = text[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise SourceError(f"{shown} is a web page and no table; open it to see why, and save the table again")
    if start.startswith((b"{", b"[{", b"[[")):
        raise SourceError(f"{shown} is JSON and no table; open it to see why, and save the table as CSV")
