"""Finds the character between two cells of a text table."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from trainer.config import CsvConfig
from trainer.errors import SourceError

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


_SEPARATOR_LINE = re.compile(r"sep=(.)\s*$", re.IGNORECASE)
"""The first line that spreadsheet programs write to name the separator."""


def stated_separator(
    lines: Sequence[str], config: CsvConfig, detected: dict[str, Any]
) -> tuple[int, str | None]:
    """How many lines only name the separator, and the separator that is stated."""
    found = _SEPARATOR_LINE.match(lines[0]) if lines else None
    if found is None:
        return 0, config.separator
    detected["separator"] = config.separator or found[1]
    return 1, config.separator or found[1]


def find_separator(shown: str, lines: Sequence[str], needed: Sequence[str], detected: dict[str, Any]) -> str:
    """The separator with which every row has as many cells, or whose header has the needed columns."""
    counts = {mark: _cell_counts(lines, mark) for mark in _SEPARATORS}
    fitting = [mark for mark, each in counts.items() if each and min(each) == max(each) > 1]
    named = [mark for mark in _SEPARATORS if _has_names(lines, mark, needed)]
    fitting = [mark for mark in fitting if mark in named] or fitting or named
    first = next((line for line in lines if any(mark in line for mark in fitting)), "")
    # The header has each mark; a decimal comma occurs below it.
    fitting = [mark for mark in fitting if mark in first]
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
