"""Joins the files of a source into times and numbers, a row for each row that `data.where` keeps."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from trainer.config import CsvConfig, DataConfig
from trainer.data.arrays import Rows
from trainer.data.reading.clock import in_zone
from trainer.data.reading.columns import Columns
from trainer.data.reading.content import LONGEST_SHOWN, SourceFile, open_source
from trainer.data.reading.integer_times import OUT_OF_RANGE, UnreadableTime
from trainer.data.reading.numbers import read_numbers
from trainer.data.reading.series import (
    WideCells,
    in_order,
    joined,
    named_series,
    stacked,
    wide_cells,
    with_series_compared,
)
from trainer.data.reading.source_rows import SourceRows, rows_between
from trainer.data.reading.table_columns import column_names, read_columns
from trainer.data.reading.time_texts import Times, read_times
from trainer.errors import ColumnError, SourceError
from trainer.text import did_you_mean, shortened

MOST_TOLD = 10
"""Columns that one message names; more wrong columns usually have one common cause."""
_MOST_NAMES = 30
_NANOSECONDS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}


def read_source(
    config: DataConfig, numbers: Sequence[str], folder: Path, first: SourceFile | None = None
) -> SourceRows:
    """Read the times and the columns `numbers` of `config.source`; a relative path is relative to `folder`.
    `first` is its first file, if it is open already.

    The rows of a panel are grouped by series, in the order of the names of the series. Raises SourceError if
    a file is missing, empty or no table, and ColumnError, which lists the problems of all columns, if columns
    are missing or hold cells that are not times or numbers.
    """
    parts = [_file_rows(config, file, numbers) for file in open_source(config.source, folder, first)]
    rows = rows_between(config, joined(config, parts))
    return with_series_compared(config, in_order(config, rows))


def _file_rows(config: DataConfig, file: SourceFile, numbers: Sequence[str]) -> SourceRows:
    if config.layout == "wide":
        cells = wide_cells(config, file.shown, column_names(file, config.csv), numbers)
        return stacked(_wide_numbers(config, file, cells), cells)
    return _numbers_of_rows(config, file, numbers)


def _wide_numbers(config: DataConfig, file: SourceFile, cells: WideCells) -> SourceRows:
    try:
        return _numbers_of_rows(config, file, cells.columns)
    except ColumnError as error:
        if config.series is not None:
            raise
        raise ColumnError(
            f"{error}; in a wide table every column but that of times is a series: name the series in "
            "data.series if some are not"
        ) from None


def _numbers_of_rows(config: DataConfig, file: SourceFile, numbers: Sequence[str]) -> SourceRows:
    """The times and the columns `numbers` of one file."""
    naming = () if config.series_column is None else (config.series_column,)
    compared = [each.column for each in config.texts_compared if each.column is not None]
    text_columns = [*config.time_columns, *config.where, *naming, *compared]
    texts = set(text_columns)
    needed = tuple(dict.fromkeys([*text_columns, *numbers]))
    columns = read_columns(file, config.csv, needed, texts)
    missing = [name for name in needed if name not in columns.cells]
    problems = [_unusable(name, columns.names) for name in missing[:MOST_TOLD]]
    if len(missing) > MOST_TOLD:
        problems.append(f"{len(missing) - MOST_TOLD} more columns are missing or occur twice")
    rows_read = len(columns.positions)
    if not set(config.where) & set(missing):
        columns = _where(config, columns)
    if config.drop_empty:
        columns = _kept(columns, ~_empty_rows(columns))
    times = None if set(config.time_columns) & set(missing) else _times(config, columns)
    if isinstance(times, UnreadableTime):
        problems.append(_bad_time(config, columns, times))
    read = read_numbers(
        {name: columns.cells[name] for name in numbers if name in columns.cells},
        config.csv,
        file.shown,
        columns.sample,
        points_are_doubtful=columns.points_are_doubtful,
    )
    for name, rows in read.texts.items():
        problems.append(_bad_number(columns, name, rows))
    series: Rows | None = None
    series_names: tuple[str, ...] = ()
    if naming and naming[0] in columns.cells:
        series, series_names, unnamed = named_series(columns, naming[0])
        problems += unnamed
    if problems or times is None or isinstance(times, UnreadableTime):
        raise ColumnError("; ".join(problems[: MOST_TOLD + 1]))
    return SourceRows(
        times=times.times,
        offsets=times.offsets,
        numbers={**read.values, **_comparisons(config, columns)},
        positions=columns.positions,
        counted_in=columns.counted_in,
        files=(file.shown,),
        file_numbers=np.zeros(len(times.times), np.int64),
        rows_read=rows_read,
        sha256=file.sha256,
        names=columns.names,
        detected={**columns.detected, **read.detected, **_time_form(config, times)},
        series=series,
        series_names=series_names,
    )


def _comparisons(config: DataConfig, columns: Columns) -> dict[str, npt.NDArray[np.float64]]:
    """1 where the text of a column is the value that it is compared with, else 0, by feature."""
    return {
        feature.columns[0]: _equal(columns.cells[feature.column], str(feature.value)).astype(np.float64)
        for feature in config.texts_compared
        if feature.column is not None
    }


def _time_form(config: DataConfig, times: Times) -> dict[str, str]:
    return {} if config.csv.date_format is not None else {"date_format": times.form}


def _where(config: DataConfig, columns: Columns) -> Columns:
    """The rows whose cells are those of `data.where`. Raises SourceError if there are none."""
    if not config.where:
        return columns
    mask = np.ones(len(columns.positions), bool)
    for name, wanted in config.where.items():
        mask &= _equal(columns.cells[name], wanted)
    if not mask.any():
        name = next(iter(config.where))
        chosen = " and ".join(f"{key}: {value}" for key, value in config.where.items())
        held = pc.unique(columns.cells[name].drop_null()).to_pylist()
        told = ", ".join(map(str, held[:MOST_TOLD])) + (", …" if len(held) > MOST_TOLD else "")
        raise SourceError(f"{columns.shown} has no row with {chosen}; column {name} holds {told}")
    return _kept(columns, mask)


def _kept(columns: Columns, mask: npt.NDArray[np.bool_]) -> Columns:
    """The rows of which the mask is true."""
    if mask.all():
        return columns
    cells = {name: column.filter(pa.array(mask)) for name, column in columns.cells.items()}
    return replace(columns, cells=cells, positions=columns.positions[mask])


def _empty_rows(columns: Columns) -> npt.NDArray[np.bool_]:
    """Which rows hold nothing at all in the columns that are read."""
    empty = np.ones(len(columns.positions), bool)
    for column in columns.cells.values():
        if not empty.any():
            break
        no_cell = column.is_null()
        if pa.types.is_string(column.type):
            no_cell = pc.or_(no_cell, pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), True))
        empty &= no_cell.to_numpy(zero_copy_only=False)
    return empty


def _equal(column: pa.Array, wanted: str | float | bool) -> npt.NDArray[np.bool_]:
    """Whether each cell is the wanted value, as text or as a number."""
    texts = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    if isinstance(wanted, bool):
        mask = pc.equal(pc.utf8_lower(texts), str(wanted).lower())
    else:
        mask = pc.equal(texts, str(wanted))
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        number = pc.match_substring_regex(texts, r"^[+-]?\d+\.?\d*$")
        values = pc.cast(pc.if_else(number, texts, pa.scalar(None, pa.string())), pa.float64())
        mask = pc.or_(mask, pc.fill_null(pc.equal(values, float(wanted)), False))
    return np.asarray(pc.fill_null(mask, False).to_numpy(zero_copy_only=False), bool)


def _times(config: DataConfig, columns: Columns) -> Times | UnreadableTime:
    """The moments of the rows, in the zone of `data.timezone` if the texts have no offset."""
    read = column_times([columns.cells[name] for name in config.time_columns], config.csv)
    if isinstance(read, UnreadableTime) or config.timezone is None:
        return read
    if read.offsets is None:
        newest_first = len(read.times) > 1 and read.times[0] > read.times[-1]
        return in_zone(read, config.timezone, newest_first=newest_first)
    return _on_clock(read.times, config.timezone, read.form)


def column_times(cells: Sequence[pa.Array], csv: CsvConfig) -> Times | UnreadableTime:
    """The moments of a column of times, or of one of dates and one of times of day, as they are written."""
    read = _typed_times(cells[0]) if len(cells) == 1 else None
    return read_times(_joined_texts(cells), csv) if read is None else read


def _typed_times(column: pa.Array) -> Times | UnreadableTime | None:
    """The moments of a column of dates or timestamps; None if it holds texts or numbers."""
    kind = column.type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return None
    if column.null_count:
        return UnreadableTime(int(np.argmax(column.is_null().to_numpy(zero_copy_only=False))), "is empty")
    if pa.types.is_date(kind):
        column = pc.cast(pc.cast(column, pa.date32()), pa.timestamp("s"))
    far = np.abs(pc.cast(column, pa.int64()).to_numpy().astype(np.float64)) * _NANOSECONDS[column.type.unit]
    if (far > np.iinfo(np.int64).max).any():
        return UnreadableTime(int(np.argmax(far > np.iinfo(np.int64).max)), OUT_OF_RANGE)
    times = pd.DatetimeIndex(pc.cast(column, pa.timestamp("ns")).to_numpy(zero_copy_only=False))
    zone = getattr(kind, "tz", None)
    return Times(times, None, "timestamps") if zone is None else _on_clock(times, zone)


def _on_clock(moments: pd.DatetimeIndex, zone: str, form: str = "timestamps") -> Times:
    """Moments in UTC, with the offsets that the clock of a zone has at them."""
    clock = moments.tz_localize("UTC").tz_convert(zone).tz_localize(None)
    return Times(moments, (clock.asi8 - moments.asi8) // 1_000_000_000, form)


def _joined_texts(cells: Sequence[pa.Array]) -> pa.Array:
    """One text of each row: the date and the time of day, with a space between them."""
    texts = [pc.utf8_trim_whitespace(pc.cast(column, pa.string())) for column in cells]
    if len(texts) == 1:
        return texts[0]
    texts = [pc.replace_substring_regex(each, r"^(\d+)\.0*$", r"\1") for each in texts]
    texts[0] = pc.replace_substring_regex(texts[0], r"[ T]00:00(:00(\.0+)?)?$", "")
    if len(texts) == 2:
        texts[1] = _whole_clock(texts[1])
    return pc.binary_join_element_wise(*texts, " ", null_handling="replace")


def _whole_clock(texts: pa.Array) -> pa.Array:
    """Times of day in digits with the zeros that a program which took them for numbers has left out: 93000 is
    09:30:00, 930 is 09:30 and 9 is nine o'clock, by the longest of the column.
    """
    texts = pc.replace_substring_regex(texts, r"^[Tt](\d)", r"\1")
    if not bool(pc.all(pc.match_substring_regex(texts, r"^\d{1,6}$")).as_py()):
        return texts
    longest = int(pc.max(pc.utf8_length(texts)).as_py() or 0)
    if longest <= 2:
        return pc.binary_join_element_wise(pc.utf8_lpad(texts, 2, "0"), "00", "")
    return pc.utf8_lpad(texts, 4 if longest <= 4 else 6, "0")


def _bad_time(config: DataConfig, columns: Columns, bad: UnreadableTime) -> str:
    cells = [_shown_cell(columns.cells[name][bad.row]) for name in config.time_columns]
    place = f"{columns.shown}, {columns.counted_in} {columns.positions[bad.row]}"
    if not any(cells) and _empty_rows(columns)[bad.row]:
        return f"{place}: the row is empty; remove it, or set data.drop_empty: true"
    cell = shortened(" ".join(cells), LONGEST_SHOWN)
    return f"{place}: time {cell!r} in {' and '.join(config.time_columns)} {bad.reason}"


def _shown_cell(cell: pa.Scalar) -> str:
    try:
        return str(cell.as_py() or "")
    except (OverflowError, ValueError):  # a moment that Python has no date for
        return str(cell.value)


def _bad_number(columns: Columns, name: str, rows: npt.NDArray[np.int64]) -> str:
    more = f" ({len(rows)} such cells)" if len(rows) > 1 else ""
    cell = _shown_cell(columns.cells[name][int(rows[0])])
    return (
        f"{columns.shown}, {columns.counted_in} {columns.positions[rows[0]]}: column {name} holds "
        f"{shortened(cell, LONGEST_SHOWN)!r}, which is not a number{more}; write it as 1234.5"
    )


def _unusable(name: str, names: Sequence[str]) -> str:
    """Why a column cannot be used whose name is not exactly once in the header."""
    if name in names:
        return f"column {name!r} occurs {list(names).count(name)} times in the header; rename all but one"
    known = [shortened(each, LONGEST_SHOWN) for each in names[:_MOST_NAMES]]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"column {name!r} is missing{did_you_mean(name, names) or f'; there are {known}{more}'}"
