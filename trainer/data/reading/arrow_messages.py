"""How many bytes the messages of an Arrow stream unpack to, told before any of them is unpacked.

A packed buffer begins with its unpacked size, which pyarrow reserves at once; where the buffers lie is
said in the message's metadata, a FlatBuffers table. The layout of streams and
files: https://arrow.apache.org/docs/format/Columnar.html, with the fields whose numbers stand below.
"""

import struct
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.ipc

_MAGIC = b"ARROW1"
_HEADER, _DATA, _BUFFERS, _COMPRESSION = 2, 1, 2, 3
"""Fields: the header of a Message, the batch of a DictionaryBatch, two of a RecordBatch."""


def arrow_beginning(content: bytes) -> pa.Buffer:
    """The content from the first message on, which has the names of the columns."""
    return pa.py_buffer(content).slice(8 if content.startswith(_MAGIC) else 0)


def arrow_stream(content: bytes) -> pa.Buffer:
    """The stream of messages in an Arrow file, which lies between its magic bytes and its footer; or the
    content itself, if it is a stream.

    Raises ValueError for a file without an end.
    """
    if not content.startswith(_MAGIC):
        return pa.py_buffer(content)
    end = len(content) - len(_MAGIC) - 4
    if not content.endswith(_MAGIC) or end < 8:
        raise ValueError("its end is missing")
    (footer,) = struct.unpack_from("<i", content, end)
    if not 0 < footer <= end - 8:
        raise ValueError("its end is damaged")
    return pa.py_buffer(content).slice(8, end - footer - 8)


def unpacked_sizes(stream: pa.Buffer) -> Iterator[tuple[str, int]]:
    """The kind (`record batch`, `dictionary`) and the unpacked bytes of each message that holds packed cells.

    Raises ArrowException, ValueError or struct.error for bytes that are no such messages.
    """
    for message in pyarrow.ipc.MessageReader.open_stream(pa.BufferReader(stream)):
        if message.type in ("record batch", "dictionary"):
            yield message.type, _unpacked_size(message)


def _unpacked_size(message: pa.ipc.Message) -> int:
    metadata, body = memoryview(message.metadata), memoryview(message.body)
    batch = _linked(metadata, _field(metadata, _linked(metadata, 0), _HEADER))
    if message.type == "dictionary":
        batch = _linked(metadata, _field(metadata, batch, _DATA))
    if not _field(metadata, batch, _COMPRESSION):
        return 0  # its buffers are used where they lie
    buffers = _linked(metadata, _field(metadata, batch, _BUFFERS))
    (count,) = struct.unpack_from("<I", metadata, buffers)
    placed = struct.iter_unpack("<qq", metadata[buffers + 4 : buffers + 4 + 16 * count])
    sizes = (struct.unpack_from("<q", body, start)[0] for start, length in placed if length)
    return sum(max(0, size) for size in sizes)  # -1: the buffer is not packed


def _linked(data: memoryview, position: int) -> int:
    """The position to which the offset at a position points."""
    return position + int(struct.unpack_from("<I", data, position)[0])


def _field(data: memoryview, table: int, number: int) -> int:
    """The position of a field of a table; 0 if the table lacks it."""
    fields = table - int(struct.unpack_from("<i", data, table)[0])
    (size,) = struct.unpack_from("<H", data, fields)
    entry = 4 + 2 * number
    offset = int(struct.unpack_from("<H", data, fields + entry)[0]) if entry < size else 0
    return table + offset if offset else 0
