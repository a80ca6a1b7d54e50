"""Files of trials, as Optuna's artifact store keeps them: one folder for all studies that share a place."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound

from search.record.continuation import recorded_value
from search.store_files import StudyFiles, study_files
from storage import query
from storage.engine import Store


def artifact_folder(files: StudyFiles) -> Path:
    """The folder that the artifacts of a study lie in: `optuna-dashboard --artifact-dir` takes it, too."""
    return files.folder.parent / "artifacts"


class ArtifactFolder(FileSystemArtifactStore):
    """Optuna's store of artifacts in a folder, which is made with the first of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder

    def path_of(self, artifact_id: str) -> Path:
        """The file of an artifact."""
        return self._folder / artifact_id

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keep an artifact."""
        self._folder.mkdir(parents=True, exist_ok=True)
        super().write(artifact_id, content_body)


class AllArtifactFolders:
    """The artifacts of all studies, wherever `storage.files` has put them; read and removed, never written.

    `folders` is asked each time: studies come while a dashboard is up.
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
        """Keep what somebody uploads at the dashboard, beside the files of the first study."""
        ArtifactFolder(self._folders()[0]).write(artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Remove an artifact; one that is not there is removed already."""
        for folder in self._folders():
            with suppress(ArtifactNotFound):
                ArtifactFolder(folder).remove(artifact_id)


def recorded_study_files(store: Store, study: str, name: str | None = None) -> StudyFiles:
    """Where a study on record has its files, or would have them if it were called `name`."""
    configured = recorded_value("storage.files", query.setting_layers(store, study))
    return study_files(store.url, configured, study if name is None else name)


def artifact_folders(store: Store) -> list[Path]:
    """The folders of artifacts of all studies in a store; without a study, that of the first to come."""
    found = []
    for study in query.studies(store):
        found.append(artifact_folder(recorded_study_files(store, study.name)))
    # A relative folder starts where the command does; what was written elsewhere lies there still.
    written = [Path(path).parent for path in query.first_and_last_files(store, but="log")]
    return list(dict.fromkeys([*found, *written])) or [artifact_folder(study_files(store.url, None, "any"))]
