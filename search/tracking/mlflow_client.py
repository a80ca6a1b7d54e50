"""A client of MLflow with its own environment variables, and MLflow's errors as errors of Ballast."""

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
from trainer.text import shortened

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("ballast.mlflow")

_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_SHORT_TIMEOUT_S = 5
_SLOW_S = 3.0

_VARIABLES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Its own eight attempts take minutes without a message; callers of this module try again and say so.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    _TIMEOUT: "30",
}
"""Variables that are set before MLflow is imported, unless the user has set them."""

_OTHERS_WARNINGS = (
    # MLflow 3.17 under SQLAlchemy 2.1, when it opens a database.
    ("The ``noload`` loader", r"mlflow\.store\.tracking\.sqlalchemy_store"),
    # MLflow 3.17 of its own types, when it tries a model that is logged.
    (".*Any type hint is inferred as AnyType", r"mlflow\.types\.type_hints"),
    # PyTorch 2.13 of every GRU that it traces; its weights are parameters, and are in the graph.
    ("The tensor attributes .*_flat_weights", "contextlib"),
)
"""Message and module of each warning that MLflow gives when all warnings are errors."""

_NOISE = ("mlflow", "alembic", "urllib3")
_LONGEST_REASON = 200
_REFUSAL = "INVALID_PARAMETER_VALUE"


class MlflowError(AnswerIsNo):
    """MLflow does not answer, or rejects what it is sent; the store still has everything."""


class MlflowRejected(MlflowError):
    """MLflow answers, and would reject this however often it is sent."""


@contextmanager
def mlflow_environment(uri: str) -> Iterator[str]:
    """Set MLflow's environment variables while the block runs; yield its address without a server's password.

    MLflow gets a password in its own variables, so that no message of it contains the password.
    """
    variables = {name: value for name, value in _VARIABLES.items() if name not in os.environ}
    if is_server(uri) and "@" in uri:
        uri, login = _without_login(uri)
        variables |= login
    variables["MLFLOW_TRACKING_URI"] = uri  # mlflow.pytorch takes no client
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
    """Return a client, inside `mlflow_environment`.

    Raises MlflowError if a database cannot be opened; no request goes to a server yet.
    """
    with as_mlflow_errors(uri):
        from mlflow import MlflowClient
        from mlflow.store.db import utils

        for name in _NOISE:
            logging.getLogger(name).setLevel(logging.ERROR)
        utils.MAX_RETRY_COUNT = 0  # a database gets one attempt, as a server does; no variable sets it
        if not is_server(uri):
            _require_own(uri)
        return MlflowClient(uri)


@contextmanager
def with_short_timeout() -> Iterator[None]:
    """Limit each request to a few seconds while the block runs, inside `mlflow_environment`: a person
    waits.
    """
    before = os.environ[_TIMEOUT]
    os.environ[_TIMEOUT] = str(_SHORT_TIMEOUT_S)
    try:
        yield
    finally:
        os.environ[_TIMEOUT] = before


@contextmanager
def warn_if_slow(uri: str) -> Iterator[None]:
    """Warn that MLflow has not answered if the block, its first requests, takes longer than some seconds."""
    message = "waiting for MLflow at %s, which has not answered yet"
    timer = threading.Timer(_SLOW_S, log.warning, (message, masked_url(uri)))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _require_own(uri: str) -> None:
    """Raise MlflowError for a database of Ballast: MLflow would create tables in it and then refuse it."""
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
    """Turn errors of MLflow and of its libraries into MlflowError, in one line without a password."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from requests import RequestException, exceptions
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError, CommandError, OSError) as error:
        causes = (error, error.__context__)  # MLflow replaces the errors of requests with its own
        if any(isinstance(cause, exceptions.ConnectionError | exceptions.Timeout) for cause in causes):
            raise MlflowError(f"MLflow at {masked_url(uri)} does not answer") from None
        if any(isinstance(cause, exceptions.RetryError) for cause in causes):
            raise MlflowError(f"MLflow at {masked_url(uri)} answers with an error of its own") from None
        reason = mask_passwords(" ".join(str(error).split()))
        shown = shortened(reason, _LONGEST_REASON)
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
