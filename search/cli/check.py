"""`ballast check`: audit the data and show the resolved configuration; train nothing."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.cli.options import (
    AsJson,
    Policy,
    Sets,
    StoreUrl,
    Strict,
    StudyNameOption,
    StudyPath,
    WarmStart,
    print_json,
)
from search.cli.request import StudyRequest

if TYPE_CHECKING:
    from search.config.resolved import ResolvedStudy
    from search.study.readiness import Readiness

_WORKED = ("features_until", "target_at", "target")
_EPILOG = "Example: ballast check sample:sp500-volatility"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="check", epilog=_EPILOG)(check)


def check(
    study: StudyPath,
    sets: Sets = None,
    store: StoreUrl = None,
    name: StudyNameOption = None,
    warm_start: WarmStart = None,
    policy: Policy = None,
    strict: Strict = False,
    deep: Annotated[bool, typer.Option("--deep", help="Also refit on targets moved in time.")] = False,
    as_json: AsJson = False,
) -> None:
    """Audit the data of a study, show its settings and clamps, and say whether `run` would refuse it.

    Exit code 1 if it must not be trained on these data, 2 if something else keeps it from being run. The
    store is read if it is there; nothing is written.
    """
    request = StudyRequest(
        study, sets or (), name=name, warm_starts=warm_start or (), policy=policy, store=store, strict=strict
    )
    resolved, found = _looked_at(request, deep)
    if as_json:
        print_json(_as_json(resolved, found))
    else:
        _print(request, resolved, found)
    if found.besides_audit:
        from search.study.readiness import as_one

        raise as_one(found.besides_audit)
    if found.refusals:
        raise typer.Exit(1)


def _looked_at(request: StudyRequest, deep: bool) -> "tuple[ResolvedStudy, Readiness]":
    from search.config.resolved import DEFAULTS
    from search.study.readiness import readiness
    from storage.engine import store_if_there
    from storage.errors import StoreError

    resolved, _ = request.resolve(DEFAULTS)
    try:
        opened = store_if_there(request.url_of(resolved))
    except StoreError as error:  # the data are looked at all the same
        found = readiness(resolved, None, strict=request.strict, deep=deep)
        return resolved, replace(found, refusals=(*found.refusals, error))
    try:
        if opened is not None:
            again = request.resolve_again(opened, resolved.file.study.name)
            resolved = resolved if again is None else again[0]
        return resolved, readiness(resolved, opened, strict=request.strict, deep=deep)
    finally:
        if opened is not None:
            opened.close()


def _as_json(resolved: "ResolvedStudy", found: "Readiness") -> dict[str, Any]:
    from search.record.rows import clamp_to_json

    audit = found.inspection.audit
    worked = None if audit is None else audit.worked_row
    return {
        "ok": not found.refusals,
        "findings": [
            {
                name: getattr(f, name)
                for name in ("code", "severity", "where", "value", "threshold", "message")
            }
            for f in (() if audit is None else audit.findings)
        ],
        "refusals": [str(refusal) for refusal in found.besides_audit],
        "clamps": [clamp_to_json(clamp) for clamp in resolved.clamps],
        "rows": {} if audit is None else audit.rows,
        "worked_row": None if worked is None else {name: getattr(worked, name) for name in _WORKED},
    }


def _print(request: StudyRequest, resolved: "ResolvedStudy", found: "Readiness") -> None:
    from search.cli.show import clamp_table, console, finding_table, setting_table
    from search.record.rows import without_password

    screen, audit = console(), found.inspection.audit
    screen.print(setting_table(map(without_password, resolved.settings.values())))
    for note in resolved.notes:
        screen.print(note, markup=False, soft_wrap=True)
    if resolved.clamps:
        screen.print(clamp_table(resolved.clamps))
    if audit is not None:
        if audit.findings:
            screen.print(finding_table(audit.findings))
        rows = ", ".join(f"{n} {split}" for split, n in audit.rows.items())
        folds = f"; folds: {len(audit.folds)}, train is that of the last" if len(audit.folds) > 1 else ""
        screen.print(f"rows: {rows}{folds}" if rows else "rows: none could be split", markup=False)
        if audit.worked_row is not None:
            screen.print(audit.worked_row.sentence, markup=False)
    if not found.refusals:
        screen.print(f"ready: {request.run_command()}", markup=False, soft_wrap=True)
    elif not found.besides_audit:
        screen.print("this must not be trained on; mend what is found above", markup=False)
