"""`ballast check`: audit the data and say whether `run` would start; train nothing."""

import json
from typing import TYPE_CHECKING, Annotated

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
    from trainer.audit.audit_findings import Audit

_EPILOG = "Example: ballast check sample:sp500-volatility"


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
    deep: Annotated[bool, typer.Option("--deep", help="Also refit on targets shifted in time.")] = False,
    as_json: AsJson = False,
) -> None:
    """Audit the data of a study, say whether `run` would refuse it, and show its clamps and settings.

    Exit code 1 if the data must not be trained on, 2 if something else prevents the run. The store is read
    if it exists; nothing is written.
    """
    from search.api.check_study import check_study
    from search.terminal.fit_progress import fit_progress

    options = StudyOptions(
        study, sets or (), name=name, warm_starts=warm_start or (), policy=policy, store=store, strict=strict
    )
    with fit_progress("refit", None, shown=deep and not as_json) as progress:
        found = check_study(options, deep=deep, on_refit=progress.passed_of)
    if as_json:
        print_json(found.to_json())
    else:
        _print(options, found.resolved, found.readiness)
    if found.readiness.other_refusals:
        from search.study.readiness import combine_refusals

        raise combine_refusals(found.readiness.other_refusals)
    if not found.ok:
        raise typer.Exit(1)


def _reading(audit: "Audit") -> str:
    """What was detected and is not usual, and what was left out; empty if there is nothing."""
    usual = {"separator": ",", "decimal": ".", "encoding": "utf-8", "header": 1, "date_format": "ISO 8601"}
    unusual = {key: value for key, value in audit.detected.items() if usual.get(key) != value}
    parts = [f"{key} {json.dumps(value, ensure_ascii=False)}" for key, value in unusual.items()]
    told = [f"detected: {', '.join(parts)}"] if parts else []
    if audit.empty_rows:
        told.append(f"rows without numbers: {audit.empty_rows}, left out")
    return "; ".join(told)


def _print(options: StudyOptions, resolved: "ResolvedStudy", found: "Readiness") -> None:
    from search.record.row_mapping import without_password
    from search.terminal.result_tables import audit_table, clamp_table, console, coverage_table, setting_table

    screen, audit = console(), found.inspection.audit
    if not found.refusals:
        screen.print(f"ready: {options.run_command()}", markup=False, soft_wrap=True)
    elif not found.other_refusals:
        screen.print("this must not be trained on; mend what is found below", markup=False)
    else:
        screen.print("not ready: `run` would refuse this for the reasons at the end", markup=False)
    if audit is not None:
        if reading := _reading(audit):
            screen.print(reading, markup=False, soft_wrap=True)
        if audit.findings:
            screen.print(audit_table(audit.findings))
        rows = ", ".join(f"{n} {split}" for split, n in audit.rows.items())
        folds = f"; folds: {len(audit.folds)}, train is that of the last" if len(audit.folds) > 1 else ""
        screen.print(f"rows: {rows}{folds}" if rows else "rows: none could be split", markup=False)
        if audit.panel is not None:
            screen.print(coverage_table(audit.panel))
        if audit.worked_row is not None:
            screen.print(audit.worked_row.sentence, markup=False)
    for note in resolved.notes:
        screen.print(note, markup=False, soft_wrap=True)
    if resolved.clamps:
        screen.print(clamp_table(resolved.clamps))
    screen.print(setting_table(map(without_password, resolved.settings.values())))
