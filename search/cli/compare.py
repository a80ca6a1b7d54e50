"""`ballast compare`: says which of two trials forecasts better on common rows, and which settings differ."""

from typing import TYPE_CHECKING, Annotated

import typer

from search.api.stores import open_existing_store
from search.cli.completion import study_names
from search.cli.options import AsJson, StoreUrl, print_json

if TYPE_CHECKING:
    from search.study.comparison import Comparison

_EPILOG = "Example: ballast compare sp500-volatility:3 sp500-volatility:7"

_Trial = Annotated[
    str,
    typer.Argument(
        metavar="NAME[:TRIAL]",
        help="A study (its best trial) or one of its trials.",
        show_default=False,
        autocompletion=study_names,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="compare", epilog=_EPILOG)(compare)


def compare(a: _Trial, b: _Trial, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Say whether trial B forecasts better than trial A on the validation rows that both have.

    The best trial of a study is the accepted one of the lowest validation loss.
    """
    from search.study.comparison import compare_trials

    found = compare_trials(open_existing_store(store), a, b)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)


def _print(found: "Comparison") -> None:
    from search.terminal.result_tables import comparison_tables, console
    from storage.commands import ballast_command

    screen = console()
    screen.print(found.sentence(), markup=False, soft_wrap=True)
    for table in comparison_tables(found):
        screen.print()
        screen.print(table)
    screen.print()
    screen.print(
        "These rows chose the epochs of both trials, and the best ones among the trials. Rows that no trial "
        f"has seen judge them: {ballast_command('export', found.b.record.study, o='best.yaml')}, then "
        f"{ballast_command('verify', 'best.yaml')}.",
        markup=False,
        soft_wrap=True,
    )
