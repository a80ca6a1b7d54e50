"""Stores a data frame (pandas, polars or Arrow) as a Parquet file, for use as the table of a study."""

import io
import warnings
from collections import Counter
from collections.abc import Sequence
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

    table = _eager_frame(frame, time)
    if len(table) == 0:
        raise RequestError("data holds no rows; it needs a row for each time")
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


def _eager_frame(frame: Any, time: str) -> "nw.DataFrame[Any]":
    """A frame of any kind with a column of times, as narwhals has it. Raises RequestError if it is none."""
    if nw.dependencies.is_pandas_dataframe(frame):
        frame = _with_time_column(frame, time)
    try:
        table = nw.from_native(frame, pass_through=True)
    except nw.exceptions.DuplicateError:
        names = [name for name, count in Counter(_names(frame)).items() if count > 1]
        raise RequestError(
            f"data has several columns named {' and '.join(map(repr, names))}; rename or remove them"
        ) from None
    if isinstance(table, nw.LazyFrame):
        try:
            table = table.collect()
        except Exception as error:  # whatever its query raises
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise RequestError(f"data is a LazyFrame that cannot be collected: {reason}") from None
    if not isinstance(table, nw.DataFrame):
        raise RequestError(
            f"data is of type {type(frame).__name__}; give a pandas or polars DataFrame, or an Arrow table"
        )
    return table


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


def _names(frame: Any) -> Sequence[str]:
    """The names of the columns of a pandas frame or an Arrow table."""
    return getattr(frame, "column_names", None) or list(frame.columns)


def _with_time_column(frame: Any, time: str) -> Any:
    """A pandas frame with column names as text, and its index as the column of times if it lacks one."""
    if frame.columns.nlevels > 1:
        raise RequestError(
            f"data has column names of {frame.columns.nlevels} levels, such as {frame.columns[0]!r}; give it "
            "one name for each column: frame.columns = frame.columns.get_level_values(0)"
        )
    frame = frame.rename(columns=str)
    if time in frame.columns:
        return frame.reset_index(drop=True)
    if frame.index.nlevels > 1:
        return frame.rename_axis(index=_level_names(frame.index, time)).reset_index()
    return _with_index_as_times(frame, time)


def _level_names(index: Any, time: str) -> list[Any]:
    """The names of the levels; the only level of times has the name `time` if no level has it."""
    import pandas as pd

    names = list(index.names)
    of_times = [n for n, level in enumerate(index.levels) if isinstance(level, pd.DatetimeIndex)]
    if time not in names and len(of_times) == 1:
        names[of_times[0]] = time
    return names


def _with_index_as_times(frame: Any, time: str) -> Any:
    """The index as a column, unless it only counts rows. A period is the time that it starts at."""
    import pandas as pd

    index = frame.index
    if isinstance(index, pd.PeriodIndex):
        frame = frame.set_axis(index.to_timestamp())
    elif pd.api.types.is_numeric_dtype(index.dtype) and index.name != time:
        return frame.reset_index(drop=True)
    return frame.rename_axis(index=time).reset_index()
