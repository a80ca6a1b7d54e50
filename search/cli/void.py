"""`ballast void`: makes a finished trial suspicious, with a reason, and names what was made from it."""

from typing import Annotated

import typer

from search.api.stores import open_existing_store
from search.cli.options import AsJson, StoreUrl, StudyName, print_json
from search.terminal.text import say

_EPILOG = 'Example: ballast void sp500-volatility --trial 7 --why "the vendor has revised 2019"'


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="void", epilog=_EPILOG)(void)


def void(
    name: StudyName,
    trial: Annotated[int, typer.Option(min=0, help="The number of a trial that has ended.")],
    why: Annotated[str, typer.Option(metavar="TEXT", help="What is wrong with it; stays on record.")],
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Void a finished trial: never the best again, avoided by the sampler. Its record stays."""
    from search.study.voiding import void_trial

    opened = open_existing_store(store)
    done = void_trial(opened, name, trial, why)
    if as_json:
        print_json(done.to_json())
        return
    say("\n".join(done.sentences()))
