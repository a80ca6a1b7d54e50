"""`ballast explain`: prints each setting's value, where it came from, and what was asked for."""

from typing import TYPE_CHECKING, Annotated

import typer

from search.api.stores import open_existing_store
from search.cli.options import AsJson, StoreUrl, StudyName, print_json

if TYPE_CHECKING:
    from search.config.layers import Setting
    from storage.engine import Store

_EPILOG = "Example: ballast explain sp500-volatility --trial 3"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="explain", epilog=_EPILOG)(explain)


def explain(
    name: StudyName,
    trial: Annotated[int | None, typer.Option(min=0, help="Explain this trial, not the study.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Show one key, or the end of one, with all its layers.")
    ] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show for every setting which value was used, which layer set it, where, and why."""
    from search.config.layers import setting_to_json
    from search.record.row_mapping import recorded_settings
    from search.terminal.provenance import find_setting
    from search.terminal.result_tables import console, setting_table

    opened = open_existing_store(store)
    settings = recorded_settings(opened, name, trial)
    chosen = settings if key is None else [find_setting(settings, key, name)]
    if as_json:
        print_json([setting_to_json(setting) for setting in chosen])
    elif key is not None:
        _print_layers(chosen[0], settings, trial)
    else:
        if trial is not None:
            _print_ending(opened, name, trial)
        console().print(setting_table(settings))


def _print_layers(setting: "Setting", settings: "list[Setting]", trial: int | None) -> None:
    """Print why the setting has its value, then its layers."""
    from search.terminal.provenance import explain_setting, provenance_table
    from search.terminal.result_tables import console

    space = next((other for other in settings if other.key == f"space.{setting.key}"), None)
    screen = console()
    screen.print(explain_setting(setting, space, trial), markup=False)
    screen.print()
    screen.print(provenance_table(setting))


def _print_ending(store: "Store", name: str, number: int) -> None:
    """Print why the trial ended, its loss in each fold, the paths of its files, uncut for copying, and what
    the guard has found in it, also while it runs.
    """
    from rich.cells import cell_len

    from search.record.artifacts import find_artifact, missing_file_message
    from search.terminal.result_tables import console, guard_finding_table
    from search.terminal.styles import plain_text, verdict_cell
    from search.watching.pages.trial_sections import losses_of_parts
    from storage import query
    from trainer.text import printable

    row, screen = query.trial(store, name, number), console()
    reason = plain_text("" if row.verdict is None else f": {row.message}")
    screen.print(plain_text(f"trial {number} is ") + verdict_cell(row.verdict) + reason)
    for paragraph in losses_of_parts(row, query.epochs(store, name, number)):
        screen.print(plain_text(paragraph.text), soft_wrap=True)
    for artifact in query.artifacts(store, name, number):
        found = find_artifact(store, artifact)
        path = missing_file_message(store, artifact) if found is None else str(found)
        width = screen.width - len(artifact.kind) - 1
        gap = " " if cell_len(printable(path)) <= width else "\n"
        screen.print(plain_text(artifact.kind) + gap + plain_text(path), soft_wrap=True)
    if findings := query.findings(store, name, number):
        screen.print(guard_finding_table(findings, shown=row.message))
        screen.print()
