"""`ballast run`: start a study, or go on with it."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.executor import Executor, ExecutorKind, ExecutorOptions, make_executor
from search.cli.options import (
    AsJson,
    PolicyOption,
    Proxy,
    Sets,
    StoreUrl,
    Strict,
    StudyNameOption,
    StudyPath,
    Verbose,
    WarmStartOption,
    print_json,
    store_option_needed,
)
from search.cli.study_options import StudyOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from search.selection.summary import Summary
    from search.signals import StopRequest
    from search.study.studies import OpenStudy
    from search.workers.loop import RunEnd

_EPILOG = "Example: ballast run sample:sp500-volatility --set training.epochs=10 --trials 40"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="run", epilog=_EPILOG)(run)


def run(
    study: StudyPath,
    sets: Sets = None,
    trials: Annotated[str | None, typer.Option(metavar="N", help="Trials of the whole study.")] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="Start no trial after this time, such as 30m.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, metavar="N", help="Processes that share the trials; 1 if not given."),
    ] = None,
    devices: Annotated[
        str | None, typer.Option(metavar="LIST", help="A device per worker, such as cuda:0,cuda:1.")
    ] = None,
    engine: Annotated[
        ExecutorKind, typer.Option(help="Where workers run: on this machine, or where Ray places them.")
    ] = "processes",
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="The Ray cluster; else RAY_ADDRESS, else one of its own."),
    ] = None,
    cpus: Annotated[
        float | None, typer.Option(min=0, metavar="X", help="CPUs of a worker on Ray; 1 if not given.")
    ] = None,
    gpus: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="X", help="Its part of a GPU, such as 0.5.")
    ] = None,
    store: StoreUrl = None,
    name: StudyNameOption = None,
    continue_from: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Take over the trials of this study that lie in the space."),
    ] = None,
    warm_start: WarmStartOption = None,
    policy: PolicyOption = None,
    proxy: Proxy = None,
    strict: Strict = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Start a study or go on with it, until it has its trials; Ctrl-C loses nothing."""
    from search.config.resolved_study import DEFAULTS_VERSION
    from search.selection.summary import summarise
    from search.signals import stop_request
    from search.study.readiness import check_readiness
    from search.study.studies import open_study
    from search.tracking.tracking_process import track_while_running
    from search.watching.publishing.study_publisher import publish_while_running
    from storage.engine import open_store

    means = make_executor(ExecutorOptions(engine, workers, devices, address, cpus, gpus, proxy))
    request = StudyOptions(study, sets or (), trials, timeout, name, warm_start or (), policy, store, strict)
    resolved, mlflow = request.resolve(DEFAULTS_VERSION)
    url = request.url_of(resolved)
    with stop_request() as stop:
        opened_store = replace(open_store(url), patience=resolved.file.storage.patience, give_up=stop)
        try:
            again = request.resolve_again(opened_store, resolved.file.study.name)
            resolved, mlflow = again or (resolved, mlflow)
            data = check_readiness(
                resolved,
                opened_store,
                devices=means.devices,
                continue_from=continue_from,
                strict=strict,
            ).require()
            with means.ready(opened_store.url):
                opened = open_study(
                    resolved,
                    data,
                    opened_store,
                    devices=means.devices,
                    proxy=proxy,
                    continue_from=continue_from,
                )
                with (
                    publish_while_running(opened.store, opened.name, shown=resolved.file.tracking.dashboard),
                    track_while_running(opened, mlflow, stop),
                ):
                    end = _run(opened, means, stop, verbose, quiet=as_json)
                    stop.on_stop = _ending  # no trial runs any more
                    _measure(opened, stop)
            summary = summarise(opened_store, opened.name)
            if as_json:
                print_json({**summary.to_json(), "known_to_optuna": True})
            else:
                _print_end(opened, end, summary)
        finally:
            opened_store.close()
    if stop.asked or end.interrupted:
        raise typer.Exit(130)


def _ending() -> None:
    os.write(2, b"ending at once; nothing is lost\n")


def _run(study: "OpenStudy", means: Executor, stop: "StopRequest", verbose: bool, quiet: bool) -> "RunEnd":
    from search.cli.live_view import LiveView
    from search.cli.result_tables import can_redraw, console
    from search.workers.progress import LogProgress, NoProgress, set_run_log_level

    set_run_log_level(verbose)
    if quiet:
        return means.run(study, NoProgress(), stop)
    screen = console()
    _print_start(study, screen)
    if not can_redraw(screen):
        return means.run(study, LogProgress(), stop)
    with LiveView(screen, _noise_floor(study)) as view:
        stop.on_stop = view.stopping  # what is written into a drawing would tear it
        return means.run(study, view, stop)


def _noise_floor(study: "OpenStudy") -> "Callable[[int], float]":
    """The noise floor after so many more epochs."""
    from storage import query
    from trainer.rivals.skill import noise_floor

    facts = query.study(study.store, study.name).facts
    before, rows = query.epoch_count(study.store, study.name), facts["rows"]["validation"]
    return lambda looks: noise_floor(max(1, before + looks), rows, facts["horizon"])


def _print_start(study: "OpenStudy", screen: "Console") -> None:
    """What will be trained on, and what was cut, before anything is trained."""
    from search.cli.result_tables import audit_table, clamp_table
    from search.record.verification_answer import newest_verification

    data, resolved = study.data, study.resolved
    rows = data.audit.rows
    screen.print(
        f"study {study.name} in {study.store.shown_url}\n"
        f"data {data.table.source}: {rows['train']} training, {rows['validation']} validation, "
        f"{rows['test']} test rows; the best naive forecast is {data.baseline.name} "
        f"(loss {data.baseline.loss:.6f})",
        markup=False,
    )
    if (verified := newest_verification(study.store, study.name)) is not None:
        screen.print(verified.sentence(), markup=False)
    for note in resolved.notes:
        screen.print(note, markup=False, soft_wrap=True)
    if resolved.clamps:
        screen.print(clamp_table(resolved.clamps))
    notable = [f for f in data.audit.findings if f.severity != "info"]
    if notable:
        screen.print(audit_table(notable))


def _measure(study: "OpenStudy", stop: "StopRequest") -> None:
    """Put the measured noise floor on record, unless somebody waits for the end."""
    if stop.asked:
        return
    from search.selection.selection_evidence import (
        record_measured_floor,  # it imports arch, which takes a second
    )

    record_measured_floor(study.store, study.name)


def _print_end(study: "OpenStudy", end: "RunEnd", summary: "Summary") -> None:
    from search.cli.result_tables import console, params_table, print_trials
    from search.watching.pages.next_step import StudyDesign, next_steps
    from storage import query

    screen, best = console(), summary.best
    store, name = study.store, study.name
    print_trials(screen, query.trials(store, name), query.suspicious_findings(store, name))
    if best is not None:
        screen.print(params_table(f"best configuration: trial {best.number}", best))
    screen.print(f"{end.done} of {end.wanted} trials: {end.reason}.", markup=False)
    screen.print(summary.sentence(), markup=False)
    named = store_option_needed(study.store)
    values = study.resolved.trial_config
    habits = StudyDesign(values.data.split.method, values.training.schedule)
    for line in next_steps(summary, named, habits):
        screen.print(line, markup=False, soft_wrap="ballast " in line)  # a command is to be copied whole
