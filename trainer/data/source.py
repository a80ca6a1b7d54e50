"""Reads the table of a study: CSV, Parquet, or one of the real daily series that the `arch` package ships.

Cells that are not times or numbers raise an error, which lists the problems of all columns. Cells that can be
read but are wrong (NaN, infinities, unsorted or repeated times) are kept: the audit reports them.

The modules of this package import pandas inside functions: a worker that maps prepared data never needs it.
"""

import csv
import difflib
import gzip
import hashlib
import importlib
import importlib.util
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from trainer.bounded_reading import NotARegularFile, read_file_or_pipe
from trainer.config import DataConfig, DerivedColumn
from trainer.data.arrays import Rows
from trainer.data.panel import ONE_SERIES, series_spans
from trainer.errors import ColumnError, SourceError

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = ("sp500", "nasdaq", "wti")
_EMPTY = frozenset({"", "nan", "na", "n/a", "#n/a", "null", "none", "."})
"""Spellings of a missing number, in lower case; files of the Federal Reserve use the point."""

_MOST_NAMED = 10
"""Most columns that one message names; more wrong columns usually have one common cause."""


@dataclass(frozen=True)
class Table:
    """The columns that a configuration uses, as read.

    `frame` holds float64 columns indexed by a DatetimeIndex (naive UTC). `positions` is, for each row, its
    line in the file (1-based, with the header) or its Parquet row (1-based). `sha256` is that of the file's
    bytes, `rows` the number of rows read. `offsets` are the seconds from UTC to the source's own clock at
    each row, None if the times are naive or in UTC.
    """

    frame: "pd.DataFrame"
    source: str
    sha256: str
    rows: int
    positions: npt.NDArray[np.int64]
    counted_in: Literal["line", "row"]
    offsets: npt.NDArray[np.int64] | None = None
    series_starts: Rows = field(default_factory=ONE_SERIES.copy)
    """The first row of each series, (S,); see `trainer.data.panel`. Times ascend within each series."""

    def heads(self, lengths: Sequence[int]) -> tuple["Table", Rows]:
        """The first rows of each series, as many as `lengths` (S,) says, and their rows in this table."""
        firsts = zip(self.series_starts.tolist(), lengths, strict=True)
        rows = np.concatenate([np.arange(start, start + length) for start, length in firsts])
        table = replace(
            self,
            frame=self.frame.iloc[rows],
            positions=self.positions[rows],
            offsets=None if self.offsets is None else self.offsets[rows],
            series_starts=np.cumsum([0, *lengths[:-1]]),
        )
        return table, rows

    @property
    def spans(self) -> list[slice]:
        """The rows of each series."""
        return series_spans(self.series_starts, len(self.frame))

    @property
    def times(self) -> "pd.DatetimeIndex":
        """Time of each row."""
        import pandas as pd

        return pd.DatetimeIndex(self.frame.index)

    def when(self, row: int) -> str:
        """The time of a row (0-based), on the clock of the source: `2023-06-01 00:00:00+09:00`."""
        from trainer.data.times import format_time

        return format_time(self.times[row], None if self.offsets is None else int(self.offsets[row]))

    def moment(self, row: int) -> datetime:
        """The time of a row (0-based) to the microsecond, in the time zone of the source, else in UTC."""
        zone = UTC if self.offsets is None else timezone(timedelta(seconds=int(self.offsets[row])))
        return self.times[row].to_pydatetime(warn=False).replace(tzinfo=UTC).astimezone(zone)

    def place(self, row: int) -> str:
        """The location of a row (0-based) in the source, for messages: `prices.csv, line 17`."""
        return f"{self.source}, {self.counted_in} {self.positions[row]}"


@dataclass(frozen=True)
class _Cells:
    """A table whose cells are not parsed yet: the header, and the cells of the needed columns."""

    header: list[str]
    columns: dict[str, Sequence[object]]
    positions: npt.NDArray[np.int64]
    counted_in: Literal["line", "row"]


def read_table(config: DataConfig, *, folder: Path) -> Table:
    """Read `config.source`; a relative path is relative to `folder`.

    Raises `SourceError` if the source is missing, empty or not a table, and `ColumnError` if columns are
    missing or hold cells that are not times or numbers; the message names the line of the file.
    """
    content = _content(config, folder)
    if config.source.startswith("sample:"):
        table = _understand(config, _csv_cells(config.source, content, needed_columns(config)), content)
        # These files have rows without numbers for holidays; they are not observations.
        held = table.frame.notna().any(axis=1).to_numpy()
        return replace(table, frame=table.frame[held], positions=table.positions[held])
    if Path(config.source).suffix.lower() in (".parquet", ".pq"):
        return _understand(config, _parquet_cells(config, content), content)
    return _understand(config, _csv_cells(config.source, content, needed_columns(config)), content)


def source_sha256(config: DataConfig, *, folder: Path) -> str:
    """`Table.sha256` of what `read_table` would read, without parsing it. Raises `SourceError`."""
    return hashlib.sha256(_content(config, folder)).hexdigest()


def columns_of(series: DerivedColumn) -> tuple[str, ...]:
    """Names of the columns of the table that a feature or target reads directly."""
    return tuple(name for name in (series.column, series.high, series.low) if name is not None)


def needed_columns(config: DataConfig) -> tuple[str, ...]:
    """The time column, then each column that the features and the target read, in order and without
    repetition.
    """
    named = [name for series in (*config.features, config.target) for name in columns_of(series)]
    return tuple(dict.fromkeys([config.time, *named]))


def _content(config: DataConfig, folder: Path) -> bytes:
    """The bytes of the source; for a sample, those of its CSV text."""
    if config.source.startswith("sample:"):
        return _sample(config.source)
    return _file(folder / config.source, config.source)


def _sample(source: str) -> bytes:
    """The CSV text of a sample, read from its file: importing all of `arch` takes longer than an epoch."""
    name = source.removeprefix("sample:")
    if name not in SAMPLES:
        raise SourceError(f"data.source {source!r} is not a sample; there are {', '.join(SAMPLES)}")
    spec = importlib.util.find_spec("arch")
    if spec is None:
        raise SourceError(f"{source} ships with the arch package, which is not here; run: pip install arch")
    for root in spec.submodule_search_locations or ():
        path = Path(root) / "data" / name / f"{name}.csv.gz"
        if path.is_file():
            return gzip.decompress(path.read_bytes())
    frame: pd.DataFrame = importlib.import_module(f"arch.data.{name}").load()
    return frame.to_csv().encode()


def _file(path: Path, shown: str) -> bytes:
    if path.is_dir():
        raise SourceError(f"data.source {shown!r} is a folder; name a CSV or Parquet file in it")
    if not os.path.lexists(path):
        raise SourceError(f"data.source {shown!r} does not exist in {path.parent}{_nearest(path)}")
    if path.suffix.lower() not in (".csv", ".parquet", ".pq"):
        raise SourceError(
            f"data.source {shown!r} ends in {path.suffix!r}; save the table as .csv or .parquet"
        )
    try:
        if path.stat().st_size > _memory():
            raise SourceError(
                f"data.source {shown!r} has {path.stat().st_size / 1e9:.1f} GB, and this machine has "
                f"{_memory() / 1e9:.1f} GB of memory; take fewer rows or columns"
            )
        content = read_file_or_pipe(path, _memory())
    except NotARegularFile as error:
        raise SourceError(f"data.source {shown!r} {error.strerror}; save the table as a file") from None
    except OSError as error:
        raise SourceError(
            f"data.source {shown!r} cannot be read: {error.strerror}; check its rights"
        ) from None
    if not content.strip():
        raise SourceError(f"data.source {shown!r} is empty; it needs a header and rows")
    return content


def _memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _nearest(path: Path) -> str:
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    return _hint(path.name, beside) or "; check the path, which is relative to the study file"


def _hint(name: str, known: Sequence[str]) -> str:
    by_fold = {entry.strip().casefold(): entry for entry in known}
    close = difflib.get_close_matches(name.strip().casefold(), by_fold, n=1)
    return f"; did you mean {by_fold[close[0]]!r}?" if close else ""


def _csv_cells(source: str, content: bytes, names: tuple[str, ...]) -> _Cells:
    """Split a CSV file into cells, with the csv module: unlike pandas, it gives the line of each row."""
    reader = csv.reader(io.StringIO(_text(source, content), newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = next(reader)
        start = reader.line_num + 1
        for row in reader:
            if row:
                rows.append(row)
                lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise SourceError(
            f"{source}, line {reader.line_num}: not CSV, {error}; save the table as CSV again"
        ) from None
    header = [name.strip() for name in header]
    _check_shape(source, header, rows, lines)
    columns: dict[str, Sequence[object]] = {
        name: [row[header.index(name)] for row in rows] for name in names if name in header
    }
    return _Cells(header, columns, np.array(lines, dtype=np.int64), "line")


def _text(source: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"{source}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; save the table as UTF-8 "
            "CSV"
        ) from None


def _check_shape(source: str, header: list[str], rows: list[list[str]], lines: list[int]) -> None:
    if len(header) == 1:
        separator = next((mark for mark in (";", "\t", "|") if mark in header[0]), None)
        if separator is not None:
            raise SourceError(
                f"{source}, line 1: only one column found, {header[0]!r}; it seems separated by "
                f"{separator!r}, save it with commas"
            )
    if not rows:
        raise SourceError(f"{source} holds no rows below its header; it needs some")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise SourceError(
                f"{source}, line {line}: {len(row)} cells where the header has {len(header)}; quote numbers "
                "that hold a comma, complete or remove the row"
            )


def _parquet_cells(config: DataConfig, content: bytes) -> _Cells:
    import pandas as pd

    try:
        frame = pd.read_parquet(io.BytesIO(content))
        if config.time not in frame.columns and config.time in frame.index.names:
            frame = frame.reset_index()
        header = [str(name) for name in frame.columns]
        frame.columns = pd.Index(header)
        columns: dict[str, Sequence[object]] = {
            name: frame[name].astype(object).where(frame[name].notna(), "").tolist()
            for name in needed_columns(config)
            if header.count(name) == 1
        }
    except ImportError:
        raise SourceError(
            f"{config.source}: Parquet needs pyarrow; install it: pip install pyarrow"
        ) from None
    except Exception as error:  # pyarrow raises many types for bytes or cells that are not Parquet
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(f"{config.source} is not a Parquet file ({reason}); save the table again") from None
    if frame.empty:
        raise SourceError(f"{config.source} holds no rows; it needs some")
    return _Cells(header, columns, np.arange(1, len(frame) + 1, dtype=np.int64), "row")


def _understand(config: DataConfig, cells: _Cells, content: bytes) -> Table:
    """Parse cells into times and numbers, or raise one ColumnError that lists all problems."""
    import pandas as pd

    from trainer.data.times import UnreadableTime, offsets_of, read_times

    place = f"{config.source}, {cells.counted_in}"
    names = needed_columns(config)
    unusable = [name for name in names if cells.header.count(name) != 1]
    problems = [_unusable(name, cells.header) for name in unusable[:_MOST_NAMED]]
    if len(unusable) > _MOST_NAMED:
        problems.append(f"{len(unusable) - _MOST_NAMED} more columns are missing or occur twice")
    times: pd.DatetimeIndex | None = None
    offsets: npt.NDArray[np.int64] | None = None
    numbers: dict[str, npt.NDArray[np.float64]] = {}
    for name in (name for name in names if cells.header.count(name) == 1):
        column = cells.columns[name]
        if name == config.time:
            written = [str(cell) for cell in column]
            read = read_times(written)
            if isinstance(read, UnreadableTime):
                cell = column[read.row]
                problems.append(
                    f"{place} {cells.positions[read.row]}: time {str(cell)!r} in {name} {read.reason}"
                )
            else:
                times, offsets = read, offsets_of(written)
            continue
        numbers[name], texts = _numbers(column)
        if texts:
            more = f" ({len(texts)} such cells)" if len(texts) > 1 else ""
            problems.append(
                f"{place} {cells.positions[texts[0]]}: column {name} holds {column[texts[0]]!r}, which is "
                f"not a number{more}; write it as 1234.5"
            )
    if times is None or problems:
        raise ColumnError("; ".join(problems[: _MOST_NAMED + 1]))
    frame = pd.DataFrame(numbers, index=times)
    sha256 = hashlib.sha256(content).hexdigest()
    return Table(frame, config.source, sha256, len(frame), cells.positions, cells.counted_in, offsets)


def _unusable(name: str, header: list[str]) -> str:
    """The problem of a column whose name is missing from the header or occurs several times."""
    if name not in header:
        return f"column {name!r} is missing{_hint(name, header) or f'; there are {header}'}"
    return f"column {name!r} occurs {header.count(name)} times in the header; rename all but one"


def _numbers(cells: Sequence[object]) -> tuple[npt.NDArray[np.float64], list[int]]:
    """The numbers of a column, NaN for empty cells, and the rows (0-based) that hold text."""
    values = np.full(len(cells), np.nan)
    texts: list[int] = []
    for row, cell in enumerate(cells):
        try:
            values[row] = _number(cell)
        except (ValueError, TypeError, OverflowError):
            texts.append(row)
    return values, texts


def _number(cell: object) -> float:
    if not isinstance(cell, str):
        return float(cell)  # type: ignore[arg-type]  # a Parquet cell of any type; the caller handles TypeError
    text = cell.strip()
    if text.lower() in _EMPTY:
        return np.nan
    if "_" in text:  # Python reads 1_000 as a number; in a table it is a typing error
        raise ValueError(text)
    return float(text)
