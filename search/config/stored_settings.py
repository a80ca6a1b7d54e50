"""The settings of a study as its record has them: no file is needed to go on with it or to explain it."""

from pathlib import Path

from search.config.resolve import resolve_recorded
from search.config.resolved_study import DEFAULTS_VERSION, ResolvedStudy, defaults_version
from search.errors import RequestError
from storage import query
from storage.commands import ballast_command
from storage.engine import Store
from storage.errors import StudyUnknown


def recorded_defaults_version(store: Store, name: str) -> int:
    """The `DEFAULTS_VERSION` that a study was started with; those of today for one that is not in the
    store."""
    try:
        return defaults_version(query.study(store, name).sources)
    except StudyUnknown:
        return DEFAULTS_VERSION


def resolve_from_store(store: Store, name: str, folder: Path | None = None) -> ResolvedStudy:
    """The study's settings as its record has them; `folder` is where relative paths of data begin.

    RequestError for a study whose record has no sources.
    """
    sources = query.study(store, name).sources
    if sources is None:
        raise RequestError(
            f"study {name!r} in {store.shown_url} was started by a Ballast that did not keep its file; "
            "go on with it once from the file, and workers can join: "
            f"{ballast_command('run', 'STUDY.yaml', name=name)}"
        )
    return resolve_recorded(sources, folder=folder)
