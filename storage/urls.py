"""Store URLs: which are supported, how they are shown, and where the file of a SQLite URL lies."""

import re
import shlex
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from storage.commands import command
from storage.errors import StoreMissing, StoreUrlInvalid
from storage.masking import masked_url

_SUPPORTED = frozenset({"sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"})
_FORMS = "use sqlite:///FILE.db or postgresql://USER@HOST/DATABASE"


def read_url(url: str) -> URL:
    """Parse a store URL. Raises StoreUrlInvalid, which says what is supported."""
    shown = masked_url(url)
    if "://" not in url:
        raise StoreUrlInvalid(f"{shown!r} is not a store URL; for a file write sqlite:///{shown}")
    address = _parse(url)
    if address is None:
        raise StoreUrlInvalid(f"{shown!r} cannot be read as a store URL; {_FORMS}")
    if not is_sqlite(address) and url.count("@") > 1:
        raise StoreUrlInvalid(f"{shown}: a user name or password holds an @; write it as %40")
    if not is_sqlite(address) and re.search(r"\s", url):
        raise StoreUrlInvalid(f"{shown}: a user name or password holds a blank; write it as %20")
    if address.drivername not in _SUPPORTED:
        raise StoreUrlInvalid(f"{shown}: stores in {address.drivername!r} are not supported; {_FORMS}")
    if is_sqlite(address) and address.database in {None, "", ":memory:"}:
        raise StoreUrlInvalid(f"{shown}: a store in memory is gone with its process; use sqlite:///FILE.db")
    return address


def _parse(url: str) -> URL | None:
    """None where it cannot be read. SQLAlchemy's error repeats the password: it may not become a context."""
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        return None


def is_sqlite(address: URL) -> bool:
    """Whether the store is a file."""
    return address.get_backend_name() == "sqlite"


def sqlite_file(address: URL) -> Path:
    """The file of a SQLite URL, relative to the working directory; `file:` URLs are understood."""
    database = address.database or ""
    return Path(unquote(database.removeprefix("file:"))) if database.startswith("file:") else Path(database)


def require_sqlite_file(address: URL, shown: str, *, create: bool) -> None:
    """Raise StoreMissing unless the file is there or may be made; SQLite itself would make an empty one."""
    path = sqlite_file(address)
    if not create and not path.exists():
        raise StoreMissing(
            f"no store at {shown}; start one with: {command('run', 'STUDY.yaml', store=shown)}"
        )
    if not path.parent.is_dir():
        raise StoreMissing(
            f"{shown}: there is no folder {path.parent}; "
            f"make it with: mkdir -p {shlex.quote(str(path.parent))}"
        )
