"""The address of MLflow: which setting gives it and which forms are valid. Imports nothing of MLflow."""

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from search.config.resolved_study import ResolvedStudy
from search.errors import RequestError
from storage.commands import ballast_command, masked_url

if TYPE_CHECKING:
    from storage.engine import Store

MLFLOW_URI_VARIABLE = "BALLAST_MLFLOW_URI"
MLFLOW_URI_KEY = "tracking.mlflow.uri"
_SERVER = ("http", "https")
_DATABASE = re.compile(r"(sqlite|postgresql|mysql|mssql)(\+\w+)?")
SEPARATE_DATABASE_HINT = "MLflow wants a database of its own; name another, such as sqlite:///mlflow.db"
_FORMS = "name a server, http://127.0.0.1:5000, or its database, sqlite:///mlflow.db"


def resolve_mlflow_uri(resolved: ResolvedStudy) -> tuple[ResolvedStudy, str | None]:
    """Return the study and the address of its MLflow, None without one.

    BALLAST_MLFLOW_URI has precedence over the study file, and is then recorded as the study's address. Raises
    RequestError for an address that cannot be MLflow's, such as the database of the store, and if `--set`
    names another address than the environment.
    """
    own, given = resolved.file.tracking.mlflow.uri, os.environ.get(MLFLOW_URI_VARIABLE)
    if given and given != own:
        resolved = resolved.tracked_at(given, MLFLOW_URI_VARIABLE)
    uri = given or own
    if uri is not None and _database(check_mlflow_uri(uri)) == _database(
        str(resolved.settings["storage.url"].value)
    ):
        raise RequestError(f"{masked_url(uri)} is the store of the study, and {SEPARATE_DATABASE_HINT}")
    return resolved, uri


def mlflow_uri_of_study(store: "Store", name: str, option: str | None) -> str:
    """Return the MLflow address of a stored study: the option, else BALLAST_MLFLOW_URI, else as recorded.

    Raises StudyUnknown, and RequestError if there is no address or its password is not recorded.
    """
    from search.record.continuation import recorded_value  # slow, and `run` needs its first line
    from storage import query

    recorded = recorded_value(MLFLOW_URI_KEY, query.setting_layers(store, name))
    uri = option if option is not None else os.environ.get(MLFLOW_URI_VARIABLE) or recorded
    suggested = ballast_command("track", name, mlflow="http://127.0.0.1:5000")
    if uri is None:
        raise RequestError(
            f"study {name!r} has no MLflow: neither {MLFLOW_URI_KEY} nor {MLFLOW_URI_VARIABLE} is set; "
            f"run {suggested}"
        )
    if ":***@" in uri or "password=***" in uri:
        raise RequestError(
            f"the password of {uri} is not on record; give it once more, in {MLFLOW_URI_VARIABLE}"
        )
    return check_mlflow_uri(uri)


def check_mlflow_uri(uri: str) -> str:
    """Return the address unchanged. Raises RequestError if it cannot be MLflow's."""
    try:
        address = urlsplit(uri)
        is_server = address.scheme in _SERVER and bool(address.hostname) and address.port != 0
    except ValueError:  # a port that is no number; its message may repeat a password
        is_server = False
    if not is_server and not _DATABASE.fullmatch(uri.partition("://")[0]):
        raise RequestError(f"{masked_url(uri)!r} is no address of MLflow that Ballast can send to; {_FORMS}")
    return uri


def _database(url: str) -> tuple[str | None, ...]:
    """Return what identifies a database, without login and driver, to compare two addresses."""
    kind, _, rest = url.partition("://")
    if kind.startswith("sqlite"):
        return "sqlite", os.path.realpath(rest.partition("?")[0].removeprefix("/"))
    try:
        address = urlsplit(url)
        return kind.partition("+")[0], address.hostname, str(address.port or 5432), address.path
    except ValueError:  # opening the store reports it
        return (url,)


def is_server(uri: str) -> bool:
    """Return whether the address is a server's, not a database's."""
    return uri.startswith(tuple(f"{scheme}://" for scheme in _SERVER))
