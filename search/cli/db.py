"""`ballast db check|upgrade`: is the store well, and bring it to this Ballast's schema."""

import typer

from search.cli.options import AsJson, StoreUrl, existing_store, print_json, store_url

_EPILOG = "Example: ballast db check --store sqlite:///ballast.db"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(name="db", help="Look after the store.", no_args_is_help=True, epilog=_EPILOG)
    group.command(name="check", epilog=_EPILOG)(check)
    group.command(name="upgrade", epilog="Example: ballast db upgrade --store sqlite:///ballast.db")(upgrade)
    app.add_typer(group)


def check(store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Look the store over: file, schema, rows, and whether our part and Optuna's agree; writes nothing."""
    from search.agreement import disagreements
    from storage.check import check as check_store

    opened = existing_store(store)
    problems = [*check_store(opened), *disagreements(opened)]
    if as_json:
        print_json({"ok": not problems, "problems": problems})
    else:
        print("\n".join(problems) or f"{opened.shown_url} is well")
    if problems:
        raise typer.Exit(1)


def upgrade(store: StoreUrl = None) -> None:
    """Bring our tables and Optuna's to the schemas that the installed versions need."""
    from search.study import upgrade_optuna
    from storage.engine import open_store
    from storage.engine import upgrade as upgrade_ours

    url = store_url(store)
    before, after = upgrade_ours(url)
    opened = open_store(url, create=False)
    upgrade_optuna(opened)
    print(f"{opened.shown_url}: schema {after}" + ("" if before == after else f", was {before}"))
