"""`ballast delete`: removes a study, Optuna's part and ours."""

import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from search.api.stores import open_existing_store
from search.cli.options import AsJson, StoreUrl, StudyName, print_json
from search.terminal.text import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from search.study.deletion import DeletedStudy

_EPILOG = "Example: ballast delete sp500-volatility --dry-run"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="delete", epilog=_EPILOG)(delete)


def delete(
    name: StudyName,
    store: StoreUrl = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Delete even while workers run it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a study with its trials, logs and files. The record of the rows that it used stays."""
    from search.errors import RequestError
    from search.study.deletion import delete_study

    opened = open_existing_store(store)
    found = delete_study(opened, name, force=force, dry_run=True)
    if not dry_run:
        if not yes and not sys.stdin.isatty():
            raise RequestError(
                f"deleting study {name!r} cannot be undone; add --yes, or look first with --dry-run"
            )
        if not yes:
            typer.echo("\n".join(_contents(found)), err=True)
            typer.confirm(f"Delete study {name!r} in {opened.shown_url}?", abort=True, err=True)
        found = delete_study(opened, name, force=force)
    for path, why in found.not_removed.items():
        say(
            f"warning: {path} could not be removed ({why}); before another study gets the name, "
            f"remove it with: rm -r {shlex.quote(path)}",
            to_stderr=True,
        )
    if as_json:
        print_json({**found.to_json(), "deleted": not dry_run})
    else:
        say("\n".join([*_contents(found), *([] if dry_run else [f"study {name!r} is deleted"])]))


def _contents(found: "DeletedStudy") -> "Iterator[str]":
    yield f"goes: {sum(found.rows.values())} rows of study {found.study!r}, {found.trials} of them trials"
    for path in found.files:
        if str(path) not in found.not_removed:
            yield f"goes: {path}"
    used = ", and which rows its trials have used" if found.rows_kept else ""
    yield f"stays: {found.evaluations} scorings of its configurations{used}"
    if found.trials and not found.rows_kept:
        yield "does not stay: which rows its trials have used; none has ended, or these rows were not kept"
    for name in found.continued_by:
        yield f"stays: the trials that study {name!r} has taken over from it"
    yield "stays: exported files, model folders, what MLflow was sent, and files on other machines"
