"""`ballast report`: a study on one page, to be mailed or kept."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from search.api.stores import open_existing_store
from search.cli.options import AsJson, StoreUrl, StudyName, print_json
from search.terminal.text import say

if TYPE_CHECKING:
    from storage.engine import Store

Format = Literal["html", "md"]

_EPILOG = "Example: ballast report sp500-volatility -o report.html"
_SUFFIXES: dict[str, Format] = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="report", epilog=_EPILOG)(report_blocks)


def report_blocks(
    name: StudyName,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write.")],
    format: Annotated[
        Format | None, typer.Option(help="What to write; else as the file's name ends: .html or .md.")
    ] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write everything about a study into one file that opens offline."""
    from search.atomic_text import write_text_atomically

    chosen = format or _format_of(output)
    text = _text(open_existing_store(store), name, chosen)
    write_text_atomically(text, output, f"report.{chosen}")
    if as_json:
        print_json({"path": str(output), "format": chosen, "bytes": len(text.encode())})
        return
    say(f"{output}: the report on {name!r}, {len(text.encode()) / 1e6:.1f} MB")
    say(f"open it, offline too: {output.resolve().as_uri()}")


def _format_of(output: Path) -> Format:
    """The format that the name of the file asks for."""
    from search.errors import RequestError

    if (found := _SUFFIXES.get(output.suffix.lower())) is None:
        raise RequestError(
            f"{str(output)!r} does not say what to write; name a file that ends in .html or .md, "
            "or add --format html"
        )
    return found


def _text(store: "Store", name: str, format: Format) -> str:
    from dataclasses import replace

    from search.selection.selection_evidence import with_measured_floor
    from search.watching.figures import figures
    from search.watching.html import to_html
    from search.watching.markdown import to_markdown
    from search.watching.report import report_blocks
    from search.watching.view import study_view

    view = study_view(store, name)
    view = replace(view, summary=with_measured_floor(store, view.summary))
    blocks = report_blocks(view, figures(view), _where(store))
    return to_html(f"Study {name}", blocks) if format == "html" else to_markdown(blocks)


def _where(store: "Store") -> str:
    """The URL that leads any reader to this store, be it the default: they may have a BALLAST_STORE."""
    return store.shown_url
