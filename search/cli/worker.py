"""`ballast worker`: adds a worker to a study, on any machine that reaches its store."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from search.api.stores import store_url
from search.cli.options import AsJson, Proxy, StoreUrl, StudyName, Verbose, print_json
from search.terminal.text import say

_EPILOG = "Example: ballast worker sp500-volatility --store postgresql://ballast@db/ballast"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="worker", epilog=_EPILOG)(worker)


def worker(
    name: StudyName,
    store: StoreUrl = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="This worker's device; overrides training.device.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="The folder that relative data paths start at on this machine.")
    ] = None,
    proxy: Proxy = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait if the study does not exist yet.")] = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
    attached: Annotated[int | None, typer.Option(hidden=True)] = None,
    time_left: Annotated[float | None, typer.Option(hidden=True)] = None,
) -> None:
    """Work on a study that was started elsewhere, until it has all its trials. Ctrl-C loses nothing."""
    from search.signals import stop_request
    from search.workers.join import JoinTarget, join_and_work
    from search.workers.progress import LogProgress, set_run_log_level

    set_run_log_level(verbose)
    target = JoinTarget(store_url(store), name, device, folder, proxy, time_left)
    with stop_request() as stop:
        end = join_and_work(
            target, LogProgress(), stop if attached is None else _stop_with(attached, stop), wait=wait
        )
    if as_json:
        print_json(asdict(end))
    else:
        say(f"{end.done} of {end.wanted} trials: {end.reason}.")
    if stop.asked or end.interrupted:
        raise typer.Exit(130)


def _stop_with(parent: int, stop: Callable[[], bool]) -> Callable[[], bool]:
    """Also stop when the process that started this one is gone."""
    return lambda: stop() or os.getppid() != parent
