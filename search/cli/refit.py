"""`ballast refit`: trains a configuration on every row, for forecasts of rows that are still to come."""

from pathlib import Path
from typing import Annotated

import typer

from search.cli.options import AsJson, PolicyOption, StoreUrl, print_json
from search.cli.verify import ConfigurationPath, Seeds
from search.terminal.text import say
from storage.commands import ballast_command

_EPILOG = "Example: ballast refit best.yaml --save live"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="refit", epilog=_EPILOG)(refit)


def refit(
    config: ConfigurationPath,
    save: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Save the model here, for ballast predict.", show_default=False),
    ],
    seeds: Seeds = 5,
    store: StoreUrl = None,
    policy: PolicyOption = None,
    as_json: AsJson = False,
) -> None:
    """Train with fresh seeds on every row up to the last whole one, for the epochs that were found best, and
    save the networks as one model whose forecast is the mean of theirs.
    """
    from search.api.refit_configuration import refit_configuration
    from search.terminal.fit_progress import shown_trainings

    with shown_trainings(seeds, shown=not as_json) as on_seed:
        done = refit_configuration(config, save, seeds=seeds, policy=policy, store=store, on_seed=on_seed)
    if as_json:
        print_json(done.to_json())
        return
    for sentence in done.sentences():
        say(sentence)
    say(f"saved; the newest forecast: {ballast_command('predict', save, data='FILE', latest=True)}")
