"""Translates errors of the database drivers into store errors, with one sentence for each."""

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from typing import Any
from zipfile import BadZipFile

from sqlalchemy import Engine, event
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
    StoreExhausted,
    StoreForbidden,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreTimeout,
    StoreUnreachable,
    ValueDamaged,
)
from storage.file_descriptors import descriptor_shortage
from storage.sqlite import TIMEOUT_VARIABLE

_Sentence = tuple[type[StoreError], str]

_LOCKED: _Sentence = (
    StoreLocked,
    "another process holds the lock; wait for it or stop it, then run the command again",
)
READ_ONLY_FILE = "it can only be read; make the file and its folder writable, or choose another with --store"
READ_ONLY_SERVER = (
    "it can only be read, as a standby or by default_transaction_read_only; make the server writable, or "
    "choose another with --store"
)
_READ_ONLY_FILE: _Sentence = (StoreReadOnly, READ_ONLY_FILE)
_READ_ONLY_SERVER: _Sentence = (StoreReadOnly, READ_ONLY_SERVER)
_FORBIDDEN: _Sentence = (
    StoreForbidden,
    "the log-in has not the right to do this; have it granted, or choose another with --store",
)
_TIMEOUT: _Sentence = (
    StoreTimeout,
    "the server ended what took too long; raise its limit, as in: "
    "ALTER ROLE USER SET statement_timeout = '5min'",
)
_SHORT: _Sentence = (
    StoreExhausted,
    "the database is short of memory or another resource; free some, then run the command again",
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
    sqlite3.SQLITE_PROTOCOL: _LOCKED,  # other processes took WAL's own locks first, many times in a row
    sqlite3.SQLITE_READONLY: _READ_ONLY_FILE,  # may be temporary
    sqlite3.SQLITE_PERM: _READ_ONLY_FILE,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_NOMEM: _SHORT,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_IOERR: _UNREACHABLE,
    sqlite3.SQLITE_CANTOPEN: _UNREACHABLE,
}
"""By primary result code: https://sqlite.org/rescode.html."""

_OF_POSTGRESQL: dict[str, _Sentence] = {
    "25006": _READ_ONLY_SERVER,  # read_only_sql_transaction: a failover is going on
    "42501": _FORBIDDEN,  # insufficient_privilege: waiting does not help
    "53100": _FULL,  # disk_full
    "53300": _UNREACHABLE,  # too_many_connections
    "53": _SHORT,  # insufficient_resources: out_of_memory and others, which may pass
    "40": _LOCKED,  # transaction_rollback: serialization_failure, deadlock_detected
    "55P03": _LOCKED,  # lock_not_available: lock_timeout
    "25P02": _LOCKED,  # in_failed_sql_transaction: a statement after an error in the same transaction
    "57014": _TIMEOUT,  # query_canceled: statement_timeout, or an administrator
    "25P03": _TIMEOUT,  # idle_in_transaction_session_timeout: the process was stopped for a while
    "25P04": _TIMEOUT,  # transaction_timeout, of PostgreSQL 17
    "42P01": _DAMAGED,  # undefined_table
    "42703": _DAMAGED,  # undefined_column
    "XX001": _DAMAGED,  # data_corrupted
    "XX002": _DAMAGED,  # index_corrupted
    "57P": _UNREACHABLE,  # shutdown, crash, cannot_connect_now, database_dropped, idle_session_timeout
    "58": _UNREACHABLE,  # system_error: io_error, a missing file of the server
    "08": _UNREACHABLE,  # connection_exception; a pooler without a free connection says 08P01
}
"""By SQLSTATE or its first characters; the longest match counts: PostgreSQL's manual, appendix A.

Any other code, such as XX000 (internal_error), is reported at once: it may not pass by waiting.
"""
_STATE_LENGTHS = (5, 3, 2)
_SIGNS_OF_DAMAGE = ("no such table", "no such column", "Could not decode to UTF-8")
"""Messages of SQLite and Python's sqlite3 that have no code of their own."""

_OTHER_CONNECTION_SQLITE = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
_OTHER_CONNECTION_POSTGRESQL = frozenset({"25006"})


def close_failed_connections(engine: Engine) -> None:
    """Close connections after failures that would repeat on them but not on a new connection.

    A SQLite connection that was opened while the file was read-only can never write. A connection to a server
    that became a standby stays with it after the server's name points to another one.
    """

    @event.listens_for(engine, "handle_error")
    def close_it(context: Any) -> None:
        error = context.original_exception
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
        if (
            code in _OTHER_CONNECTION_SQLITE
            or getattr(error, "sqlstate", None) in _OTHER_CONNECTION_POSTGRESQL
        ):
            context.is_disconnect = True


def to_store_error(error: SQLAlchemyError, shown: str) -> StoreError:
    """The store error for a driver's error; `shown` is the masked URL.

    Raise it `from None`: its message includes the driver's text.
    """
    if isinstance(error, IntegrityError):
        return RecordConflict(
            f"{shown}: a row contradicts what the store holds ({_first_line(error)}); "
            "look at it with: ballast db check"
        )
    kind, sentence = _sentence(error)
    if kind is StoreUnreachable and (limit := descriptor_shortage()) is not None:
        kind, sentence = StoreExhausted, limit
    return kind(f"{shown}: {sentence} ({_first_line(error)})")


@contextmanager
def damaged_if_unreadable(what: str) -> Iterator[None]:
    """A block that reads `what` of a store by its format. Raises StoreDamaged if it does not have that
    format.
    """
    try:
        yield
    except (ValueError, LookupError, TypeError, EOFError, OSError, zlib.error, BadZipFile) as error:
        raise StoreDamaged(
            f"{what} cannot be read: the store is damaged; restore it from a copy ({error})"
        ) from None


UNREADABLE = (UnicodeDecodeError, JSONDecodeError, LookupError, ValueError, ValueDamaged)
"""Errors that reading a damaged value may raise; see `to_store_error_or_none`."""


def to_store_error_or_none(error: Exception, shown: str) -> StoreError | None:
    """The store error for a driver's error or an unreadable value; None for any other error."""
    if isinstance(error, SQLAlchemyError):
        return to_store_error(error, shown)
    of_enum = type(error) is LookupError  # of SQLAlchemy, for a text that is not a verdict or state
    of_time = type(error) is ValueError and str(error).startswith("Invalid isoformat string")
    if of_enum or of_time or isinstance(error, UnicodeDecodeError | JSONDecodeError | ValueDamaged):
        return StoreDamaged(f"{shown}: {_DAMAGED[1]} ({error})")
    return None


def _sentence(error: SQLAlchemyError) -> _Sentence:
    if isinstance(error, PendingRollbackError):
        return _UNREACHABLE  # Optuna goes on with a connection that was cut
    driver = error.orig if isinstance(error, StatementError) else None
    if isinstance(driver, sqlite3.Error):
        # Errors of the sqlite3 module itself have no code.
        code = getattr(driver, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        damaged = any(sign in str(driver) for sign in _SIGNS_OF_DAMAGE)
        return _DAMAGED if damaged else _OF_SQLITE.get(code, _UNEXPECTED)
    state = getattr(driver, "sqlstate", None) or ""
    for length in _STATE_LENGTHS:
        if (known := _OF_POSTGRESQL.get(state[:length])) is not None:
            return known
    cut = isinstance(error, DBAPIError) and error.connection_invalidated
    nameless = not state and type(driver).__name__ in {"OperationalError", "ConnectionTimeout"}
    return _UNREACHABLE if cut or nameless else _UNEXPECTED


def _first_line(error: SQLAlchemyError) -> str:
    said = str(error.orig if isinstance(error, StatementError) else error)
    return said.strip().partition("\n")[0].rstrip(".")
