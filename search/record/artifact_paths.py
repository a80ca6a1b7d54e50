"""Where the files of a study lie now: its folder or the store may have been moved since."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from sqlalchemy import make_url

from search.record.artifacts import artifact_folder, recorded_study_files
from storage import query, tables
from storage.engine import Store
from storage.urls import is_sqlite, sqlite_file

_LONGEST_END = 4
"""`ballast-files/SERVER/STUDY/FILE`: what of a path is looked for in other folders."""


def find_artifact(store: Store, artifact: tables.Artifact) -> Path | None:
    """The file of an artifact: where it was written, else in a folder that this study has now, if it has the
    same content; None where it is not on this machine.
    """
    written = Path(artifact.path)
    if written.is_file():
        return written
    ends = [Path(*written.parts[-n:]) for n in range(1, _LONGEST_END + 1)]
    return next(
        (
            found
            for folder in _folders(store, artifact.study)
            for found in (folder / end for end in ends)
            if found.is_file() and sha256(found.read_bytes()).hexdigest() == artifact.sha256
        ),
        None,
    )


def _folders(store: Store, name: str) -> Iterator[Path]:
    """Where this study would write its files now; its store's and its study file's folder; this one."""
    files, address = recorded_study_files(store, name), make_url(store.url)
    yield from (files.folder, artifact_folder(files), files.folder.parent)
    if is_sqlite(address):
        yield sqlite_file(address).absolute().parent
    yield Path(query.study(store, name).study_file).parent
    yield Path.cwd()


def missing_file_message(store: Store, artifact: tables.Artifact) -> str:
    """A sentence for a file that is nowhere: where it was written, and where to put it to have it found."""
    files = recorded_study_files(store, artifact.study)
    wanted = files.folder if artifact.kind == "log" else artifact_folder(files)
    return (
        f"not on this machine: it was written to {artifact.path}; where that folder was moved, put it at "
        f"{wanted}, and it is found"
    )
