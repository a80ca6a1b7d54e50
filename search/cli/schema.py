"""`ballast schema`: prints the JSON Schema of a study file, for editors."""

import json
from pathlib import Path
from typing import Annotated

import typer

_EPILOG = "Example: ballast schema -o ballast.schema.json"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="schema", epilog=_EPILOG)(schema)


def schema(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to this file, not to stdout.")
    ] = None,
) -> None:
    """Print the JSON Schema of a study file. Editors use it to complete keys and to mark mistakes."""
    from search.config.json_schema import study_schema

    text = json.dumps(study_schema(), indent=2, ensure_ascii=False)
    if output is None:
        print(text)
    else:
        from search.atomic_text import write_text_atomically

        write_text_atomically(text + "\n", output, "ballast.schema.json")
