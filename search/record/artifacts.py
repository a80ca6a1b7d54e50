"""Files of trials in Optuna's artifact store, one folder for all studies; moved files are found again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound
from sqlalchemy import make_url

from search.record.continuation import recorded_value
from search.store_files import StudyFiles, study_files
from storage import query, tables
from storage.engine import Store
from storage.urls import is_sqlite, sqlite_file


def artifact_folder(files: StudyFiles) -> Path:
    """The folder of a study's artifacts; `optuna-dashboard --artifact-dir` takes it too."""
    return files.folder.parent / "artifacts"


class ArtifactFolder(FileSystemArtifactStore):
    """Optuna's artifact store in a folder, which is created with the first artifact."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder

    def path_of(self, artifact_id: str) -> Path:
        """The file of an artifact."""
        return self._folder / artifact_id

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Store an artifact."""
        self._folder.mkdir(parents=True, exist_ok=True)
        super().write(artifact_id, content_body)


class AllArtifactFolders:
    """The artifacts of all studies, wherever their `storage.files` are.

    `folders` is called each time, as new studies appear while a dashboard runs.
    """

    def __init__(self, folders: Callable[[], Sequence[Path]]) -> None:
        self._folders = folders

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Open an artifact. Raises ArtifactNotFound."""
        for folder in self._folders():
            with suppress(ArtifactNotFound):
                return ArtifactFolder(folder).open_reader(artifact_id)
        raise ArtifactNotFound(
            f"there is no file of artifact {artifact_id} on this machine; it lies where the trial was run"
        )

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Store an upload of the dashboard in the folder of the first study."""
        ArtifactFolder(self._folders()[0]).write(artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Remove an artifact, if it exists."""
        for folder in self._folders():
            with suppress(ArtifactNotFound):
                ArtifactFolder(folder).remove(artifact_id)


def recorded_study_files(store: Store, study: str, name: str | None = None) -> StudyFiles:
    """Where a study on record has its files, or would have them under another `name`."""
    configured = recorded_value("storage.files", query.setting_layers(store, study))
    return study_files(store.url, configured, study if name is None else name)


def artifact_folders(store: Store) -> list[Path]:
    """The artifact folders of all studies in a store; without a study, that of the first one to come."""
    found = []
    for study in query.studies(store):
        found.append(artifact_folder(recorded_study_files(store, study.name)))
    # A relative folder starts in the current one; files written from elsewhere are still there.
    written = [Path(path).parent for path in query.first_and_last_files(store, but="log")]
    return list(dict.fromkeys([*found, *written])) or [artifact_folder(study_files(store.url, None, "any"))]


_LONGEST_END = 4
"""Parts of a path that are searched for in other folders: `ballast-files/SERVER/STUDY/FILE`."""


def find_artifact(store: Store, artifact: tables.Artifact) -> Path | None:
    """The file of an artifact: where it was written, else a file of the same content in a current folder of
    the study; None if it is not on this machine.
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
    """Where the study would write files now, then the folders of its store and study file, then this one."""
    files, address = recorded_study_files(store, name), make_url(store.url)
    yield from (files.folder, artifact_folder(files), files.folder.parent)
    if is_sqlite(address):
        yield sqlite_file(address).absolute().parent
    yield Path(query.study(store, name).study_file).parent
    yield Path.cwd()


def missing_file_message(store: Store, artifact: tables.Artifact) -> str:
    """A sentence for a missing file: where it was written, and where to put it so that it is found."""
    files = recorded_study_files(store, artifact.study)
    wanted = files.folder if artifact.kind == "log" else artifact_folder(files)
    return (
        f"not on this machine: it was written to {artifact.path}; where that folder was moved, put it at "
        f"{wanted}, and it is found"
    )
