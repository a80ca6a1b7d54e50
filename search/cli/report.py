"""`ballast report`: writes a study into one file, to send or to keep."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from search.api.stores import open_existing_store
from search.cli.options import AsJson, StoreUrl, StudyName, print_json
from search.terminal.text import say

Format = Literal["html", "md"]

_EPILOG = "Example: ballast report sp500-volatility -o report.html"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="report", epilog=_EPILOG)(report)


def report(
    name: StudyName,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write.")],
    format: Annotated[
        Format | None, typer.Option(help="The format; if not given, by the ending of the file: .html or .md.")
    ] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write everything about a study into one file that opens offline."""
    from search.api.write_report import write_report

    done = write_report(open_existing_store(store), name, output, format)
    if as_json:
        print_json({"path": str(done.path), "format": done.format, "bytes": done.size})
        return
    say(f"{output}: the report on {name!r}, {_size(done.size)}")
    say(f"open it, offline too: {output.resolve().as_uri()}")


def _size(count: int) -> str:
    """A number of bytes, such as 4.9 MB or 38 kB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
