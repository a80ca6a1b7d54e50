"""Finds the frames that were given in Python and are kept as Parquet files, named by their SHA-256."""

import re
from pathlib import Path, PurePath
from typing import Any

from trainer.config import move_source

_FRAME = re.compile(r"[0-9a-f]{64}\.parquet")


def frame_digest(source: str) -> str | None:
    """The SHA-256 in the path of a kept frame; None for any other source."""
    name = PurePath(source).name
    return name.removesuffix(".parquet") if _FRAME.fullmatch(name) else None


def frame_names(source: Any) -> Any:
    """A `data.source` with the name of each kept frame in place of its path: the same in every folder."""
    return move_source(source, lambda path: path if frame_digest(path) is None else PurePath(path).name)


def frames_found(source: Any, folder: Path, url: str | None, configured: str | None) -> Any:
    """A `data.source` with the kept frames in it at the paths where they are now.

    A frame that is gone from its path is looked for beside the store at `url` (None: it is not known) and in
    `folder`, from which relative paths start. Its name is the digest of its content, so that it is found
    after the folder was moved. A frame that is nowhere keeps its path.
    """

    def found(path: str) -> str:
        digest = frame_digest(path)
        if digest is None or (folder / path).is_file():
            return path
        places = _places(digest, folder, url, configured)
        return next((str(each) for each in places if each.is_file()), path)

    return move_source(source, found)


def _places(digest: str, folder: Path, url: str | None, configured: str | None) -> list[Path]:
    """Where the frame of a digest may lie, the likeliest place first."""
    # They import SQLAlchemy, which a study without a moved frame does not need in order to be resolved.
    from search.store_files import frame_file
    from storage.urls import full_url, is_sqlite, read_url, sqlite_file

    folders = [folder.absolute()]
    if url is not None and is_sqlite(address := read_url(full_url(url))):
        folders.insert(0, sqlite_file(address).absolute().parent)
    beside = [] if url is None else [frame_file(url, configured, digest)]
    return beside + [each for near in folders for each in sorted(near.glob(f"*/data/{digest}.parquet"))]
