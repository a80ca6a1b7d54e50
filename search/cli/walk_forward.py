"""`ballast walk-forward`: evaluates the whole search, block by block."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

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
    print_json,
)
from search.cli.run import Devices, Timeout, Trials, Workers
from search.cli.verify import Seeds
from search.terminal.text import say
from search.workers.executor import ExecutorOptions, make_executor

if TYPE_CHECKING:
    from search.study.walk_forward_plan import Block

_EPILOG = "Example: ballast walk-forward sample:sp500-volatility --every 1y --from 2015 --trials 8"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="walk-forward", epilog=_EPILOG)(walk_forward)


def walk_forward(
    study: StudyPath,
    every: Annotated[
        str,
        typer.Option(
            metavar="LENGTH",
            help="The length of a block: 1y, 6mo, 2w, 90d or '250 rows'.",
            show_default=False,
        ),
    ],
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DATE",
            help="Where the first block begins: 2011, 2011-07, 2011-07-01; else at the first test row.",
        ),
    ] = None,
    window: Annotated[
        Literal["expanding", "rolling"],
        typer.Option(help="Train on all rows before a block, or on as many as the study file says."),
    ] = "expanding",
    search: Annotated[
        Literal["study", "none"],
        typer.Option(
            help="none: keep the settings of the file and only refit, to see what searching is worth."
        ),
    ] = "study",
    seeds: Seeds = 5,
    warm_start: Annotated[
        bool, typer.Option("--warm-start", help="Try the best configuration of the block before first.")
    ] = False,
    sets: Sets = None,
    trials: Trials = None,
    timeout: Timeout = None,
    workers: Workers = None,
    devices: Devices = None,
    store: StoreUrl = None,
    name: StudyNameOption = None,
    policy: PolicyOption = None,
    proxy: Proxy = None,
    strict: Strict = False,
    verbose: Verbose = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show only the answer.")] = False,
    save_forecasts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the stitched forecasts to this .csv or .parquet file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate the whole search: for each block a study on the rows before it, its best refitted, and the
    block's rows forecast. Ctrl-C loses nothing; the same command goes on. Exit code 1 if no skill is shown.
    """
    executor = make_executor(ExecutorOptions("processes", workers, devices, None, None, None, proxy))
    options = StudyOptions(study, sets or (), trials, timeout, name, (), policy, store, strict)
    is_quiet = quiet or as_json
    if not is_quiet:
        say(options.headline())
    from search.api.walk_forward import WalkForwardCallbacks, WalkForwardOptions
    from search.api.walk_forward import walk_forward as walk
    from search.api.walk_forward_frames import require_forecast_file, write_forecasts
    from search.selection.statistics.conclusion import SkillVerdict
    from search.terminal.run_view import no_view, run_view
    from search.terminal.walk_forward_text import print_walk_forward
    from search.workers.progress import set_run_log_level

    def show(position: int, total: int, block: "Block") -> None:
        if not is_quiet:
            say(f"block {position} of {total}, {block.times[0]} to {block.times[1]}: study {block.study}")

    if save_forecasts is not None:
        require_forecast_file(save_forecasts)
    set_run_log_level(verbose)
    record = walk(
        options,
        WalkForwardOptions(every, begin, window, search, seeds, warm_start),
        executor,
        no_view if is_quiet else run_view,
        callbacks=WalkForwardCallbacks(block=show),
        proxy=proxy,
    )
    if save_forecasts is not None:
        rows = write_forecasts(record, save_forecasts)
        say(f"{save_forecasts}: {rows} forecasts", to_stderr=as_json)
    if as_json:
        print_json(record.to_json())
    else:
        print_walk_forward(record)
    if record.conclusion.verdict is not SkillVerdict.HOLDS:
        raise typer.Exit(1)
