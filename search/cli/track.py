"""`ballast track`: bring MLflow up to what the store has of a study."""

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
        typer.Option(metavar="URI", help="MLflow; else BALLAST_MLFLOW_URI, the study's tracking.mlflow.uri."),
    ] = None,
    store: StoreUrl = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Go on until the study has its trials, or nobody is at work on it."),
    ] = False,
    attached: Annotated[int | None, typer.Option(hidden=True)] = None,
    as_json: AsJson = False,
) -> None:
    """Send a study to MLflow: whatever is not there yet. It can be stopped and repeated at any time."""
    if attached is not None:
        os.nice(_NICENESS)  # trials come first, before what follows is imported, too
    from search.errors import AnswerIsNo
    from search.tracking import mlflow_sync as following
    from search.tracking import mlflow_uri as address

    opened = replace(open_existing_store(store), patience=_PATIENCE_S if follow else 0.0)
    uri = address.mlflow_uri_of_study(opened, name, mlflow)
    tell = _tell_json if as_json else _tell
    if follow:
        with _asked_to_end(attached) as should_end:
            standing = following.sync_until_done(
                opened, name, uri, should_end, tell, attached=attached is not None
            )
    else:
        standing = following.sync_once(opened, name, uri)
        tell(standing)
    if standing.left or standing.problem is not None:
        raise AnswerIsNo(following.not_sent_message(opened, name, standing.left, standing.problem))


def _tell(standing: "TrackingStatus") -> None:
    trials = "1 trial" if standing.sent == 1 else f"{standing.sent} trials"
    say(f"{trials} sent, {standing.left} left, {standing.there} in MLflow")


def _tell_json(standing: "TrackingStatus") -> None:
    """A line for each change: whoever started this process reads the last."""
    print(json.dumps(standing.to_json(), ensure_ascii=False), flush=True)


@contextmanager
def _asked_to_end(parent: int | None) -> Iterator[Callable[[], bool]]:
    """Whether SIGTERM came, or the process that started this one is gone; then all is sent once more."""
    came = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield lambda: came or (parent is not None and os.getppid() != parent)
    finally:
        signal.signal(signal.SIGTERM, before)
