"""Writes the report of a study; `ballast report` and `Study.report` call it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from search.atomic_text import write_text_atomically
from search.errors import RequestError
from search.selection.selection_evidence import with_measured_floor
from search.watching.pages.html import to_html
from search.watching.pages.markdown import to_markdown
from search.watching.pages.report import report_blocks
from search.watching.plots.figures import figures
from search.watching.view import study_view
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
    chosen = format or _format_of(output)
    view = study_view(store, name)
    view = replace(view, summary=with_measured_floor(store, view.summary))
    # The URL is shown even if it is the default: a reader may have another BALLAST_STORE.
    blocks = report_blocks(view, figures(view), store.shown_url)
    text = to_html(f"Study {name}", blocks) if chosen == "html" else to_markdown(blocks)
    write_text_atomically(text, output, f"report.{chosen}")
    return WrittenReport(output, chosen, len(text.encode()))


def _format_of(output: Path) -> ReportFormat:
    """The format by the ending of the file's name."""
    if (found := _SUFFIXES.get(output.suffix.lower())) is None:
        raise RequestError(
            f"{str(output)!r} does not say what to write; name a file that ends in .html or .md, "
            "or add --format html"
        )
    return found
