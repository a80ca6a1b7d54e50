"""`ballast trials`: a row per trial, with verdict and reasons."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.cli.options import AsJson, StoreUrl, StudyName, existing_store, print_json
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from storage.tables import Trial

_EPILOG = "Example: ballast trials sp500-volatility --verdict unstable"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="trials", epilog=_EPILOG)(trials)


def trials(
    name: StudyName,
    verdict: Annotated[Verdict | None, typer.Option(help="Only trials of this verdict.")] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the trials of a study, with verdict, reasons, value, skill and parameters."""
    from search.cli.show import console, print_trials
    from storage import query

    rows = query.trials(existing_store(store), name, verdict)
    if as_json:
        print_json([_as_json(row) for row in rows])
    else:
        print_trials(console(), rows)


def _as_json(row: "Trial") -> dict[str, Any]:
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
    }
