"""Reads the needed columns of a Parquet or Arrow file with pyarrow."""

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet

from trainer.data.reading.arrow_messages import arrow_beginning, arrow_stream, unpacked_sizes
from trainer.data.reading.columns import Columns
from trainer.data.reading.content import FileKind, SourceFile, require_memory
from trainer.errors import SourceError

_KINDS: dict[FileKind, str] = {"parquet": "a Parquet file", "arrow": "an Arrow file"}
_CELL = 8
"""Bytes that a number takes in memory, whatever it takes in the file."""


def read_arrow_columns(file: SourceFile, needed: Sequence[str]) -> Columns:
    """The needed columns that the file has, text as strings, other types as they are.

    Raises SourceError for bytes that are no such file, and for a table that would not fit into memory.
    """
    with _told(file), file.opened() as opened:
        found = _parquet(file.shown, opened, needed) if file.kind == "parquet" else _arrow(file, needed)
        cells = {}
        for name in found.wanted:  # one by one, so that no more than one column is in memory twice
            cells[name] = _plain(file.shown, found.read(name))
            pa.default_memory_pool().release_unused()
    if not found.rows:
        raise SourceError(f"{file.shown} holds no rows; it needs some")
    return Columns(file.shown, found.names, cells, np.arange(1, found.rows + 1, dtype=np.int64), "row")


class _Found(NamedTuple):
    """The columns of a file: the names of all, those that are wanted, and how one of them is read."""

    names: tuple[str, ...]
    wanted: Sequence[str]
    rows: int
    read: Callable[[str], pa.ChunkedArray]


def arrow_names(file: SourceFile) -> tuple[str, ...]:
    """The names of all columns; of an Arrow file its beginning is enough. Raises SourceError."""
    with _told(file), file.opened() as opened:
        if file.kind == "parquet":
            return tuple(pyarrow.parquet.read_schema(opened).names)
        return tuple(pyarrow.ipc.open_stream(pa.BufferReader(arrow_beginning(file.content))).schema.names)


@contextmanager
def _told(file: SourceFile) -> Iterator[None]:
    """Raise errors of pyarrow as a SourceError."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError, struct.error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise SourceError(
            f"{file.shown} is not {_KINDS[file.kind]} ({reason}); save the table again"
        ) from None


def _require_flat(shown: str, schema: pa.Schema, wanted: Sequence[str]) -> None:
    """Raise SourceError for columns of lists, records and bytes, before any of their cells is read."""
    for name in wanted:
        kind = schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        is_flat = pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
        if not (is_flat or _is_text(kind)):
            raise SourceError(
                f"{shown}: column {name} holds {str(kind)[:60]}, and neither numbers, texts nor times; save "
                "its values as such"
            )


def _parquet(shown: str, opened: BinaryIO, needed: Sequence[str]) -> _Found:
    schema = pyarrow.parquet.read_schema(opened)
    names = tuple(schema.names)
    wanted = _once(needed, names)
    _require_flat(shown, schema, wanted)
    texts = [name for name in wanted if _is_text(schema.field(name).type)]
    whole = pyarrow.parquet.ParquetFile(opened, read_dictionary=texts)
    meta = whole.metadata
    require_memory(shown, _CELL * meta.num_rows * max(1, len(wanted)))
    groups = (meta.row_group(number) for number in range(meta.num_row_groups))
    require_memory(
        shown,
        sum(
            column.total_uncompressed_size
            for group in groups
            for column in (group.column(number) for number in range(group.num_columns))
            if column.path_in_schema in wanted
        ),
    )
    return _Found(names, wanted, meta.num_rows, lambda name: whole.read(columns=[name]).column(name))


def _arrow(file: SourceFile, needed: Sequence[str]) -> _Found:
    stream = arrow_stream(file.content)
    whole = pyarrow.ipc.open_stream(pa.BufferReader(stream)).schema
    names = tuple(whole.names)
    wanted = _once(needed, names)
    _require_flat(file.shown, whole, wanted)
    _require_memory_for_batches(file.shown, stream)
    options = pyarrow.ipc.IpcReadOptions(included_fields=[names.index(name) for name in wanted])
    batches, size = [], 0
    for batch in pyarrow.ipc.open_stream(pa.BufferReader(stream), options=options):
        batch.validate(full=True)  # pyarrow ends the process when it counts the bytes of damaged cells
        batches.append(batch.select(wanted))
        size += batches[-1].nbytes
        require_memory(file.shown, size)
    schema = pa.schema([whole.field(name) for name in wanted])
    table = pa.Table.from_batches(batches, schema=schema)
    return _Found(names, wanted, table.num_rows, table.column)


def _require_memory_for_batches(shown: str, stream: pa.Buffer) -> None:
    """Raise SourceError if a batch, or all dictionaries together, would unpack to too much."""
    dictionaries = 0
    for kind, size in unpacked_sizes(stream):
        dictionaries += size if kind == "dictionary" else 0
        require_memory(shown, max(size, dictionaries))


def _once(needed: Sequence[str], names: Sequence[str]) -> list[str]:
    """The needed columns that occur exactly once."""
    return [name for name in needed if list(names).count(name) == 1]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _plain(shown: str, column: pa.ChunkedArray) -> pa.Array:
    """One array of a column; texts, whether encoded by a dictionary or not, as plain strings."""
    # pyarrow reads bytes that are no UTF-8 as text.
    column.validate(full=True)
    kind = column.type
    if pa.types.is_dictionary(kind):
        require_memory(shown, _decoded_bytes(column))
        column = column.cast(kind.value_type)
    if _is_text(column.type):
        column = column.cast(pa.string())
    return column.combine_chunks()


def _decoded_bytes(column: pa.ChunkedArray) -> float:
    """Bytes of a dictionary-encoded column of texts once each cell has its own."""
    total = 0.0
    for chunk in column.chunks:
        if len(chunk.dictionary) and _is_text(chunk.dictionary.type):
            lengths = pc.binary_length(chunk.dictionary.cast(pa.large_string()))
            total += pc.sum(pc.cast(lengths.take(chunk.indices), pa.float64())).as_py() or 0.0
    return total if math.isfinite(total) else math.inf
