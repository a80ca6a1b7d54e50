"""Finds and opens the store of a command or a Python call."""

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from search.errors import RequestError

if TYPE_CHECKING:
    from storage.engine import Store

DEFAULT_STORE = "sqlite:///ballast.db"


def store_url(given: str | None, study_file: str | None = None) -> str:
    """The URL of the store: `given`, else BALLAST_STORE, else that of the study file, else the default."""
    if given is not None:
        if not isinstance(given, str):  # from Python
            raise RequestError(f"store is {given!r}; give a URL such as 'sqlite:///ballast.db'")
        return given  # even an empty one: what was asked for takes effect or is an error
    return os.environ.get("BALLAST_STORE") or study_file or DEFAULT_STORE


def open_existing_store(given: str | None) -> "Store":
    """Open the store to read from. Raises StoreMissing if there is none."""
    from storage.engine import open_store

    return open_store(store_url(given), create=False)


def absolute_url(url: str) -> str:
    """The URL of a store in any folder: the path of a SQLite file is absolute. It may hold a password."""
    from storage.urls import is_sqlite, read_url, sqlite_file

    address = read_url(url)
    if not is_sqlite(address):
        return url
    path = str(sqlite_file(address).absolute())
    is_file_url = (address.database or "").startswith("file:")
    database = f"file:{quote(path)}" if is_file_url else path
    return address.set(database=database).render_as_string(hide_password=False)


def store_option_needed(store: "Store") -> str | None:
    """The URL to give commands as --store; None if they find this store without it."""
    from storage.urls import full_url

    return None if store.url == full_url(store_url(None)) else store.url
