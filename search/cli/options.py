"""Options that several commands share, and the printing of answers as JSON."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from search.cli.completion import study_files, study_names
from search.text import json_safe_number

StudyPath = Annotated[
    Path,
    typer.Argument(
        metavar="STUDY.yaml",
        help="The study file; sample:NAME is one shipped with Ballast.",
        show_default=False,
        autocompletion=study_files,
    ),
]
StudyName = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The name of a study.", show_default=False, autocompletion=study_names
    ),
]
StudyNameOption = Annotated[str | None, typer.Option("--name", help="Another name for the study.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set one key; VALUE is YAML. May be repeated."),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="Safe ranges to use instead of the default ones."),
]
WarmStartOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--warm-start", metavar="FILE", help="Try this exported configuration first. May be repeated."
    ),
]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="The store; if not given: BALLAST_STORE, the study's storage.url, sqlite:///ballast.db.",
    ),
]
Proxy = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Reach Optuna's part through its gRPC proxy (ballast proxy)."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log a line for every epoch.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Strict = Annotated[bool, typer.Option("--strict", help="Let warnings of the data audit block as well.")]


def print_json(value: Any, *, one_line: bool = False) -> None:
    """Print a value as JSON on stdout. With `one_line`, it is one line and is flushed at once.

    Non-finite numbers, which JSON does not have, become text; unprintable characters become JSON escapes.
    """
    text = json.dumps(
        json_safe_number(value), indent=None if one_line else 2, ensure_ascii=False, default=str
    )
    print("\n".join(map(_escaped, text.split("\n"))), flush=one_line)


def _escaped(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
