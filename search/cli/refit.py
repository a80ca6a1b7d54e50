"""`ballast refit`: trains a configuration on every row, for forecasts of rows that are still to come."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.options import AsJson, PolicyOption, StoreUrl, print_json
from search.cli.verify import ConfigurationPath, Seeds
from search.terminal.text import say
from storage.commands import ballast_command

if TYPE_CHECKING:
    from search.selection.candidates import Candidate
    from trainer.training.result import RefitResult

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

    done = refit_configuration(
        config, save, seeds=seeds, policy=policy, store=store, on_seed=_ignore if as_json else _print_seed
    )
    if as_json:
        print_json(done.to_json())
        return
    for sentence in done.sentences():
        say(sentence)
    say(f"saved; the newest forecast: {ballast_command('predict', save, data='FILE', latest=True)}")


def _print_seed(candidate: "Candidate", refit: "RefitResult") -> None:
    print(f"{candidate.name}, seed {refit.seed}: {refit.outcome}", flush=True)


def _ignore(candidate: "Candidate", refit: "RefitResult") -> None:
    """Do nothing."""
