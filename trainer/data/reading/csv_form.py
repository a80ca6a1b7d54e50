"""Finds out how a text table is written: encoding, separator, lines above the header, header and names.

What `data.csv` states is taken as it is. The rest is detected in the first lines, and what may be read in two
ways is refused with both. Decimal and thousands marks are detected in the cells, in `numbers`.
"""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from trainer.config import CsvConfig
from trainer.data.reading.column_names import header_names, klines_names, looks_like_data
from trainer.errors import SourceError

_HEAD_BYTES = 1 << 18
_HEAD_LINES = 60
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*$", re.IGNORECASE)
"""The first line that spreadsheet programs write to name the separator."""


@dataclass(frozen=True)
class CsvForm:
    """How one text table is written.

    `text` are its bytes in UTF-8, `start` the position of its first row in them and `first_line` the line of
    that row (1-based). `names` are the names of the columns, as many as a row has cells.
    """

    shown: str
    text: bytes
    separator: str
    names: tuple[str, ...]
    start: int
    first_line: int
    detected: dict[str, Any] = field(default_factory=dict)
    """What was detected that is not plain comma-separated UTF-8 with one header line, by key of `data.csv`.
    """


def find_form(shown: str, content: bytes, config: CsvConfig, needed: Sequence[str]) -> CsvForm:
    """How the table in `content` is written; `needed` are the columns that the configuration reads.

    Raises SourceError for bytes that are not text, for a table without rows, and for one that may be read in
    two ways.
    """
    detected: dict[str, Any] = {}
    text = _utf8(shown, content, config.encoding, detected)
    lines = _head_lines(text)
    skipped, separator = _stated_separator(lines, config, detected)
    below = lines[max(skipped, config.skip or 0) :]
    separator = separator or _separator(shown, below, needed, detected)
    rows, ends = _head_rows(shown, lines, separator)
    skipped = max(skipped, _lines_to_skip(rows, ends, config, detected))
    above = next((number for number, end in enumerate(ends) if end > skipped), len(rows))
    height = _header_height(rows[above:], config)
    if config.header is None:
        detected["header"] = height
    names = _names(shown, rows[above:], height, config, detected)
    if above + height >= len(rows):
        raise SourceError(f"{shown} holds no rows below its header; it needs some")
    last = ends[above + height - 1] if above + height else 0
    return CsvForm(shown, text, separator, names, _line_start(text, last), last + 1, detected)


def _utf8(shown: str, content: bytes, encoding: str | None, detected: dict[str, Any]) -> bytes:
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
    except LookupError:
        raise SourceError(
            f"data.csv.encoding {found!r} is not known; write it as utf-8, utf-16 or cp1252"
        ) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"{shown}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; save the table as UTF-8 "
            "CSV, or set data.csv.encoding, such as cp1252"
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


def _head_lines(text: bytes) -> list[str]:
    """The first lines, with their ends; the last one only if it is whole."""
    head = text[:_HEAD_BYTES].decode(errors="ignore")
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", head)
    if len(text) > _HEAD_BYTES and len(lines) > 1:
        lines.pop()
    return lines[:_HEAD_LINES]


def _stated_separator(
    lines: Sequence[str], config: CsvConfig, detected: dict[str, Any]
) -> tuple[int, str | None]:
    """How many lines only name the separator, and the separator that is stated."""
    found = _SEPARATOR_LINE.match(lines[0]) if lines else None
    if found is None:
        return 0, config.separator
    detected["separator"] = config.separator or found[1]
    return 1, config.separator or found[1]


def _separator(shown: str, lines: Sequence[str], needed: Sequence[str], detected: dict[str, Any]) -> str:
    """The separator with which every row has as many cells, or whose header has the needed columns."""
    counts = {mark: _cell_counts(lines, mark) for mark in _SEPARATORS}
    fitting = [mark for mark, each in counts.items() if each and min(each) == max(each) > 1]
    named = [mark for mark in _SEPARATORS if _has_names(lines, mark, needed)]
    fitting = [mark for mark in fitting if mark in named] or fitting or named
    if len(fitting) > 1:
        told = " or ".join(f"{_SEPARATORS[mark]} ({counts[mark][0]} columns)" for mark in fitting)
        raise SourceError(f"{shown} may be separated by {told}; set data.csv.separator")
    if not fitting:
        widest = max(_SEPARATORS, key=lambda mark: (Counter(counts[mark]).most_common(1) or [(0, 0)])[0][0])
        fitting = (
            [widest] if max(counts[widest], default=0) > 1 and max(counts[","], default=0) < 2 else [","]
        )
    detected["separator"] = fitting[0]
    return fitting[0]


def _cell_counts(lines: Sequence[str], separator: str) -> list[int]:
    """Cells of each row that has more than one filled cell: a title above the header does not count."""
    rows = csv.reader(lines, delimiter=separator)
    try:
        return [len(row) for row in rows if sum(bool(cell.strip()) for cell in row) > 1] or [1]
    except csv.Error:
        return []


def _has_names(lines: Sequence[str], separator: str, needed: Sequence[str]) -> bool:
    rows = csv.reader(lines[:10], delimiter=separator)
    try:
        return len(needed) > 1 and any(set(needed) <= {cell.strip() for cell in row} for row in rows)
    except csv.Error:
        return False


def _head_rows(shown: str, lines: Sequence[str], separator: str) -> tuple[list[list[str]], list[int]]:
    """The first rows that are not blank, and the number of the last line of each (1-based)."""
    reader = csv.reader(lines, delimiter=separator)
    rows: list[list[str]] = []
    ends: list[int] = []
    try:
        for row in reader:
            if row:
                rows.append([cell.strip() for cell in row])
                ends.append(reader.line_num)
    except csv.Error as error:
        raise SourceError(
            f"{shown}, line {reader.line_num}: not CSV, {error}; save the table as CSV again"
        ) from None
    return rows, ends


def _lines_to_skip(
    rows: Sequence[Sequence[str]], ends: Sequence[int], config: CsvConfig, detected: dict[str, Any]
) -> int:
    """Lines above the header: comments that begin with #, and titles, which have one filled cell."""
    if config.skip is not None:
        return config.skip
    usual = Counter(len(row) for row in rows).most_common(1)[0][0] if rows else 0
    skipped = 0
    for row, end in zip(rows, ends, strict=True):
        is_title = usual > 1 and len(row) < usual and sum(bool(cell) for cell in row) <= 1
        if not (row[0].startswith("#") or is_title):
            break
        skipped = end
    if skipped == (ends[-1] if ends else 0):
        return 0  # a file of nothing but titles: its first line is its header
    if skipped:
        detected["skip"] = skipped
    return skipped


def _header_height(rows: Sequence[Sequence[str]], config: CsvConfig) -> int:
    """How many rows the header has; 0 if the first row holds times and numbers."""
    if config.header is not None:
        return int(config.header)
    if rows and looks_like_data(rows[0]):
        return 0
    return 3 if header_names(rows[:3]) is not None else 1


def _names(
    shown: str,
    rows: Sequence[Sequence[str]],
    height: int,
    config: CsvConfig,
    detected: dict[str, Any],
) -> tuple[str, ...]:
    """The names of the columns: as stated, from the header, or of a known shape without a header."""
    width = len(rows[0]) if rows else 0
    if config.columns is not None:
        if len(config.columns) != width:
            raise SourceError(
                f"data.csv.columns names {len(config.columns)} columns, and the first row of {shown} has "
                f"{width} "
                "cells; name each column once, in order"
            )
        return config.columns
    if height == 0:
        names = klines_names(rows[0])
        if names is None:
            raise SourceError(
                f"{shown} has no header: its first row begins with {', '.join(rows[0][:3])}; name its "
                f"{width} "
                "columns in data.csv.columns, or say data.csv.header: 1"
            )
        detected["columns"] = list(names)
        return names
    names = header_names(rows[:height])
    if names is not None:
        detected["columns"] = list(names)
        return names
    return tuple(rows[height - 1])


def _line_start(text: bytes, lines: int) -> int:
    """The position in the bytes behind the first `lines` lines."""
    ends = re.finditer(rb"\r\n|\r|\n", text)
    position = 0
    for _ in range(lines):
        found = next(ends, None)
        position = len(text) if found is None else found.end()
    return position
