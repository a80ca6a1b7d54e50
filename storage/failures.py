"""Turns what the drivers raise into the tree of store errors, one sentence each."""

import sqlite3

from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    PendingRollbackError,
    SQLAlchemyError,
    StatementError,
)

from storage.errors import (
    RecordConflict,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreUnreachable,
)
from storage.sqlite import TIMEOUT_VARIABLE

_Sentence = tuple[type[StoreError], str]

_LOCKED: _Sentence = (
    StoreLocked,
    "another process holds the lock; wait for it or stop it, then run the command again",
)
_READ_ONLY: _Sentence = (
    StoreReadOnly,
    "it can only be read; make the file and its folder writable, or choose another with --store",
)
_FULL: _Sentence = (
    StoreFull,
    "the disk is full; free some space, then run the command again: nothing was lost",
)
_DAMAGED: _Sentence = (
    StoreDamaged,
    "it is damaged, or no database at all; restore it from a copy, or choose another with --store",
)
_UNREACHABLE: _Sentence = (
    StoreUnreachable,
    "it cannot be reached; check the address, that the server runs or the folder is writable, and the log-in",
)
_UNEXPECTED: _Sentence = (StoreError, "the database refused; look at it with: ballast db check")

_OF_SQLITE: dict[int, _Sentence] = {
    sqlite3.SQLITE_BUSY: (StoreLocked, f"{_LOCKED[1]}, or wait longer with {TIMEOUT_VARIABLE}=SECONDS"),
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_IOERR: _UNREACHABLE,
    sqlite3.SQLITE_CANTOPEN: _UNREACHABLE,
}
"""By primary result code: https://sqlite.org/rescode.html."""

_OF_POSTGRESQL: dict[str, _Sentence] = {
    "25006": _READ_ONLY,  # read_only_sql_transaction
    "42501": _READ_ONLY,  # insufficient_privilege
    "53100": _FULL,  # disk_full
    "40001": _LOCKED,  # serialization_failure
    "40P01": _LOCKED,  # deadlock_detected
    "55P03": _LOCKED,  # lock_not_available
    "42P01": _DAMAGED,  # undefined_table
    "42703": _DAMAGED,  # undefined_column
    "53300": _UNREACHABLE,  # too_many_connections
    "57P01": _UNREACHABLE,  # admin_shutdown
    "57P02": _UNREACHABLE,  # crash_shutdown
    "57P03": _UNREACHABLE,  # cannot_connect_now
    "57P04": _UNREACHABLE,  # database_dropped
}
"""By SQLSTATE: PostgreSQL's manual, appendix A."""
_CONNECTION_EXCEPTION = "08"
"""The first two characters, its class, of each SQLSTATE of a connection that broke."""


def translate(error: SQLAlchemyError, shown: str) -> StoreError:
    """The store error for a driver's error; `shown` is the masked URL.

    Raise it `from None`: the driver's own text is part of the message.
    """
    if isinstance(error, IntegrityError):
        return RecordConflict(
            f"{shown}: a row contradicts what the store holds ({_first_line(error)}); "
            "look at it with: ballast db check"
        )
    kind, sentence = _sentence(error)
    return kind(f"{shown}: {sentence} ({_first_line(error)})")


def _sentence(error: SQLAlchemyError) -> _Sentence:
    if isinstance(error, PendingRollbackError):
        return _UNREACHABLE  # a connection was cut, and whoever met that went on with it: Optuna does
    driver = error.orig if isinstance(error, StatementError) else None
    if isinstance(driver, sqlite3.Error):
        # Errors that the sqlite3 module raises by itself carry no code.
        code = getattr(driver, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        missing = "no such table" in str(driver) or "no such column" in str(driver)
        return _DAMAGED if missing else _OF_SQLITE.get(code, _UNEXPECTED)
    state = getattr(driver, "sqlstate", None) or ""
    if state in _OF_POSTGRESQL:
        return _OF_POSTGRESQL[state]
    cut = isinstance(error, DBAPIError) and error.connection_invalidated
    nameless = not state and type(driver).__name__ in {"OperationalError", "ConnectionTimeout"}
    if cut or nameless or state.startswith(_CONNECTION_EXCEPTION):
        return _UNREACHABLE
    return _UNEXPECTED


def _first_line(error: SQLAlchemyError) -> str:
    said = str(error.orig if isinstance(error, StatementError) else error)
    return said.strip().partition("\n")[0].rstrip(".")
