"""Finds the files of a source and reads their bytes: no endless file, and no more than memory holds."""

import gzip
import hashlib
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Literal
from urllib.parse import urlsplit

from trainer.bounded_reading import NotARegularFile, memory, open_regular, read_file_or_pipe
from trainer.config import is_path, is_pattern, is_remote
from trainer.data.reading.remote import read_remote
from trainer.data.reading.samples import sample_text
from trainer.errors import SourceError
from trainer.text import did_you_mean, shortened

TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
TABLE_SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".pq", ".arrow", ".feather", ".ipc")
_PARQUET_SUFFIXES = {".parquet", ".pq"}
PACKED_SUFFIXES = (".gz", ".zip")
_SUFFIX_ADVICE = "save the table as .csv or .parquet"
_PARQUET_MARK = b"PAR1"
_GZIP_MARK, _ZIP_MARKS = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06")
_GZIP = 31
"""What zlib calls a gzip file."""
_CHUNK = 1 << 20
_HEAD = 1 << 20
"""Bytes of a file that are enough for its header, if they hold `_HEAD_LINES` lines."""
_HEAD_LINES = 100
LONGEST_SHOWN = 60
"""Characters of a cell or a name in a message."""
_MEMORY_SHARE = 0.25
"""Most memory that the bytes of one source may take, as a share of the machine's; arrays need as much again.
"""

FileKind = Literal["csv", "parquet", "arrow"]


@dataclass(frozen=True)
class SourceFile:
    """One file: `shown` is its name in messages, `sha256` that of the bytes before unpacking."""

    shown: str
    content: bytes
    """Its bytes, unpacked; none of a Parquet file on disk, of which `opened` reads a column at a time."""
    kind: FileKind
    sha256: str
    on_disk: "_FileState | None" = None

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file for reading. Raises SourceError if it changes between its digest and the end of the
        reading.
        """
        if self.on_disk is None:
            yield io.BytesIO(self.content)
            return
        with open_regular(self.on_disk.path, memory()) as file:
            self._require_unchanged(file)
            yield file
            self._require_unchanged(file)

    def _require_unchanged(self, file: BinaryIO) -> None:
        assert self.on_disk is not None
        if _FileState.of(self.on_disk.path, file) != self.on_disk:
            raise SourceError(f"data.source {self.shown!r} changed while it was read; run the command again")


@dataclass(frozen=True)
class _FileState:
    """A file that lies on disk, and what changes when it is written."""

    path: Path
    device: int
    inode: int
    size: int
    written_ns: int

    @classmethod
    def of(cls, path: Path, file: BinaryIO) -> "_FileState":
        status = os.fstat(file.fileno())
        return cls(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def open_source(
    source: str | Sequence[str], folder: Path, first: SourceFile | None = None
) -> Iterator[SourceFile]:
    """Yield the files of `data.source`, in the order given; those of a pattern by name.

    A relative path is relative to `folder`. `first` is the first file, if it is open already. Raises
    SourceError for a file that is missing, empty, no table, or too large for this machine's memory.
    """
    for number, (shown, path) in enumerate(_paths(source, folder)):
        if first is not None and number == 0:
            yield first
            continue
        if (parquet := _parquet_on_disk(shown, path)) is not None:
            yield parquet
            continue
        raw = _raw(shown, path)
        digest = hashlib.sha256(raw).hexdigest()
        content = _unpacked(raw, shown)
        del raw  # a packed file is not kept while its table is read
        _require_content(shown, content)
        yield SourceFile(shown, content, _kind(content, path or Path(urlsplit(shown).path)), digest)


def open_head(source: str | Sequence[str], folder: Path) -> SourceFile:
    """The first file of a source, of a long text or Arrow file only its beginning, without a digest: enough
    for the names of its columns. Raises as `open_source` does.
    """
    shown, path = next(_paths(source, folder))
    if path is not None:
        head = _read(path, shown, most=_HEAD)
        content = _unpacked_head(head)
        kind = _kind(content, path)
        if len(head) > _HEAD and not head.startswith(_ZIP_MARKS) and kind != "parquet":
            lines = _whole_lines(content) if kind == "csv" else content
            if kind == "arrow" or lines.count(b"\n") >= _HEAD_LINES:
                return SourceFile(shown, lines, kind, "")
    return next(open_source(source, folder))


def _unpacked_head(head: bytes) -> bytes:
    """The beginning of what a gzip file holds, empty for a damaged one; other bytes as they are."""
    if not head.startswith(_GZIP_MARK):
        return head
    with suppress(zlib.error):
        return zlib.decompressobj(_GZIP).decompress(head, _HEAD)
    return b""


def _whole_lines(content: bytes) -> bytes:
    """The beginning of a text up to its last line end."""
    end = content.rfind(b"\n") + 1
    # In UTF-16 and UTF-32 with the low byte first, it begins at an even byte, and zeros complete it.
    if end % 2:
        while end % 4 and content[end : end + 1] == b"\0":
            end += 1
    return content[:end]


def digest_of_source(source: str | Sequence[str], folder: Path) -> str:
    """`source_digest` of the files of `data.source`, without unpacking them. Raises SourceError."""
    return source_digest([_digest(shown, path) for shown, path in _paths(source, folder)])


def _digest(shown: str, path: Path | None) -> str:
    parquet = _parquet_on_disk(shown, path)
    return hashlib.sha256(_raw(shown, path)).hexdigest() if parquet is None else parquet.sha256


def _parquet_on_disk(shown: str, path: Path | None) -> SourceFile | None:
    """A Parquet file that need not be in memory whole; None for any other file."""
    if path is None or path.suffix.lower() not in _PARQUET_SUFFIXES:
        return None
    if not _read(path, shown, most=len(_PARQUET_MARK)).startswith(_PARQUET_MARK):
        return None
    with _told_unreadable(shown), open_regular(path, memory()) as file:
        state = _FileState.of(path, file)
        return SourceFile(shown, b"", "parquet", hashlib.file_digest(file, "sha256").hexdigest(), state)


def source_digest(digests: Sequence[str]) -> str:
    """One SHA-256 (hex) for the files of a source: of one file its own, of several that of their list."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _paths(source: str | Sequence[str], folder: Path) -> Iterator[tuple[str, Path | None]]:
    """The name in messages and the path of each file of a source; None for a sample and an address."""
    for name in [source] if isinstance(source, str) else source:
        if is_path(name):
            yield from _matches(name, folder)
        else:
            yield name, None


def _raw(shown: str, path: Path | None) -> bytes:
    """The bytes of a file as it lies there, or the CSV text of a sample."""
    if path is None and not is_remote(shown):
        return sample_text(shown)
    content = read_remote(shown) if path is None else _read(path, shown)
    _require_content(shown, content)
    return content


def _require_content(shown: str, content: bytes) -> None:
    """Raise SourceError for a file of nothing but white space."""
    if not content[:_CHUNK].strip() and not content.strip():
        raise SourceError(f"data.source {shown!r} is empty; it needs a header and rows")


def _matches(name: str, folder: Path) -> list[tuple[str, Path]]:
    """The files that a path or a pattern such as `prices/*.csv` names, by name."""
    path = folder / name
    if not is_pattern(name) or os.path.lexists(path):
        return [(name, path)]
    # A pattern may be absolute, which Path.glob refuses.
    root = Path(path.anchor) if Path(name).is_absolute() else folder
    pattern = str(Path(name).relative_to(path.anchor)) if Path(name).is_absolute() else name
    try:
        found = sorted(file for file in root.glob(pattern) if file.is_file())
    except (ValueError, OSError) as error:
        raise SourceError(f"data.source {name!r} is no pattern: {error}; write it as prices/*.csv") from None
    if not found:
        raise SourceError(f"data.source {name!r} matches no file in {root}; check the pattern")
    return [(str(file if root != folder else file.relative_to(folder)), file) for file in found]


def _read(path: Path, shown: str, *, most: int | None = None) -> bytes:
    """The bytes of a file, or the first `most` and one more."""
    try:
        if path.is_dir():
            raise SourceError(f"data.source {shown!r} is a folder; name a CSV or Parquet file in it")
    except OSError as error:
        raise SourceError(
            f"data.source {shortened(shown, LONGEST_SHOWN)!r} cannot be read: {error.strerror}; check the "
            "path"
        ) from None
    if not os.path.lexists(path):
        raise SourceError(f"data.source {shown!r} does not exist in {path.parent}{_nearest(path)}")
    _require_table_suffix(path, shown)
    with _told_unreadable(shown):
        if path.stat().st_size > memory():
            raise SourceError(
                f"data.source {shown!r} has {path.stat().st_size / 1e9:.1f} GB, and this machine has "
                f"{memory() / 1e9:.1f} GB of memory; take fewer rows or columns"
            )
        return read_file_or_pipe(path, most or memory())


@contextmanager
def _told_unreadable(shown: str) -> Iterator[None]:
    """Raise errors of the system as a SourceError."""
    try:
        yield
    except NotARegularFile as error:
        raise SourceError(f"data.source {shown!r} {error.strerror}; save the table as a file") from None
    except OSError as error:
        raise SourceError(
            f"data.source {shown!r} cannot be read: {error.strerror}; check its rights"
        ) from None


def _require_table_suffix(path: Path, shown: str) -> None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED_SUFFIXES:
        return
    if not suffixes or suffixes[-1] not in TABLE_SUFFIXES:
        told = f"ends in {path.suffix!r}" if path.suffix else "has a name without .csv or .parquet"
        raise SourceError(f"data.source {shown!r} {told}; {_SUFFIX_ADVICE}")


def require_memory(shown: str, needed: float) -> None:
    """Raise SourceError if `needed` bytes are more than a source may take."""
    if needed > memory() * _MEMORY_SHARE:
        raise SourceError(
            f"data.source {shown!r} unpacks to {needed / 1e9:.1f} GB or more, and this machine has "
            f"{memory() / 1e9:.1f} GB of memory; take fewer rows or columns"
        )


def _unpacked(content: bytes, shown: str) -> bytes:
    """The bytes of the one table in a gzip or zip file; other bytes as they are."""
    if content.startswith(_GZIP_MARK):
        return _bounded(lambda: gzip.GzipFile(fileobj=io.BytesIO(content)), shown)
    if content.startswith(_ZIP_MARKS):
        return _unzipped(content, shown)
    return content


def _unzipped(content: bytes, shown: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [entry for entry in archive.namelist() if _is_table(entry)]
            if len(names) != 1:
                told = f"holds {', '.join(names[:5])}" if names else "holds no CSV or Parquet file"
                raise SourceError(
                    f"data.source {shown!r} {told}; pack one table into it, or name the files themselves"
                )
            return _bounded(lambda: archive.open(names[0]), shown)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, UnicodeError) as error:
        raise SourceError(f"data.source {shown!r} cannot be unpacked: {error}; pack it again") from None


def _is_table(entry: str) -> bool:
    """Whether a name in a zip file is that of a table; macOS adds a hidden file for each."""
    return entry.lower().endswith(TABLE_SUFFIXES) and not Path(entry).name.startswith(".")


def _bounded(opened: Callable[[], IO[bytes] | gzip.GzipFile], shown: str) -> bytes:
    """All bytes of a packed file, read in pieces, so that a small file cannot fill the memory."""
    pieces: list[bytes] = []
    size = 0
    try:
        with opened() as file:
            while piece := file.read(_CHUNK):
                pieces.append(piece)
                size += len(piece)
                require_memory(shown, size)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise SourceError(f"data.source {shown!r} cannot be unpacked: {error}; pack it again") from None
    return b"".join(pieces)


def _kind(content: bytes, path: Path) -> FileKind:
    """What the bytes are. A name that ends in .parquet or .arrow is believed."""
    suffixes = {suffix.lower() for suffix in path.suffixes}
    if content.startswith(_PARQUET_MARK) or suffixes & _PARQUET_SUFFIXES:
        return "parquet"
    if content.startswith(b"ARROW1") or suffixes & {".arrow", ".feather", ".ipc"}:
        return "arrow"
    return "csv"


def _nearest(path: Path) -> str:
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    return did_you_mean(path.name, beside) or "; check the path, which is relative to the study file"
