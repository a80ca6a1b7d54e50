"""`ballast status`: lists all studies, or shows one with its counts, running trials, best and skill."""

from typing import TYPE_CHECKING, Annotated

import typer

from search.api.stores import open_existing_store, store_option_needed
from search.cli.completion import study_names
from search.cli.options import AsJson, StoreUrl, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console
    from rich.text import Text

    from search.selection.summary import Summary
    from storage.engine import Store

_EPILOG = "Example: ballast status sp500-volatility"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="status", epilog=_EPILOG)(status)


def status(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A study; all if not given.", autocompletion=study_names),
    ] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the studies of the store, or one study: counts by verdict, best, rate and skill."""
    from search.selection.summary import summarise
    from search.study.orphans import orphan_message, orphaned_studies
    from search.terminal.result_tables import console
    from search.terminal.study_status import status_to_json
    from storage import query, walk_forwards
    from storage.commands import ballast_command

    opened = open_existing_store(store)
    if name is not None and _shows_walk_forward(opened, name, as_json):
        return
    names = [name] if name is not None else [study.name for study in query.studies(opened)]
    summaries = [summarise(opened, each) for each in names]
    orphaned = [each for each in orphaned_studies(opened) if each in names]
    if as_json:
        shapes = [
            status_to_json(opened, each, known_to_optuna=each.study.name not in orphaned)
            for each in summaries
        ]
        print_json(shapes[0] if name is not None else shapes)
    elif not summaries:
        console().print("no study yet; start one: ballast run STUDY.yaml", markup=False)
    elif name is None:
        _print_all(console(), opened, summaries)
    else:
        _print_one(console(), opened, summaries[0])
    if name is None and not as_json:
        for each in walk_forwards.walk_forward_names(opened):
            look = ballast_command("status", each, store=store_option_needed(opened))
            console().print(f"walk-forward {each}: {look}", markup=False, soft_wrap=True)
    if not as_json:
        for each in orphaned:
            console().print(orphan_message(opened, each), markup=False)


def _shows_walk_forward(store: "Store", name: str, as_json: bool) -> bool:
    """Show the walk-forward of this name. False if there is none, or if a study has the name too."""
    from storage import query, walk_forwards

    if query.has_study(store, name) or walk_forwards.find_walk_forward(store, name) is None:
        return False
    _show_walk_forward(store, name, as_json)
    return True


def _show_walk_forward(store: "Store", name: str, as_json: bool = False) -> None:
    """Its imports cost time that the status of a study alone need not spend."""
    from search.selection.walk_forward_record import read_record
    from search.terminal.walk_forward_text import print_walk_forward

    record = read_record(store, name)
    if as_json:
        print_json(record.to_json())
    else:
        print_walk_forward(record)


def _print_all(screen: "Console", store: "Store", summaries: "list[Summary]") -> None:
    from search.terminal.study_status import verdict_count_cells
    from search.terminal.styles import plain_text
    from search.terminal.text_table import TableColumn, make_table
    from storage import query

    columns = (
        TableColumn("study", folds=True),
        TableColumn("done", right=True),
        TableColumn("loss", right=True),
        TableColumn("skill", right=True),
        TableColumn("skill shown", folds=True),
        TableColumn("verdicts", folds=True),
    )
    rows = (
        (
            plain_text(summary.study.name),
            f"{query.count_conclusive(store, summary.study.name)} of {summary.study.wanted}",
            "–" if summary.best is None else f"{summary.best.value:.4f}",
            "–" if summary.best is None or summary.best.skill is None else f"{summary.best.skill:+.4f}",
            _skill_shown_text(summary),
            tuple(_split_counts(verdict_count_cells(summary))),
        )
        for summary in summaries
    )
    screen.print(make_table(columns, rows, elsewhere="see: ballast status NAME, or a wider terminal"))


def _split_counts(cells: "Sequence[Text]") -> "Iterator[Text]":
    """Split `19 accepted (18 above har)` into `19 accepted` and `18 above har`, to fit a narrow column."""
    for cell in cells:
        at = cell.plain.find(" (")
        yield from [cell] if at < 0 else [cell[:at], cell[at + 2 : -1]]


def _skill_shown_text(summary: "Summary") -> str:
    """`yes, not verified`, `no: does not hold`."""
    if summary.verified is not None:
        before = "" if summary.verified.refuted is None else ", did not hold before"
        return f"{'yes' if summary.skill_shown else 'no'}: {summary.verified.verdict}{before}"
    return "yes, not verified" if summary.skill_shown else "no"


def _print_one(screen: "Console", store: "Store", summary: "Summary") -> None:
    from search.terminal.study_status import read_study_status, running_table, status_rows
    from search.terminal.text_table import key_value_table
    from search.watching.pages.next_step import next_steps
    from storage.commands import ballast_command
    from storage.walk_forwards import walk_forward_seen_from
    from trainer.text import printable

    now, seen = read_study_status(store, summary), walk_forward_seen_from(store, summary.study.name)
    screen.print(summary.sentence(), markup=False)
    if seen is not None and seen.name != summary.study.name:
        look = ballast_command("status", seen.name, store=store_option_needed(store))
        screen.print(f"A block of walk-forward {seen.name!r}: {look}", markup=False, soft_wrap=True)
    elif seen is not None:
        _show_walk_forward(store, seen.name)
    if summary.best is None and summary.verdicts and not now.running:
        for line in next_steps(summary, store_option_needed(store)):
            screen.print(printable(line), markup=False, soft_wrap="ballast " in line)
    screen.print()
    screen.print(key_value_table(status_rows(now)))
    if now.running:
        screen.print()
        screen.print(running_table(now.running))
