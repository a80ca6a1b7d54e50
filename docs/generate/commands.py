"""The page of all commands and options, from the command line's own parser."""

import html
import re

import typer
from typer.cli import get_docs_for_click

from search.cli.main import app

_INTRO = """# Command line

Every command and option, as `--help` of each prints them. Commands that print a result take `--json`.
Exit codes: 0 done; 1 the answer is no; 2 the request is wrong, or output or memory is full; 130 interrupted.
"""
_EXAMPLE = re.compile(r"^Example: (ballast .*)$", re.MULTILINE)


def commands_page() -> str:
    """The page: a section for each command, with usage, arguments, options and an example."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="ballast")
    sections = re.split(r"^(?=## )", html.unescape(text), maxsplit=1, flags=re.MULTILINE)[1]
    shown = re.sub(
        r"^((?:Example|Examples|Start with): )(ballast .*)$", r"\1`\2`", sections, flags=re.MULTILINE
    )
    return f"{_INTRO}\n{shown}"
