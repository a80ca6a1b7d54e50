"""The files beside a store: trial logs, checkpoints of trials that may be continued, and the prepared data
that workers share.
"""

import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from storage.commands import masked_url
from storage.urls import full_url, is_sqlite, read_url, sqlite_file
from trainer.text import PlainFormatter

_LINE = PlainFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
_SLUG_LENGTH = 40


@dataclass(frozen=True)
class StudyFiles:
    """The folder of one study. It is created with its first file; no result depends on it."""

    folder: Path

    def log_of(self, number: int) -> Path:
        """The log of a trial."""
        return self.folder / f"trial-{number:05d}.log"

    def checkpoint_of(self, first: int) -> Path:
        """The checkpoint of a trial and of all retries of it; `first` is the number of the first of them."""
        return self.folder / f"trial-{first:05d}.checkpoint"

    def prepared(self, identity: str) -> Path:
        """The folds that workers share; `identity` is from `search.data.prepared_folds.folds_identity`."""
        return self.folder / f"folds-{identity[:16]}.data"

    def worker_log(self, index: int) -> Path:
        """The output of a worker that `run --workers` has started."""
        return self.folder / f"worker-{index}.log"


KEY = "files_key"
"""The fact of a study that has its signing key, hexadecimal."""


def new_signing_key() -> str:
    """A key for a new study: 256 random bits."""
    return secrets.token_hex(32)


def signing_key(facts: Mapping[str, Any]) -> bytes | None:
    """The key that signs the files of a study; everyone who can read the store has it. None for a study of an
    older version.
    """
    key = facts.get(KEY)
    return bytes.fromhex(key) if isinstance(key, str) else None


def study_files(url: str, configured: str | None, study: str) -> StudyFiles:
    """Where the files of a study are: in `storage.files`, else beside a SQLite file, else ./ballast-files."""
    return StudyFiles((_root(url, configured) / folder_name(study)).absolute())


def frame_file(url: str, configured: str | None, sha256: str) -> Path:
    """Where a frame that was given as data is kept, for all studies of the store.

    It lies beside the folders of the studies: a study that is renamed still finds it, and the exported
    configuration of one that is deleted does too.
    """
    return (_root(full_url(url), configured) / "data" / f"{sha256}.parquet").absolute()


def _root(url: str, configured: str | None) -> Path:
    if configured is not None:
        return Path(configured)
    address = read_url(url)
    if is_sqlite(address):
        path = sqlite_file(address)
        return path.with_name(f"{path.name}.files")
    server = sha256(masked_url(url).encode()).hexdigest()[:8]
    return Path("ballast-files") / server  # two databases can hold studies of one name


def folder_name(study: str) -> str:
    """A readable name that is valid on every file system and that no other study has."""
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", study).strip("-")[:_SLUG_LENGTH]
    return f"{slug}-{sha256(study.encode()).hexdigest()[:8]}".lstrip("-")


class _TrialLog(logging.FileHandler):
    """A log file that stops at a full disk, so that the trial goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        self.setLevel(logging.CRITICAL + 1)


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Write what `ballast` logs during the block to this file too, if it can be created."""
    logger = logging.getLogger("ballast")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _TrialLog(path, mode="w", encoding="utf-8")
    except OSError as error:
        logger.warning("no log of the trial: %s: %s", path, error.strerror)
        yield
        return
    handler.setFormatter(_LINE)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        with suppress(OSError):  # a disk that was full may still be full
            handler.close()
