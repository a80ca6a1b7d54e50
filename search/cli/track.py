"""`ballast track`: sends a study from the store to MLflow."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from search.api.stores import open_existing_store
from search.cli.options import AsJson, StoreUrl, StudyName
from search.terminal.text import say

if TYPE_CHECKING:
    from search.tracking.mlflow_sync import TrackingStatus

_EPILOG = "Example: ballast track sp500-volatility --mlflow http://127.0.0.1:5000"
_PATIENCE_S = 300.0
_NICENESS = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="track", epilog=_EPILOG)(track)


def track(
    name: StudyName,
    mlflow: Annotated[
        str | None,
        typer.Option(
            metavar="URI", help="MLflow; if not given: BALLAST_MLFLOW_URI, the study's tracking.mlflow.uri."
        ),
    ] = None,
    store: StoreUrl = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Continue until the study has all its trials, or no worker runs it."),
    ] = False,
    attached: Annotated[int | None, typer.Option(hidden=True)] = None,
    as_json: AsJson = False,
) -> None:
    """Send to MLflow what it does not have of a study yet. Can be stopped and repeated at any time."""
    if attached is not None:
        os.nice(_NICENESS)  # before the heavy imports below: trials get the CPU first
    from search.errors import AnswerIsNo
    from search.tracking.mlflow_sync import not_sent_message, sync_once, sync_until_done
    from search.tracking.mlflow_uri import mlflow_uri_of_study

    opened = replace(open_existing_store(store), patience=_PATIENCE_S if follow else 0.0)
    uri = mlflow_uri_of_study(opened, name, mlflow)
    show = _print_json if as_json else _print
    if follow:
        with _end_request(attached) as should_end:
            status = sync_until_done(opened, name, uri, should_end, show, attached=attached is not None)
    else:
        status = sync_once(opened, name, uri)
        show(status)
    if status.left or status.problem is not None:
        raise AnswerIsNo(not_sent_message(opened, name, status.left, status.problem))


def _print(status: "TrackingStatus") -> None:
    trials = "1 trial" if status.sent == 1 else f"{status.sent} trials"
    say(f"{trials} sent, {status.left} left, {status.there} in MLflow")


def _print_json(status: "TrackingStatus") -> None:
    """A line for each change; the process that started this one reads the last."""
    print(json.dumps(status.to_json(), ensure_ascii=False), flush=True)


@contextmanager
def _end_request(parent: int | None) -> Iterator[Callable[[], bool]]:
    """Yield a function: whether SIGTERM came, or the process that started this one is gone."""
    terminated = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield lambda: terminated or (parent is not None and os.getppid() != parent)
    finally:
        signal.signal(signal.SIGTERM, before)
