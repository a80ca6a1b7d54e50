"""`ballast replay`: asks the sampler again under what it had seen, and says whether it suggests the same."""

from typing import TYPE_CHECKING, Annotated

import typer

from search.api.stores import open_existing_store
from search.cli.options import AsJson, StoreUrl, StudyName, print_json

if TYPE_CHECKING:
    from search.study.replay import Replay

_EPILOG = "Example: ballast replay sp500-volatility"
_MOST_SHOWN = 10
"""How many trials that differ are shown, a line each."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="replay", epilog=_EPILOG)(replay)


def replay(
    name: StudyName,
    trial: Annotated[int | None, typer.Option(min=0, help="Replay this trial alone.")] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Ask the sampler again for each trial, under the trials that it had seen, and say whether every
    suggestion is the same, to the bit. Nothing is trained. The exit code is 1 if one differs.
    """
    from search.study.replay import replay_study
    from search.terminal.fit_progress import fit_progress

    with fit_progress("trial", None, shown=not as_json) as progress:
        found = replay_study(open_existing_store(store), name, trial, progress.passed_of)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    if not found.is_same:
        raise typer.Exit(1)


def _print(found: "Replay") -> None:
    from search.terminal.text import say

    differing, others = found.exceptions()
    if len(differing) > _MOST_SHOWN:
        left = len(differing) - _MOST_SHOWN
        differing = [*differing[:_MOST_SHOWN], f"{left} more are different; all of them: add --json"]
    say("\n".join([found.sentence(), *differing, *others]))
