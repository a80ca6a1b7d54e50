"""`ballast status`: all studies, or one study's counts, best and skill."""

from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.options import AsJson, StoreUrl, existing_store, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from search.summary import Summary
    from storage.tables import Worker

_EPILOG = "Example: ballast status sp500-volatility"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="status", epilog=_EPILOG)(status)


def status(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A study; all if left out.")] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the studies of the store, or one study: counts by verdict, best, rate and skill."""
    from search.cli.show import console
    from search.summary import summarise
    from storage import query, workers

    opened = existing_store(store)
    names = [name] if name is not None else [study.name for study in query.studies(opened)]
    summaries = [summarise(opened, each) for each in names]
    if as_json:
        shapes = [summary.to_json() for summary in summaries]
        print_json(shapes[0] if name is not None else shapes)
        return
    if not summaries:
        console().print("no study yet; start one: ballast run STUDY.yaml", markup=False)
    elif name is None:
        _print_all(summaries)
    else:
        here = summaries[0].study.name
        _print_one(summaries[0], query.count_conclusive(opened, here), workers.present(opened, here))


def _print_all(summaries: "list[Summary]") -> None:
    from search.cli.show import console, table

    rows = [
        (
            summary.study.name,
            summary.trials,
            _counts(summary),
            None if summary.best is None else summary.best.value,
            None if summary.best is None else summary.best.skill,
            "yes" if summary.skill_shown else "no",
        )
        for summary in summaries
    ]
    console().print(table(("study", "trials", "verdicts", "best loss", "skill", "skill shown"), rows))


def _counts(summary: "Summary") -> str:
    return ", ".join(f"{n} {verdict}" for verdict, n in summary.verdicts.items()) or "no trial yet"


def _print_one(summary: "Summary", done: int, present: "Sequence[Worker]") -> None:
    from search.cli.show import console, table
    from search.words import duration
    from search.worker import is_dead

    best = summary.best
    facts = [
        ("study", summary.study.name),
        ("started", f"{summary.study.created_at:%Y-%m-%d %H:%M} UTC from {summary.study.study_file}"),
        ("trials", f"{done} of {summary.study.wanted} done, {summary.trials} in all"),
        ("verdicts", _counts(summary)),
        ("workers", ", ".join(row.worker for row in present if not is_dead(row.worker)) or "none at work"),
        ("best", None if best is None else f"trial {best.number}, loss {best.value:.6f}"),
        ("time per trial", duration(summary.seconds_per_trial)),
        ("noise floor", summary.noise_floor),
    ]
    screen = console()
    screen.print(table(("", ""), facts))
    screen.print(summary.sentence(), markup=False)
