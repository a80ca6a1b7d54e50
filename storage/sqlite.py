"""Configures SQLite: write-ahead log, waiting for locks, enforced foreign keys."""

import os
import sqlite3
import time
from typing import Any

from sqlalchemy import Engine, event

from storage.errors import StoreError

TIMEOUT_VARIABLE = "BALLAST_SQLITE_TIMEOUT"
_TIMEOUT_S = 60.0
"""Sixteen workers that write at the same time were measured to wait far less."""
_RETRY_S = 0.02


def sqlite_timeout() -> float:
    """Seconds to wait for another process's lock: BALLAST_SQLITE_TIMEOUT, else 60.

    Raises StoreError unless the variable is a number of seconds from 0 to a day.
    """
    given = os.environ.get(TIMEOUT_VARIABLE)
    try:
        timeout = _TIMEOUT_S if given is None else float(given)
    except ValueError:
        timeout = -1.0
    if not 0 <= timeout <= 86_400:
        raise StoreError(
            f"{TIMEOUT_VARIABLE} is {given!r}; give seconds from 0 to 86400, as in {TIMEOUT_VARIABLE}=60"
        )
    return timeout


def sqlite_connect_args() -> dict[str, Any]:
    """`connect_args` for engines that other libraries build and use before `tune_sqlite` is called."""
    return {"timeout": sqlite_timeout()}


def tune_sqlite(engine: Engine) -> None:
    """Configure each connection of a SQLite engine; connections already in its pool are opened again."""
    timeout = sqlite_timeout()

    @event.listens_for(engine, "connect")
    def tune(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA busy_timeout={round(timeout * 1000)}")
        _set_wal(connection, timeout)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    engine.dispose()


def _set_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Switch the file to WAL. SQLite does not wait for locks in this statement, so this function does."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            code = error.sqlite_errorcode & 0xFF
            if code == sqlite3.SQLITE_READONLY:
                return  # reading needs no WAL
            if code != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_RETRY_S)
