"""`ballast check`: audit the data and show the resolved configuration; train nothing."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.api.study_options import StudyOptions
from search.cli.options import (
    AsJson,
    PolicyOption,
    Sets,
    StoreUrl,
    Strict,
    StudyNameOption,
    StudyPath,
    WarmStartOption,
    print_json,
)

if TYPE_CHECKING:
    from search.config.resolved_study import ResolvedStudy
    from search.study.readiness import Readiness

_WORKED = ("features_until", "target_at", "target")
_EPILOG = "Example: ballast check configs/studies/sp500-volatility.yaml"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="check", epilog=_EPILOG)(check)


def check(
    study: StudyPath,
    sets: Sets = None,
    store: StoreUrl = None,
    name: StudyNameOption = None,
    warm_start: WarmStartOption = None,
    policy: PolicyOption = None,
    strict: Strict = False,
    deep: Annotated[bool, typer.Option("--deep", help="Also refit on targets moved in time.")] = False,
    as_json: AsJson = False,
) -> None:
    """Audit the data of a study, show its settings and clamps, and say whether `run` would refuse it.

    Exit code 1 if it must not be trained on these data, 2 if something else keeps it from being run. The
    store is read if it is there; nothing is written.
    """
    request = StudyOptions(
        study, sets or (), name=name, warm_starts=warm_start or (), policy=policy, store=store, strict=strict
    )
    resolved, found = _looked_at(request, deep)
    if as_json:
        print_json(_as_json(resolved, found))
    else:
        _print(request, resolved, found)
    if found.besides_audit:
        from search.study.readiness import combine_refusals

        raise combine_refusals(found.besides_audit)
    if found.refusals:
        raise typer.Exit(1)


def _looked_at(request: StudyOptions, deep: bool) -> "tuple[ResolvedStudy, Readiness]":
    from search.config.resolved_study import DEFAULTS_VERSION
    from search.study.readiness import check_readiness
    from storage.engine import open_store_if_exists
    from storage.errors import StoreError

    resolved, _ = request.resolve(DEFAULTS_VERSION)
    try:
        opened = open_store_if_exists(request.url_of(resolved))
    except StoreError as error:  # the data are looked at all the same
        found = check_readiness(resolved, None, strict=request.strict, deep=deep)
        return resolved, replace(found, refusals=(*found.refusals, error))
    try:
        if opened is not None:
            again = request.resolve_again(opened, resolved.file.study.name)
            resolved = resolved if again is None else again[0]
        return resolved, check_readiness(resolved, opened, strict=request.strict, deep=deep)
    finally:
        if opened is not None:
            opened.close()


def _as_json(resolved: "ResolvedStudy", found: "Readiness") -> dict[str, Any]:
    from search.record.row_mapping import clamp_to_json

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


def _print(request: StudyOptions, resolved: "ResolvedStudy", found: "Readiness") -> None:
    from search.record.row_mapping import without_password
    from search.terminal.result_tables import audit_table, clamp_table, console, setting_table

    screen, audit = console(), found.inspection.audit
    screen.print(setting_table(map(without_password, resolved.settings.values())))
    for note in resolved.notes:
        screen.print(note, markup=False, soft_wrap=True)
    if resolved.clamps:
        screen.print(clamp_table(resolved.clamps))
    if audit is not None:
        if audit.findings:
            screen.print(audit_table(audit.findings))
        rows = ", ".join(f"{n} {split}" for split, n in audit.rows.items())
        folds = f"; folds: {len(audit.folds)}, train is that of the last" if len(audit.folds) > 1 else ""
        screen.print(f"rows: {rows}{folds}" if rows else "rows: none could be split", markup=False)
        if audit.worked_row is not None:
            screen.print(audit.worked_row.sentence, markup=False)
    if not found.refusals:
        screen.print(f"ready: {request.run_command()}", markup=False, soft_wrap=True)
    elif not found.besides_audit:
        screen.print("this must not be trained on; mend what is found above", markup=False)
