"""Writes the report of a study; `ballast report` and `Study.report` call it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from search.atomic_text import write_text_atomically
from search.errors import RequestError
from search.selection.selection_evidence import with_measured_floor
from search.selection.walk_forward_record import read_record
from search.watching.blocks import Block
from search.watching.pages.html import to_html
from search.watching.pages.markdown import to_markdown
from search.watching.pages.report import report_blocks
from search.watching.pages.walk_forward_sections import walk_forward_blocks
from search.watching.plots.figures import figures
from search.watching.plots.walk_forward import walk_forward_figures
from search.watching.view import study_view
from storage import query, walk_forwards
from storage.engine import Store

ReportFormat = Literal["html", "md"]

_SUFFIXES: dict[str, ReportFormat] = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md"}


@dataclass(frozen=True)
class WrittenReport:
    """The file of a report."""

    path: Path
    format: ReportFormat
    size: int
    """Bytes."""


def write_report(store: Store, name: str, output: Path, format: ReportFormat | None = None) -> WrittenReport:
    """Write everything about a study into one file that opens offline, in the format of the file's name.

    Raises StudyUnknown, and RequestError if the name has no known ending or the file cannot be written.
    """
    if not query.has_study(store, name) and walk_forwards.find_walk_forward(store, name) is not None:
        return write_walk_forward_report(store, name, output, format)
    chosen = format or _format_of(output)
    view = study_view(store, name)
    view = replace(view, summary=with_measured_floor(store, view.summary))
    # The URL is shown even if it is the default: a reader may have another BALLAST_STORE.
    blocks = report_blocks(view, figures(view), store.shown_url)
    return _write(f"Study {name}", blocks, output, chosen)


def write_walk_forward_report(
    store: Store, name: str, output: Path, format: ReportFormat | None = None
) -> WrittenReport:
    """The same about a walk-forward. Raises StudyUnknown, and RequestError as `write_report` does."""
    chosen, record = format or _format_of(output), read_record(store, name)
    blocks = walk_forward_blocks(record, walk_forward_figures(record), store.shown_url)
    return _write(f"Walk-forward {name}", blocks, output, chosen)


def _write(title: str, blocks: Sequence[Block], output: Path, format: ReportFormat) -> WrittenReport:
    text = to_html(title, blocks) if format == "html" else to_markdown(blocks)
    write_text_atomically(text, output, f"report.{format}")
    return WrittenReport(output, format, len(text.encode()))


def _format_of(output: Path) -> ReportFormat:
    """The format by the ending of the file's name."""
    if (found := _SUFFIXES.get(output.suffix.lower())) is None:
        raise RequestError(
            f"{str(output)!r} does not say what to write; name a file that ends in .html or .md, "
            "or add --format html"
        )
    return found
