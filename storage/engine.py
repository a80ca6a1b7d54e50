"""Opens stores: engine, schema and transactions."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from storage.commands import masked_url
from storage.driver_errors import (
    READ_ONLY_FILE,
    READ_ONLY_SERVER,
    UNREADABLE,
    close_failed_connections,
    to_store_error_or_none,
)
from storage.errors import StoreMissing, StoreReadOnly, StoreTooNew, StoreUrlInvalid
from storage.schema import head, revision_of, schema_problem, upgrade_to_head
from storage.sqlite import tune_sqlite
from storage.urls import full_url, is_sqlite, may_write, read_url, require_sqlite_file


@dataclass(frozen=True)
class Store:
    """An open store. `url` may contain a password: show `shown_url`."""

    engine: Engine = field(repr=False)
    url: str = field(repr=False)
    patience: float = 0.0
    """Seconds for which a read or a write is retried while the store is unavailable; see `storage.retry`."""
    give_up: Callable[[], bool] = field(default=lambda: False, repr=False, compare=False)
    """Called while a read or write is retried: True ends the retries early."""

    @cached_property
    def shown_url(self) -> str:
        """The URL without its password."""
        return masked_url(self.url)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction that writes: committed at the end, rolled back on an error.

        On SQLite it holds the write lock from its start, so that what it reads stays true until it writes.
        Raises StoreError for whatever the driver raises.
        """
        with self._transaction(self.engine.execution_options(ballast_begin="BEGIN IMMEDIATE")) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One transaction that only reads: a consistent view, and no lock. Raises as `session` does."""
        with self._transaction(self.engine) as session:
            yield session

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Session]:
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        except (SQLAlchemyError, *UNREADABLE) as error:
            if (told := to_store_error_or_none(error, self.shown_url)) is None:
                raise
            raise told from None

    def close(self) -> None:
        """Close the connections. The store can still be used, and then opens new ones."""
        self.engine.dispose()


def open_store(url: str, *, create: bool = True, patience: float = 0.0) -> Store:
    """Open the store at `url`; with `create` for writing, and create it, or our tables in it, if missing.

    Supported are `sqlite:///FILE` (relative to the working directory) and `postgresql://…` (psycopg 3).
    `patience` is for later reads and writes: a wrong address, and with `create` a read-only store, is an
    error at once. Raises StoreUrlInvalid, StoreMissing, StoreReadOnly, StoreTooOld, StoreTooNew, and the
    other store errors for errors of the driver.
    """
    store = _connect(url, create=create, patience=patience)
    try:
        with store.reading() as session:
            found = revision_of(session.connection())
        if create:
            _require_writable(store)
        if found is None and create:
            with store.session() as session:
                upgrade_to_head(session.connection())
                found = revision_of(session.connection())
        if (wrong := schema_problem(found, store.shown_url)) is not None:
            raise wrong
    except BaseException:
        store.close()
        raise
    return store


def _require_writable(store: Store) -> None:
    address = read_url(store.url)
    if is_sqlite(address):
        if not may_write(address):
            raise StoreReadOnly(f"{store.shown_url}: {READ_ONLY_FILE}")
        return
    with store.reading() as session:
        if session.scalar(text("SHOW transaction_read_only")) == "on":
            raise StoreReadOnly(f"{store.shown_url}: {READ_ONLY_SERVER}")


def open_store_if_exists(url: str) -> Store | None:
    """The store at `url`, which must be writable; None if there is none yet and `open_store` could create it.

    Raises as `open_store` does.
    """
    try:
        store = open_store(url, create=False)
    except StoreMissing:
        address = read_url(full_url(url))
        if is_sqlite(address):
            require_sqlite_file(address, masked_url(full_url(url)), create=True)
        return None
    try:
        _require_writable(store)
    except BaseException:
        store.close()
        raise
    return store


def upgrade(url: str, *, create: bool = False) -> tuple[str, str]:
    """Upgrade the schema at `url` to what this Ballast needs; returns the revisions (from, to).

    With `create` a missing file is created; `from` is `none` if the database had no tables of ours. Raises
    StoreTooNew, and as `open_store` does.
    """
    store = _connect(url, create=create)
    try:
        with store.session() as session:
            found = revision_of(session.connection())
            wrong = schema_problem(found, store.shown_url)
            if isinstance(wrong, StoreTooNew):
                raise wrong
            upgrade_to_head(session.connection())
    finally:
        store.close()
    return found or "none", head()


def _connect(url: str, *, create: bool, patience: float = 0.0) -> Store:
    url = full_url(url)
    address = read_url(url)
    if is_sqlite(address):
        require_sqlite_file(address, masked_url(url), create=create)
    store = Store(_make_engine(address, masked_url(url)), url, patience)
    weakref.finalize(store, store.engine.dispose)  # if the caller does not close it
    return store


def _make_engine(address: URL, shown: str) -> Engine:
    # A claim counts trials after it got its lock, and must see what was committed while it waited.
    level = {} if is_sqlite(address) else {"isolation_level": "READ COMMITTED"}
    try:
        engine = create_engine(address, pool_pre_ping=True, **level)
    except ImportError:
        raise StoreUrlInvalid(
            f'{shown} needs psycopg, which is not installed; run: pip install "ballast-gru[postgres]"'
        ) from None
    close_failed_connections(engine)
    if is_sqlite(address):
        tune_sqlite(engine)
        _begin_ourselves(engine)
    return engine


def _begin_ourselves(engine: Engine) -> None:
    """Begin transactions explicitly: Python's sqlite3 begins them late, and never for a read or DDL."""

    @event.listens_for(engine, "connect")
    def leave_it_to_us(connection: Any, _: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("ballast_begin", "BEGIN"))
