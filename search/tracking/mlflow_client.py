"""A client of MLflow in surroundings of our own, and its errors as ours."""

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from search.errors import AnswerIsNo
from search.tracking.mlflow_uri import SEPARATE_DATABASE_HINT, is_server
from storage.commands import mask_passwords, masked_url

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("ballast.mlflow")

_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_HURRIED_S = 5
_SILENCE_S = 3.0

_SURROUNDINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Its own eight attempts take minutes, of which nobody is told; whoever calls looks again, and says so.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    _TIMEOUT: "30",
}
"""What is set before MLflow is imported, unless the user has set it."""

_OTHERS_WARNINGS = (
    # MLflow 3.17 under SQLAlchemy 2.1, when it opens a database.
    ("The ``noload`` loader", r"mlflow\.store\.tracking\.sqlalchemy_store"),
    # MLflow 3.17 of its own types, when it tries a model that is logged.
    (".*Any type hint is inferred as AnyType", r"mlflow\.types\.type_hints"),
    # PyTorch 2.13 of every GRU that it traces; its weights are parameters, and are in the graph.
    ("The tensor attributes .*_flat_weights", "contextlib"),
)
"""All warnings that were met with every warning an error: message and module."""

_NOISE = ("mlflow", "alembic", "urllib3")
_MOST = 200
_REFUSAL = "INVALID_PARAMETER_VALUE"


class MlflowError(AnswerIsNo):
    """MLflow is away, or does not take what it is sent; nothing is lost by it."""


class MlflowRejected(MlflowError):
    """MLflow is there, and will not take this however often it is sent."""


@contextmanager
def mlflow_environment(uri: str) -> Iterator[str]:
    """Set up MLflow's environment while the block runs; gives its address, without the password of a server.

    A password goes to MLflow in its own variables, so that none of its messages has it.
    """
    variables = {name: value for name, value in _SURROUNDINGS.items() if name not in os.environ}
    if is_server(uri) and "@" in uri:
        uri, login = _without_login(uri)
        variables |= login
    variables["MLFLOW_TRACKING_URI"] = uri  # for what takes no client: mlflow.pytorch
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    levels = {name: logging.getLogger(name).level for name in _NOISE}
    with warnings.catch_warnings():
        for message, module in _OTHERS_WARNINGS:
            warnings.filterwarnings("ignore", message, module=module)
        try:
            yield uri
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def connect_mlflow(uri: str) -> "MlflowClient":
    """A client inside `mlflow_environment`. Raises MlflowError where a database is away; a server is not
    asked yet."""
    with as_mlflow_errors(uri):
        from mlflow import MlflowClient
        from mlflow.store.db import utils

        for name in _NOISE:
            logging.getLogger(name).setLevel(logging.ERROR)
        utils.MAX_RETRY_COUNT = 0  # for a database that is away, as for a server; no variable sets it
        if not is_server(uri):
            _require_own(uri)
        return MlflowClient(uri)


@contextmanager
def with_short_timeout() -> Iterator[None]:
    """Give each request a few seconds while the block runs, inside `mlflow_environment`: somebody waits for
    it."""
    before = os.environ[_TIMEOUT]
    os.environ[_TIMEOUT] = str(_HURRIED_S)
    try:
        yield
    finally:
        os.environ[_TIMEOUT] = before


@contextmanager
def warn_if_slow(uri: str) -> Iterator[None]:
    """Say that MLflow is waited for where the block, its first requests, takes longer than some seconds."""
    told = "waiting for MLflow at %s, which has not answered yet"
    timer = threading.Timer(_SILENCE_S, log.warning, (told, masked_url(uri)))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _require_own(uri: str) -> None:
    """Raise MlflowError for a database of Ballast: MLflow would make tables in it, and then refuse it."""
    from sqlalchemy import create_engine, inspect

    engine = create_engine(uri)
    try:
        is_ours = inspect(engine).has_table("ballast_studies")
    finally:
        engine.dispose()
    if is_ours:
        raise MlflowError(f"{masked_url(uri)} holds studies of Ballast, and {SEPARATE_DATABASE_HINT}")


@contextmanager
def as_mlflow_errors(uri: str) -> Iterator[None]:
    """Turn what MLflow raises, and what it lets through from below, into MlflowError: one line, no
    password."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from requests import RequestException, exceptions
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError, CommandError, OSError) as error:
        causes = (error, error.__context__)  # MLflow raises its own in the place of those of requests
        if any(isinstance(cause, exceptions.ConnectionError | exceptions.Timeout) for cause in causes):
            raise MlflowError(f"MLflow at {masked_url(uri)} does not answer") from None
        if any(isinstance(cause, exceptions.RetryError) for cause in causes):
            raise MlflowError(f"MLflow at {masked_url(uri)} answers with an error of its own") from None
        said = mask_passwords(" ".join(str(error).split()))
        shown = said if len(said) <= _MOST else f"{said[:_MOST]}…"
        kind = MlflowRejected if getattr(error, "error_code", None) == _REFUSAL else MlflowError
        raise kind(f"MLflow at {masked_url(uri)} does not take what it is sent: {shown}") from None


def _without_login(uri: str) -> tuple[str, dict[str, str]]:
    address = urlsplit(uri)
    login, _, host = address.netloc.rpartition("@")
    user, _, password = login.partition(":")
    return address._replace(netloc=host).geturl(), {
        "MLFLOW_TRACKING_USERNAME": unquote(user),
        "MLFLOW_TRACKING_PASSWORD": unquote(password),
    }
