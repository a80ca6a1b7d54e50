"""Store URLs: parsing, checks, and the file of a SQLite URL."""

import os
import re
import shlex
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from storage.commands import ballast_command, masked_url
from storage.errors import StoreMissing, StoreUrlInvalid

_SUPPORTED = frozenset({"sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"})
_FORMS = "use sqlite:///FILE.db or postgresql://USER@HOST/DATABASE"
_IN_MEMORY = re.compile(r"(file:)?(:memory:)?")
_OF_POSTGRESQL = re.compile(r"^postgres://")
"""A form that libpq accepts too, and that hosting companies give to their customers."""
_HOME = re.compile(r"^(sqlite(?:\+pysqlite)?:///(?:file:)?)(~[^/?]*)")
_VARIABLE = re.compile(r"^/?\$(\w|\{)")
_DRIVE = re.compile(r"^[A-Za-z]:[\\/]")


def full_url(url: str) -> str:
    """The URL with `~` and `~USER` expanded, and `postgres://` in the form that SQLAlchemy needs.

    A store is identified by its full URL. Raises StoreUrlInvalid for a user that this machine does not have.
    """
    url = _OF_POSTGRESQL.sub("postgresql://", url)
    named = _HOME.match(url)
    if named is None:
        return url
    home = os.path.expanduser(named[2])
    if home == named[2]:
        raise StoreUrlInvalid(
            f"{url}: this machine has no user {named[2][1:]!r} with a home folder; "
            "write the whole path, as in sqlite:////home/USER/FILE.db"
        )
    return named[1] + home.replace("%", "%25").replace("?", "%3F") + url[named.end() :]


def read_url(url: str) -> URL:
    """Parse a store URL. Raises StoreUrlInvalid, whose message says what is supported."""
    url = full_url(url)
    shown = masked_url(url)
    if not url:
        raise StoreUrlInvalid(f"the URL of the store is empty; {_FORMS}")
    if "://" not in url:
        path = re.sub(r"^sqlite:", "", shown)
        raise StoreUrlInvalid(f"{shown!r} is not a store URL; for a file write sqlite:///{path}")
    address = _parse(url)
    if address is None:
        raise StoreUrlInvalid(f"{shown!r} cannot be read as a store URL; {_FORMS}")
    if not is_sqlite(address) and url.count("@") > 1:
        raise StoreUrlInvalid(f"{shown}: a user name or password holds an @; write it as %40")
    if not is_sqlite(address) and re.search(r"\s", url):
        raise StoreUrlInvalid(f"{shown}: a user name or password holds a blank; write it as %20")
    if address.drivername not in _SUPPORTED:
        raise StoreUrlInvalid(f"{shown}: stores in {address.drivername!r} are not supported; {_FORMS}")
    if is_sqlite(address) and (wrong := _wrong_file(address, url)) is not None:
        raise StoreUrlInvalid(f"{shown}: {wrong}")
    return address


def _wrong_file(address: URL, url: str) -> str | None:
    """What is wrong with the path of a SQLite URL; None if nothing is."""
    database, after = address.database or "", url.partition("://")[2]
    if after and not after.startswith("/"):
        return f"the path of a file follows three slashes; write sqlite:///{after}"
    if _IN_MEMORY.fullmatch(database) or address.query.get("mode") == "memory":
        return "a store in memory is gone with its process; use sqlite:///FILE.db"
    if "\0" in database:
        return "the path of a file holds no NUL; use sqlite:///FILE.db"
    if database.startswith("file:") and address.query.get("uri") not in ("true", "1"):
        return f"a file: path needs uri=true; write sqlite:///{database}?uri=true, or leave out the file:"
    if _VARIABLE.match(database):
        return "variables are not written out here; let the shell do it, or write ~ for your home folder"
    if os.name != "nt" and _DRIVE.match(database):
        return "this system has no drives; write the path as it is here, as in sqlite:////mnt/c/FILE.db"
    return None


def _parse(url: str) -> URL | None:
    """None if it cannot be parsed. SQLAlchemy's error contains the password, so it must not become a
    context.
    """
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


def may_write(address: URL) -> bool:
    """Whether this process may write a SQLite file and the folder, in which its log is."""
    path = sqlite_file(address)
    asked_to_read = address.query.get("mode") == "ro" or address.query.get("immutable") == "1"
    return not asked_to_read and all(os.access(each, os.W_OK) for each in (path, path.parent))


def require_sqlite_file(address: URL, shown: str, *, create: bool) -> None:
    """Raise StoreMissing unless the file exists or may be created; SQLite itself would create an empty file.

    Raises StoreUrlInvalid if it is a folder or not a regular file.
    """
    path = sqlite_file(address)
    if path.is_dir():
        raise StoreUrlInvalid(f"{shown}: {path} is a folder; name a file in it, as in {shown}/ballast.db")
    if path.exists() and not path.is_file():
        raise StoreUrlInvalid(f"{shown}: {path} is no regular file; choose another with --store")
    if not create and not path.exists():
        raise StoreMissing(
            f"no store at {shown}; start one with: {ballast_command('run', 'STUDY.yaml', store=shown)}"
        )
    if not path.parent.is_dir():
        raise StoreMissing(_missing_folder(path.parent, shown))


def _missing_folder(folder: Path, shown: str) -> str:
    file = next((each for each in (folder, *folder.parents) if each.is_file()), None)
    if file is not None:
        return f"{shown}: {file} is a file and no folder; choose another path with --store"
    return f"{shown}: there is no folder {folder}; make it with: mkdir -p {shlex.quote(str(folder))}"
