"""`ballast explain`: for every setting its value, where that came from, and what was asked for instead."""

from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.options import AsJson, StoreUrl, StudyName, existing_store, print_json

if TYPE_CHECKING:
    from search.config.layers import Setting
    from storage.engine import Store

_EPILOG = "Example: ballast explain sp500-volatility --trial 3"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="explain", epilog=_EPILOG)(explain)


def explain(
    name: StudyName,
    trial: Annotated[int | None, typer.Option(min=0, help="A trial; else the study's settings.")] = None,
    key: Annotated[str | None, typer.Option(help="One key, with all its layers.")] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say for every setting which value was used, which layer set it, where, and why."""
    from search.cli.show import console, setting_table, stack_table
    from search.config.layers import setting_to_json
    from search.recording import settings_from_rows
    from storage import query

    opened = existing_store(store)
    settings = settings_from_rows(query.setting_stacks(opened, name, trial))
    if key is not None:
        settings = [_one(settings, key)]
    if as_json:
        print_json([setting_to_json(setting) for setting in settings])
    elif key is not None:
        console().print(stack_table(settings[0]))
    else:
        if trial is not None:
            _print_ending(opened, name, trial)
        console().print(setting_table(settings))


def _print_ending(store: "Store", name: str, number: int) -> None:
    """Why the trial ended, and where its log is."""
    from search.cli.show import console
    from storage import query

    row, screen = query.trial(store, name, number), console()
    ending = "is running" if row.verdict is None else f"is {row.verdict}: {row.message}"
    screen.print(f"trial {number} {ending}", markup=False, soft_wrap=True)
    for artifact in query.artifacts(store, name, number):
        screen.print(f"{artifact.kind} {artifact.path}", markup=False, soft_wrap=True)


def _one(settings: "list[Setting]", key: str) -> "Setting":
    from search.config.leaves import did_you_mean
    from search.errors import RequestError

    for setting in settings:
        if setting.key == key:
            return setting
    hint = did_you_mean(key, [setting.key for setting in settings])
    raise RequestError(f"the study has no setting {key!r}; {hint} Leave --key out to see all")
