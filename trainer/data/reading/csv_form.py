"""Finds out how a text table is written: encoding, separator, lines above the header, header and names.

What `data.csv` states is taken as it is. The rest is detected in the first lines, and what may be read in two
ways is refused with both. Decimal and thousands marks are detected in the cells, in `numbers`.
"""

import csv
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainer.config import CsvConfig
from trainer.data.reading.column_names import (
    UNNAMED,
    find_column,
    header_names,
    klines_names,
    looks_like_data,
)
from trainer.data.reading.separator import _SEPARATORS, find_separator, stated_separator
from trainer.data.reading.text_encoding import refuse_documents, to_utf8
from trainer.errors import SourceError

_HEAD_BYTES = 1 << 18
_MOST_HEAD_BYTES = 1 << 26
_HEAD_LINES = 60
_FEWEST_LINES = 5
MOST_COLUMNS = 20_000
"""Columns of the widest table that is read."""
_NUMBER_CELL = re.compile(r"\(?[+-]?[$€£¥]?\d{1,3}(?:[.,' \u00a0\u202f’]?\d+)*\s?[%KMBT]?\)?")


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
    sample: tuple[str, ...] = ()
    """Numbers of the first rows as they are written, of all columns but the needed texts."""
    detected: dict[str, Any] = field(default_factory=dict)
    """What was detected that is not plain comma-separated UTF-8 with one header line, by key of `data.csv`.
    """


def find_form(
    shown: str, content: bytes, config: CsvConfig, needed: Sequence[str], texts: Collection[str] = ()
) -> CsvForm:
    """How the table in `content` is written; `needed` are the columns that the configuration reads, and
    `texts` those of them that hold no numbers.

    Raises SourceError for bytes that are not text, for a table without rows, and for one that may be read in
    two ways.
    """
    detected: dict[str, Any] = {}
    text = to_utf8(shown, content, config.encoding, detected)
    refuse_documents(shown, text)
    lines = _head_lines(text)
    _require_few_columns(shown, lines)
    skipped, separator = stated_separator(lines, config, detected)
    below = lines[max(skipped, config.skip or 0) :]
    separator = separator or find_separator(shown, below, needed, detected)
    rows, ends = _head_rows(shown, lines, separator)
    skipped = max(skipped, _lines_to_skip(rows, ends, config, detected))
    above = next((number for number, end in enumerate(ends) if end > skipped), len(rows))
    height = _header_height(shown, rows[above:], config)
    if config.header is None:
        detected["header"] = height
    first_rows = rows[above + height :]
    names = _names(shown, rows[above:], height, config, detected)
    if not first_rows:
        raise SourceError(f"{shown} holds no rows below its header; it needs some")
    last = ends[above + height - 1] if above + height else 0
    start = _line_start(text, last)
    names = _with_last_column(shown, names, first_rows)
    sample = _number_cells(names, first_rows, texts)
    return CsvForm(shown, text, separator, names, start, last + 1, sample, detected)


def _require_few_columns(shown: str, lines: Sequence[str]) -> None:
    most = max((line.count(mark) for line in lines[:_FEWEST_LINES] for mark in _SEPARATORS), default=0)
    if most >= MOST_COLUMNS:
        raise SourceError(
            f"{shown} has about {most + 1} columns, and at most {MOST_COLUMNS} are read; save the needed "
            "ones to a file of their own"
        )


def _head_lines(text: bytes) -> list[str]:
    """The first lines, with their ends; the last one only if it is whole."""
    size = _HEAD_BYTES
    while True:
        lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", text[:size].decode(errors="ignore"))
        if len(text) > size and len(lines) > 1:
            lines.pop()
        if len(lines) >= _FEWEST_LINES or size >= min(len(text), _MOST_HEAD_BYTES):
            return lines[:_HEAD_LINES]
        size *= 8


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
        raise not_csv(shown, reader.line_num, error) from None
    return rows, ends


def not_csv(shown: str, line: int, error: csv.Error) -> SourceError:
    """What is wrong with a line that the csv module cannot split."""
    if "field limit" in str(error):
        most = csv.field_size_limit()
        return SourceError(
            f"{shown}, line {line}: a cell has more than {most} characters; shorten it, or close its quotes"
        )
    return SourceError(f"{shown}, line {line}: not CSV, {error}; save the table as CSV again")


def _lines_to_skip(
    rows: Sequence[Sequence[str]], ends: Sequence[int], config: CsvConfig, detected: dict[str, Any]
) -> int:
    """Lines above the header: comments that begin with #, and titles, which have one filled cell."""
    if config.skip is not None:
        return config.skip
    usual = Counter(len(row) for row in rows).most_common(1)[0][0] if rows else 0
    skipped = 0
    nothing: Sequence[str] = ()
    for row, end, below in zip(rows, ends, [*rows[1:], nothing], strict=False):
        filled = sum(bool(cell) for cell in row)
        is_title = usual > 1 and (not filled or (len(row) < usual and filled == 1))
        is_header = len(row) == usual > 1 and filled > 1 and looks_like_data(below)
        if not is_title and (is_header or not row[0].startswith("#")):
            break
        skipped = end
    if skipped == (ends[-1] if ends else 0):
        return 0  # a file of nothing but titles: its first line is its header
    if skipped:
        detected["skip"] = skipped
    return skipped


def _header_height(shown: str, rows: Sequence[Sequence[str]], config: CsvConfig) -> int:
    """How many rows the header has; 0 if the first row holds times and numbers."""
    if config.header is not None:
        return int(config.header)
    if rows and config.columns is not None and any(looks_like_data([cell]) for cell in rows[0]):
        if not looks_like_data(rows[0]):
            raise SourceError(
                f"{shown} may begin with a header or with a row, {', '.join(rows[0][:3])}; set "
                "data.csv.header: 1 or data.csv.header: 0"
            )
        return 0
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
    width = len(rows[height] if height < len(rows) else rows[0]) if rows else 0
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
    found = [*rows[height - 1]] if rows else []
    if found and found[0].startswith("#") and len(found[0]) > 1:
        found[0] = found[0].lstrip("# ")
    return tuple(name or f"{UNNAMED}{position}" for position, name in enumerate(found))


def _with_last_column(shown: str, names: tuple[str, ...], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The names, and one for the empty column that a separator at the end of each row makes."""
    if any(len(row) != len(names) + 1 for row in rows):
        return names
    if any(row[-1] for row in rows):
        raise SourceError(
            f"{shown} has {len(names) + 1} cells in each row where the header has {len(names)}, such as rows "
            f"with a number of their own; name all {len(names) + 1} columns in data.csv.columns"
        )
    return (*names, f"{UNNAMED}{len(names)}")


def _number_cells(
    names: Sequence[str], rows: Sequence[Sequence[str]], texts: Collection[str]
) -> tuple[str, ...]:
    """The cells of the first rows that are numbers, of the columns that are not in `texts`."""
    skipped = {find_column(name, names) for name in texts}
    cells = {cell for row in rows for column, cell in enumerate(row) if column not in skipped}
    return tuple(cell for cell in cells if _NUMBER_CELL.fullmatch(cell))


def _line_start(text: bytes, lines: int) -> int:
    """The position in the bytes behind the first `lines` lines."""
    ends = re.finditer(rb"\r\n|\r|\n", text)
    position = 0
    for _ in range(lines):
        found = next(ends, None)
        position = len(text) if found is None else found.end()
    return position
