"""`ballast check`: audit the data and show the resolved configuration; train nothing."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.cli.options import AsJson, Policy, Sets, Strict, StudyPath, WarmStart, print_json

if TYPE_CHECKING:
    from search.config.resolved import ResolvedStudy
    from trainer.data.findings import Audit

_WORKED = ("features_until", "target_at", "target")
_EPILOG = "Example: ballast check configs/studies/sp500-volatility.yaml"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="check", epilog=_EPILOG)(check)


def check(
    study: StudyPath,
    sets: Sets = None,
    warm_start: WarmStart = None,
    policy: Policy = None,
    strict: Strict = False,
    deep: Annotated[bool, typer.Option("--deep", help="Also refit on targets moved in time.")] = False,
    as_json: AsJson = False,
) -> None:
    """Audit the data of a study, and show its settings and clamps; exit code 1 if it must not be run."""
    from search.config.resolve import resolve
    from search.data import inspect

    resolved = resolve(study, sets or (), policy=policy, warm_starts=warm_start or ())
    found = inspect(resolved, deep=deep)
    ok = found.ok(strict)
    if as_json:
        print_json(_as_json(resolved, found, ok))
    else:
        _print(study, resolved, found, ok)
    if not ok:
        raise typer.Exit(1)


def _as_json(resolved: "ResolvedStudy", found: "Audit", ok: bool) -> dict[str, Any]:
    from search.recording import clamp_to_json

    worked = found.worked_row
    return {
        "ok": ok,
        "findings": [
            {
                name: getattr(f, name)
                for name in ("code", "severity", "where", "value", "threshold", "message")
            }
            for f in found.findings
        ],
        "clamps": [clamp_to_json(clamp) for clamp in resolved.clamps],
        "rows": found.rows,
        "worked_row": None if worked is None else {name: getattr(worked, name) for name in _WORKED},
    }


def _print(study: Path, resolved: "ResolvedStudy", found: "Audit", ok: bool) -> None:
    from search.cli.show import clamp_table, console, finding_table, setting_table
    from search.recording import without_password

    screen = console()
    screen.print(setting_table(map(without_password, resolved.settings.values())))
    for note in resolved.notes:
        screen.print(note, markup=False, soft_wrap=True)
    if resolved.clamps:
        screen.print(clamp_table(resolved.clamps))
    if found.findings:
        screen.print(finding_table(found.findings))
    rows = ", ".join(f"{n} {split}" for split, n in found.rows.items())
    folds = f"; folds: {len(found.folds)}, train is that of the last" if len(found.folds) > 1 else ""
    screen.print(f"rows: {rows}{folds}" if rows else "rows: none could be split", markup=False)
    if found.worked_row is not None:
        screen.print(found.worked_row.sentence, markup=False)
    verdict = (
        f"ready: ballast run {shlex.quote(str(study))}"
        if ok
        else "this must not be trained on; mend what is found above"
    )
    screen.print(verdict, markup=False)
