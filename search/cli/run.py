"""`ballast run`: starts a study or continues it."""

from typing import TYPE_CHECKING, Annotated

import typer

from search.api.stores import store_option_needed
from search.api.study_options import StudyOptions
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
)
from search.terminal.text import say
from search.workers.executor import MAX_WORKERS, ExecutorKind, ExecutorOptions, make_executor

if TYPE_CHECKING:
    from search.api.run_study import StudyRun

_EPILOG = "Example: ballast run sample:sp500-volatility --set training.epochs=10 --trials 40"

Trials = Annotated[str | None, typer.Option(metavar="N", help="Number of trials of the whole study.")]
Timeout = Annotated[
    str | None, typer.Option(metavar="TIME", help="Start no trial after this time, such as 30m.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, max=MAX_WORKERS, metavar="N", help="Processes that share the trials; 1 if not given."
    ),
]
Devices = Annotated[
    str | None, typer.Option(metavar="LIST", help="A device per worker, such as cuda:0,cuda:1.")
]
_Engine = Annotated[
    ExecutorKind, typer.Option(help="Where workers run: on this machine, or where Ray places them.")
]
_Address = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="The Ray cluster; if not given: RAY_ADDRESS, or a new local one."),
]
_Cpus = Annotated[
    float | None, typer.Option(min=0, metavar="X", help="CPUs of a worker on Ray; 1 if not given.")
]
_Gpus = Annotated[
    float | None, typer.Option(min=0, max=1, metavar="X", help="GPUs of a worker on Ray, such as 0.5.")
]
_ContinueFrom = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Import the trials of this study that lie in the search space."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="run", epilog=_EPILOG)(run)


def run(
    study: StudyPath,
    sets: Sets = None,
    trials: Trials = None,
    timeout: Timeout = None,
    workers: Workers = None,
    devices: Devices = None,
    engine: _Engine = "processes",
    address: _Address = None,
    cpus: _Cpus = None,
    gpus: _Gpus = None,
    store: StoreUrl = None,
    name: StudyNameOption = None,
    continue_from: _ContinueFrom = None,
    warm_start: WarmStartOption = None,
    policy: PolicyOption = None,
    proxy: Proxy = None,
    strict: Strict = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Start or continue a study, until it has all its trials. Ctrl-C loses nothing."""
    executor = make_executor(ExecutorOptions(engine, workers, devices, address, cpus, gpus, proxy))
    options = StudyOptions(study, sets or (), trials, timeout, name, warm_start or (), policy, store, strict)
    if not as_json:
        say(options.headline())
    from search.api.run_study import run_study
    from search.terminal.run_view import no_view, run_view
    from search.terminal.study_status import status_to_json
    from search.workers.progress import set_run_log_level

    set_run_log_level(verbose)
    view = no_view if as_json else run_view
    with run_study(options, executor, view, continue_from=continue_from, proxy=proxy) as done:
        if as_json:
            print_json(status_to_json(done.study.store, done.summary, known_to_optuna=True))
        else:
            _print_end(done)
    if done.is_interrupted:
        raise typer.Exit(130)


def _print_end(done: "StudyRun") -> None:
    from search.terminal.result_tables import console, params_table, print_trials
    from search.watching.pages.next_step import StudyDesign, next_steps
    from storage import query

    screen, summary, end = console(), done.summary, done.end
    store, name = done.study.store, done.study.name
    front = () if summary.front is None else summary.front.numbers
    print_trials(screen, query.trials(store, name), query.suspicious_findings(store, name), front=front)
    if summary.best is not None:
        screen.print(params_table(f"best configuration: trial {summary.best.number}", summary.best))
    screen.print(f"{end.done} of {end.wanted} trials: {end.reason}.", markup=False)
    screen.print(summary.sentence(), markup=False)
    values = done.study.resolved.trial_config
    design = StudyDesign(values.data.split.method, values.training.schedule)
    for line in next_steps(summary, store_option_needed(store), design):
        screen.print(line, markup=False, soft_wrap="ballast " in line)  # a command must stay on one line
