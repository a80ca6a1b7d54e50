"""Reads the table of a study: CSV, Parquet, or one of the real daily series that the `arch` package ships.

Cells that are not times or numbers raise an error, which lists the problems of all columns. Cells that can be
read but are wrong (NaN, infinities, unsorted or repeated times) are kept: the audit reports them.

The modules of this package import pandas inside functions: a worker that maps prepared data never needs it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from trainer.config import DataConfig, DerivedColumn
from trainer.data.arrays import Rows
from trainer.data.panel import ONE_SERIES, name_of_row, series_spans

if TYPE_CHECKING:
    import pandas as pd

    from trainer.data.reading.content import SourceFile
    from trainer.data.reading.source_rows import SourceRows


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
    series_names: tuple[str, ...] = ()
    """The names of the series, ascending; empty for one series without a name."""
    files: tuple[str, ...] = ()
    """The names of the files, if there are several."""
    file_numbers: npt.NDArray[np.int64] | None = None
    """For each row the position of its file in `files`."""
    empty_rows: int = 0
    """How many rows without numbers were left out."""
    empty_tail: tuple[str, ...] = ()
    """Those of them that are newer than the last row: `prices.csv, line 402 at 2024-12-11 00:00:00`."""
    detected: Mapping[str, Any] = field(default_factory=dict)
    """How the source is written, as far as `data.csv` does not say it: by key of `data.csv`."""
    symbols: tuple[str, tuple[str, ...]] | None = None
    """The text column that tells rows of one time apart, and its values; None if no time repeats."""

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
            file_numbers=None if self.file_numbers is None else self.file_numbers[rows],
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

    def series_of(self, row: int) -> str:
        """The name of the series of a row (0-based); empty if it has none."""
        return name_of_row(self.series_names, self.series_starts, row)

    def place(self, row: int) -> str:
        """The location of a row (0-based) in the source, for messages: `prices.csv, line 17, series GOOG`."""
        several = self.file_numbers is not None and len(self.files) > 1
        file = (
            self.files[int(self.file_numbers[row])]
            if several and self.file_numbers is not None
            else self.source
        )
        series = f", series {self.series_of(row)}" if self.series_names else ""
        return f"{file}, {self.counted_in} {self.positions[row]}{series}"


def read_table(config: DataConfig, *, folder: Path, first: "SourceFile | None" = None) -> Table:
    """Read `config.source`; a relative path is relative to `folder`. `first` is its first file, if it is open
    already.

    Raises `SourceError` if the source is missing, empty or not a table, and `ColumnError` if columns are
    missing or hold cells that are not times or numbers; the message names the line of the file.
    """
    import pandas as pd

    from trainer.data.reading.source_columns import read_source

    numbers = number_columns(config)
    rows = read_source(config, numbers, folder, first)
    whole, empty_rows = rows, np.empty(0, np.int64)
    if config.drop_empty or any(name.startswith("sample:") for name in config.sources):
        # The samples have rows without numbers for holidays; they are not observations.
        is_empty = np.all([np.isnan(rows.numbers[name]) for name in numbers], axis=0)
        rows, empty_rows = whole.take(~is_empty), np.flatnonzero(is_empty)
    offsets = rows.offsets if rows.offsets is not None and rows.offsets.any() else None
    table = Table(
        frame=pd.DataFrame(dict(rows.numbers), index=rows.times, copy=False),
        source=config.shown_source,
        sha256=rows.sha256,
        rows=rows.rows_read,
        positions=rows.positions,
        counted_in=rows.counted_in,
        offsets=offsets,
        files=rows.files,
        file_numbers=rows.file_numbers,
        empty_rows=len(empty_rows),
        detected=rows.detected,
        series_starts=ONE_SERIES.copy()
        if rows.series is None
        else np.searchsorted(rows.series, np.arange(len(rows.series_names))),
        series_names=rows.series_names,
        symbols=_symbols(config, rows, folder, first),
    )
    return replace(table, empty_tail=_empty_tail(table, whole.take(empty_rows)))


def _empty_tail(table: Table, empty: "SourceRows") -> tuple[str, ...]:
    """The place and the time of each row without numbers that is newer than the last row of the table."""
    from trainer.data.times import format_time

    newer = empty.take(empty.times > table.times.max()) if len(table.times) else empty
    offsets = [None] * len(newer.times) if table.offsets is None or newer.offsets is None else newer.offsets
    return tuple(
        f"{newer.files[file]}, {newer.counted_in} {position} at "
        f"{format_time(time, None if offset is None else int(offset))}"
        for file, position, time, offset in zip(
            newer.file_numbers, newer.positions, newer.times, offsets, strict=True
        )
    )


def _symbols(
    config: DataConfig, rows: "SourceRows", folder: Path, first: "SourceFile | None"
) -> tuple[str, tuple[str, ...]] | None:
    from trainer.data.reading.panel_column import find_panel_column

    if len(rows.files) > 1 or rows.series is not None or rows.times.is_unique:
        return None
    return find_panel_column(config, folder, rows.times, rows.positions, first)


def source_sha256(config: DataConfig, *, folder: Path) -> str:
    """`Table.sha256` of what `read_table` would read, without parsing it. Raises `SourceError`."""
    from trainer.data.reading.content import digest_of_source

    return digest_of_source(config.source, folder)


def columns_of(series: DerivedColumn) -> tuple[str, ...]:
    """Names of the table's columns that a feature or target reads directly."""
    return series.columns


def input_columns(config: DataConfig) -> tuple[str, ...]:
    """Each column of numbers that the features and the target read, in order and without repetition."""
    numeric = [series for series in (*config.features, config.target) if not series.is_indicator]
    named = [name for series in numeric for name in columns_of(series)]
    return tuple(dict.fromkeys(named))


def number_columns(config: DataConfig) -> tuple[str, ...]:
    """Each column that is read as numbers: `input_columns`, and then that of the weights."""
    weights = () if config.weight_column is None else (config.weight_column,)
    return tuple(dict.fromkeys([*input_columns(config), *weights]))
