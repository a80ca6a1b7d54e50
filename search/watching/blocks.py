"""What a page is made of, whatever it is written as: Markdown for the dashboard, HTML for a report.

Text is plain text that may come from anybody; only the writers (markdown.py, html.py) know how to escape it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Heading:
    """A title; `level` 1 is the page's, 2 a section's, 3 a part's."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A few sentences; `strong` is what should be read first."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class TableBlock:
    """Rows of cells: any values, of which `search.text.short_value` makes text; a Verdict gets its colour."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class CodeBlock:
    """Commands to type, or a file."""

    text: str


@dataclass(frozen=True)
class Plot:
    """A plotly figure as JSON values, `{"data": [...], "layout": {...}}`.

    `id` is made of letters, digits and dashes; `title` says what is drawn, `about` how to read it.
    """

    id: str
    title: str
    about: str
    figure: Mapping[str, Any]


Block = Heading | Paragraph | TableBlock | CodeBlock | Plot
