"""`ballast trials`: lists trials with verdict and reasons, once or as they end, or writes them as a table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.api.stores import open_existing_store
from search.cli.completion import trial_columns
from search.cli.options import AsJson, StoreUrl, StudyName, print_json
from search.terminal.text import say
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from search.terminal.result_tables import SuspiciousFindings, TrialLike
    from storage.engine import Store
    from storage.tables import Trial

_EPILOG = "Example: ballast trials sp500-volatility --verdict unstable"
_STDOUT = Path("-")
_PATIENCE_S = 300.0
"""Seconds that a watch waits for a store that does not answer; the study waits as long."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="trials", epilog=_EPILOG)(trials)


def trials(
    name: StudyName,
    verdict: Annotated[Verdict | None, typer.Option(help="Only trials of this verdict.")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Continue until it has all its trials or no worker runs it.")
    ] = False,
    every: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Read the store this often.")
    ] = 1.0,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Sort by loss, skill, number, seconds, epochs, an objective or a setting (hidden_size).",
            show_default=False,
            autocompletion=trial_columns,
        ),
    ] = None,
    best: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Only the N accepted trials of the lowest loss.", show_default=False
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all columns as CSV; - prints them.", show_default=False),
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all columns as Parquet.", show_default=False)
    ] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the trials of a study, with verdict, reasons, value, skill and parameters.

    With --csv and --parquet, which write the columns of `Study.trials()`, nothing is listed.
    """
    from search.selection.objectives import study_front
    from search.selection.trial_order import ordered_trials
    from storage import query

    if watch and (sort, best, csv, parquet) != (None, None, None, None):
        raise typer.BadParameter(
            "--watch shows trials as they end; leave out --sort, --best, --csv and --parquet"
        )
    if best is not None and verdict not in (None, Verdict.ACCEPTED):
        raise typer.BadParameter(f"--best takes accepted trials alone; leave out --verdict {verdict}")
    if as_json and (csv, parquet) != (None, None):
        raise typer.BadParameter("--json prints the trials; leave it out, or --csv and --parquet")
    opened = open_existing_store(store)
    if watch:
        _watch(opened, name, verdict, every, as_json)
        return
    if csv is not None or parquet is not None:
        _write(opened, name, verdict, sort, best, csv, parquet)
        return
    from search.terminal.result_tables import console, print_trials

    rows = ordered_trials(query.list_trials(opened, name, verdict), sort, best)
    suspicions = query.suspicious_findings(opened, name)
    of_seeds = query.best_seed_losses(opened, name)
    front = study_front(opened, query.study(opened, name))
    on_front = () if front is None else front.numbers
    if as_json:
        print_json([_as_json(row, suspicions, of_seeds.get(row.number), on_front) for row in rows])
    else:
        print_trials(console(), rows, suspicions, of_seeds, on_front)


def _write(
    store: "Store",
    name: str,
    verdict: Verdict | None,
    sort: str | None,
    best: int | None,
    csv: Path | None,
    parquet: Path | None,
) -> None:
    """Write the trials as a table. If it is printed, nothing else is."""
    from search.api.trials_table import table_to_csv, trials_table, write_csv, write_parquet

    found = trials_table(store, name, verdict, sort=sort, best=best)
    count = "1 trial" if len(found) == 1 else f"{len(found)} trials"
    if parquet is not None:
        write_parquet(found, parquet)
        say(f"{parquet}: {count}", to_stderr=csv == _STDOUT)
    if csv == _STDOUT:
        print(table_to_csv(found), end="")
    elif csv is not None:
        write_csv(found, csv)
        say(f"{csv}: {count}")


def _watch(store: "Store", name: str, verdict: Verdict | None, every: float, as_json: bool) -> None:
    """Print trials as they end; with `--json`, one object per line."""
    from dataclasses import replace

    from search.terminal.result_tables import console
    from search.terminal.trial_watcher import TrialWatcher, watch_on_console, watch_trials

    def show(ended: "Sequence[Trial]") -> None:
        for row in ended:
            print_json(_as_json(row, watcher.suspicions), one_line=True)

    watcher = TrialWatcher(replace(store, patience=_PATIENCE_S), name, verdict)
    if as_json:
        watch_trials(watcher, every, show)
    else:
        watch_on_console(console(), watcher, every)
    if (message := watcher.end_message) is not None:
        say(f"ballast: {message}", to_stderr=True)


def _as_json(
    row: "TrialLike",
    suspicions: "SuspiciousFindings",
    seed_losses: "Sequence[float] | None" = None,
    front: "Collection[int]" = (),
) -> dict[str, Any]:
    """A suspicious trial has one more key: the finding that made it so, with its value and limit; a trial of
    several seeds their losses; a trial of several objectives their values, and whether it is on the front.
    """
    several = {"objectives": row.objectives, "pareto": row.number in front} if row.objectives else {}
    found = suspicions.get(row.number)
    extra = {"finding": found.kind, "value": found.value, "limit": found.threshold} if found else None
    return {
        "number": row.number,
        "verdict": row.verdict,
        "reasons": row.reasons,
        "value": row.value,
        "skill": row.skill,
        "params": row.params,
        "epochs": row.epochs,
        "duration_s": row.duration_s,
        "seed": row.seed,
        **several,
        **({} if seed_losses is None else {"seed_losses": seed_losses}),
        **({} if extra is None else {"suspicion": extra}),
    }
