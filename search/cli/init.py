"""`ballast init`: looks at a table and writes a commented study file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.completion import table_files
from search.terminal.text import say

if TYPE_CHECKING:
    from search.api.init_study import Question

_EPILOG = "Example: ballast init prices.csv, and then: ballast run prices.yaml"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="init", epilog=_EPILOG)(init)


def init(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A table: CSV (also .gz, .zip), Parquet or Arrow, or a quoted pattern of files.",
            show_default=False,
            autocompletion=table_files,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The study file; if not given: NAME.yaml here."),
    ] = None,
    time: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="The column of times; give it twice for date and time of day."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="volatility, return, or the column whose return is forecast."),
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(metavar="NAME", help="The series, in a table of several.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="The zone of the times, such as America/New_York.")
    ] = None,
    day_first: Annotated[
        bool | None,
        typer.Option("--day-first/--month-first", help="Whether 1/2/2024 is the first of February."),
    ] = None,
    decimal: Annotated[
        str | None, typer.Option(metavar="CHAR", help="The decimal mark of the numbers: . or ,")
    ] = None,
    horizon: Annotated[int, typer.Option(metavar="ROWS", help="How many rows ahead the forecast is.")] = 1,
    csv: Annotated[
        list[str] | None,
        typer.Option("--csv", metavar="KEY=VALUE", help="A key of data.csv, such as separator=;"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the study file if it exists.")] = False,
) -> None:
    """Look at a table and write a study of it, with comments; the last line is the next command to type.

    What the table leaves open is asked on a terminal, and else an error names the option.
    """
    from search.api.init_study import InitOptions, init_study, refuse
    from storage.commands import ballast_command

    options = InitOptions(
        file,
        output,
        tuple(time or ()),
        target,
        symbol,
        timezone,
        day_first,
        decimal,
        horizon,
        csv or (),
        force,
    )
    found = init_study(options, _ask if sys.stdin.isatty() and sys.stderr.isatty() else refuse)
    say(f"{found.path}: {found.sentence}")
    if found.detected:
        say(f"detected: {found.detected}")
    if not found.refusals:
        say(ballast_command("run", found.path))
        return
    say("before it can run, correct the table or the study file:")
    for refusal in found.refusals:
        say(f"- {refusal}")
    say(ballast_command("check", found.path))
    raise typer.Exit(1)


def _ask(question: "Question") -> str:
    """Ask on the terminal until the answer is possible."""
    say(f"{question.known}.", to_stderr=True)
    while True:
        answer = str(typer.prompt(question.prompt, default=question.default, err=True)).strip()
        if not question.choices or answer in question.choices:
            return answer
        say(f"{answer!r} is none of {', '.join(question.choices)}", to_stderr=True)
