"""The blocks of a page, which is written as Markdown for the dashboard or as HTML for a report.

Text is plain text that may come from anybody; the writers (markdown.py, html.py) escape it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Heading:
    """A title; `level` is 1 for the page, 2 for a section, 3 for a part of a section."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A few sentences; `strong` marks those to read first."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Link:
    """A cell of a table that leads to `address`, a path of the same server; Markdown shows its text alone."""

    text: str
    address: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class TableBlock:
    """Rows of cells with any values; `search.text.short_value` makes text of them, a Verdict gets its
    colour.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class CodeBlock:
    """Commands to type, or a file."""

    text: str


@dataclass(frozen=True)
class Plot:
    """A plotly figure as JSON values, `{"data": [...], "layout": {...}}`.

    `id` consists of letters, digits and dashes; `title` says what is drawn, `about` how to read it.
    """

    id: str
    title: str
    about: str
    figure: Mapping[str, Any]


Block = Heading | Paragraph | TableBlock | CodeBlock | Plot
