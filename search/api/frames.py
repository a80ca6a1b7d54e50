"""Stores a data frame (pandas, polars or Arrow) as a Parquet file, for use as the table of a study."""

import io
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import narwhals as nw

from search.errors import RequestError
from trainer.atomic_files import write_file


def parquet_bytes(frame: Any, time: str) -> bytes:
    """A frame as the bytes of a Parquet file, the same bytes for the same frame.

    `frame` is a pandas or polars DataFrame or an Arrow table, a row for each time. `time` is the column of
    times; a pandas frame without such a column uses its index. Time zones are kept. Raises RequestError for
    any other type, and for columns that Parquet cannot store.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = nw.from_native(frame, pass_through=True)
    except nw.exceptions.DuplicateError:
        raise RequestError(
            f"data has several columns named {_repeated(frame)}; rename or remove them"
        ) from None
    if isinstance(table, nw.LazyFrame):
        table = table.collect()
    if not isinstance(table, nw.DataFrame):
        raise RequestError(
            f"data is of type {type(frame).__name__}; give a pandas or polars DataFrame, or an Arrow table"
        )
    if table.implementation.is_pandas():
        table = nw.from_native(_with_time_column(table.to_native(), time), eager_only=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # from pyarrow, about time zones
            arrow = table.to_arrow().replace_schema_metadata(None).combine_chunks()
        file = io.BytesIO()
        pq.write_table(arrow, file, compression="zstd")
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise RequestError(
            f"data cannot be kept as Parquet: {reason}; remove or convert the column"
        ) from None
    return file.getvalue()


def keep_frame(content: bytes, path: Path) -> None:
    """Write the bytes of a frame, unless they lie there already; RequestError where that is not possible."""
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, content)
        except OSError as error:
            raise RequestError(
                f"data cannot be kept in {path.parent}: {error.strerror}; "
                "free some space, or name another folder: set={'storage.files': FOLDER}"
            ) from None


def _repeated(frame: Any) -> str:
    """The names that several columns of a pandas frame or an Arrow table have."""
    names = Counter(getattr(frame, "column_names", None) or frame.columns)
    return " and ".join(repr(name) for name, count in names.items() if count > 1)


def _with_time_column(frame: Any, time: str) -> Any:
    """A pandas frame with column names as text, and its index as the column of times if it lacks one."""
    frame = frame.rename(columns=str)
    if time in frame.columns:
        return frame.reset_index(drop=True)
    if frame.index.nlevels > 1:  # one of its levels may be the time
        return frame.reset_index()
    import pandas as pd

    if isinstance(frame.index, pd.DatetimeIndex) or frame.index.name == time:
        return frame.rename_axis(index=time).reset_index()
    return frame.reset_index(drop=True)
