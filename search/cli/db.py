"""`ballast db check|upgrade|copy`: checks a store, upgrades its schema, copies studies."""

from dataclasses import asdict
from typing import Annotated

import typer

from search.api.stores import open_existing_store, store_url
from search.cli.options import AsJson, StoreUrl, print_json
from search.terminal.text import say

_EPILOG = "Example: ballast db check --store sqlite:///ballast.db"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        name="db", help="Check, upgrade and copy stores.", no_args_is_help=True, epilog=_EPILOG
    )
    group.command(name="check", epilog=_EPILOG)(check)
    group.command(name="upgrade", epilog="Example: ballast db upgrade --store sqlite:///ballast.db")(upgrade)
    group.command(
        name="copy", epilog="Example: ballast db copy sqlite:///ballast.db postgresql://ballast@host/ballast"
    )(copy)
    app.add_typer(group)


def check(
    store: StoreUrl = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing, and leave trials of dead workers.")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", help="Watch other machines' workers for a minute; those without a heartbeat are dead."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Settle the trials of dead workers, then check file, schema and rows, Optuna's part and ours."""
    from search.study.liveness import NO_HEARTBEAT_S
    from search.workers.consistency import inconsistencies, reconcile
    from storage.check import check_store, check_structure

    opened = open_existing_store(store)
    settled = (
        [] if dry_run or check_structure(opened) else reconcile(opened, watch=NO_HEARTBEAT_S if wait else 0.0)
    )
    problems = [*check_store(opened), *inconsistencies(opened)]
    if as_json:
        print_json({"ok": not problems, "settled": settled, "problems": problems})
    else:
        say("\n".join([*settled, *(problems or [f"{opened.shown_url} is well"])]))
    if problems:
        raise typer.Exit(1)


def upgrade(
    store: StoreUrl = None,
    create: Annotated[bool, typer.Option("--create", help="Create missing tables.")] = False,
) -> None:
    """Upgrade our tables and Optuna's to the schemas that the installed versions need."""
    from search.sampling.optuna_storage import make_optuna_tables, upgrade_optuna
    from storage.engine import open_store
    from storage.engine import upgrade as upgrade_ours

    url = store_url(store)
    before, after = upgrade_ours(url, create=create)
    opened = open_store(url, create=False)
    if create:
        make_optuna_tables(opened)
    upgrade_optuna(opened)
    say(f"{opened.shown_url}: schema {after}" + ("" if before == after else f", was {before}"))


def copy(
    source: Annotated[str, typer.Argument(metavar="SRC", help="The store to copy from.", show_default=False)],
    target: Annotated[str, typer.Argument(metavar="DST", help="The store to copy to.", show_default=False)],
    study: Annotated[
        str | None, typer.Option("--study", metavar="NAME", help="Copy one study instead of all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy studies, Optuna's part and ours, and check every row. DST is created if it is missing."""
    from search.study.copy import copy_studies
    from storage.engine import open_store

    old, new = open_store(source, create=False), open_store(target)
    copied = copy_studies(old, new, study)
    if as_json:
        print_json([asdict(one) for one in copied])
        return
    studies = [one for one in copied if one.rows["ballast_studies"]]
    for one in copied:
        trials = f"{one.rows['ballast_trials']} of them trials"
        what = trials if one in studies else "only evaluations: the study itself is not there"
        say(f"{one.study!r}: {sum(one.rows.values())} rows, {what}")
    say(f"{len(studies)} studies copied to {new.shown_url}, and every row checked")
