"""Shell completion of study files and study names. It imports as little as possible and never raises."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import typer

_SQLITE = "sqlite:///"
_STUDIES = (".yaml", ".yml", ".json")
_TABLES = (".csv", ".txt", ".tsv", ".gz", ".zip", ".parquet", ".pq", ".arrow", ".feather", ".ipc")


def study_files(incomplete: str) -> list[str]:
    """Folders, YAML and JSON files, and shipped studies whose names begin with `incomplete`."""
    from search.config.files.shipped import PREFIX, shipped_studies

    shipped = [PREFIX + name for name in shipped_studies()]
    return [*_files(incomplete, _STUDIES), *(name for name in shipped if name.startswith(incomplete))]


def table_files(incomplete: str) -> list[str]:
    """Folders and tables whose names begin with `incomplete`."""
    return list(_files(incomplete, _TABLES))


def study_names(context: typer.Context, incomplete: str) -> list[str]:
    """Studies of the store whose names begin with `incomplete`; none on a server, which may not answer."""
    names = _read_sqlite(context, "SELECT name FROM ballast_studies ORDER BY name")
    return [name for (name,) in names if name.startswith(incomplete)]


def trial_columns(context: typer.Context, incomplete: str) -> list[str]:
    """What `trials --sort` sorts by: columns, and the searched settings of a study in a SQLite file."""
    columns = ["loss", "skill", "number", "seconds", "epochs"]
    query = "SELECT DISTINCT key FROM ballast_trials, json_each(params) WHERE study = ? ORDER BY key"
    found = [key for (key,) in _read_sqlite(context, query, context.params.get("name"))]
    return [name for name in (*columns, *found) if name.startswith(incomplete)]


def _read_sqlite(context: typer.Context, query: str, *values: object) -> list[tuple[str]]:
    """The rows of a query; none if the store is a server, which may not answer, or cannot be read."""
    from search.api.stores import store_url

    url = store_url(context.params.get("store"))
    path = url.removeprefix(_SQLITE)
    if path == url or not os.path.isfile(path):
        return []
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.5)) as store:
            return store.execute(query, values).fetchall()
    except sqlite3.Error:
        return []


def _files(incomplete: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    folder, start = os.path.split(incomplete)
    try:
        found = sorted(Path(folder or ".").iterdir())
    except OSError:
        return
    for path in found:
        if path.name.startswith(start) and not (path.name.startswith(".") and not start):
            if path.is_dir():
                yield os.path.join(folder, path.name, "")
            elif path.suffix in suffixes:
                yield os.path.join(folder, path.name)
