"""`ballast rename`: renames a study, in Optuna's part and ours."""

from typing import Annotated

import typer

from search.api.stores import open_existing_store
from search.cli.completion import study_names
from search.cli.options import AsJson, StoreUrl, print_json
from search.terminal.text import say

_EPILOG = "Example: ballast rename sp500-volatility sp500-volatility-2024"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="rename", epilog=_EPILOG)(rename)


def rename(
    old: Annotated[
        str,
        typer.Argument(
            metavar="OLD", help="The name of a study.", show_default=False, autocompletion=study_names
        ),
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.", show_default=False)],
    store: StoreUrl = None,
    force: Annotated[bool, typer.Option("--force", help="Rename even while workers run it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Rename a study. Continue it with the same file and --name NEW."""
    from search.study.renaming import rename_study

    done = rename_study(open_existing_store(store), old, new, force=force)
    if as_json:
        print_json({**vars(done), "folder": None if done.folder is None else str(done.folder)})
        return
    say(f"study {old!r} is {new!r} now, with its {done.trials} trials, evaluations and files")
    say("MLflow keeps what it was sent under the old name; ballast track sends it again under the new one")
