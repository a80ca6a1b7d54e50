"""Joins the files of a source into times and numbers, a row for each row that `data.where` keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from trainer.config import CsvConfig, DataConfig
from trainer.data.reading.arrow_columns import read_arrow_columns
from trainer.data.reading.clock import in_zone
from trainer.data.reading.columns import Columns
from trainer.data.reading.content import SourceFile, did_you_mean, open_source, source_digest
from trainer.data.reading.csv_columns import read_csv_columns
from trainer.data.reading.integer_times import UnreadableTime
from trainer.data.reading.numbers import read_numbers
from trainer.data.reading.time_texts import Times, read_times
from trainer.errors import ColumnError, SourceError

MOST_TOLD = 10
"""Columns that one message names; more wrong columns usually have one common cause."""
_LONGEST_CELL = 60
_MOST_NAMES = 30


@dataclass(frozen=True)
class SourceRows:
    """The rows of a source in the order of its files, or of their times if `data.sort` asks for it.

    `times` (T,) are naive: in UTC if `offsets` (T,), the seconds from UTC to the source's clock, are there;
    else what that clock shows. `positions` (T,) are lines or rows of the file `files[file_numbers[t]]`.
    """

    times: pd.DatetimeIndex
    offsets: npt.NDArray[np.int64] | None
    numbers: Mapping[str, npt.NDArray[np.float64]]
    positions: npt.NDArray[np.int64]
    counted_in: Literal["line", "row"]
    files: tuple[str, ...]
    file_numbers: npt.NDArray[np.int64]
    rows_read: int
    sha256: str
    names: tuple[str, ...]
    detected: Mapping[str, Any] = field(default_factory=dict)

    def take(self, rows: npt.NDArray[Any]) -> "SourceRows":
        """The chosen rows, by position or by a mask."""
        return replace(
            self,
            times=self.times[rows],
            offsets=None if self.offsets is None else self.offsets[rows],
            numbers={name: values[rows] for name, values in self.numbers.items()},
            positions=self.positions[rows],
            file_numbers=self.file_numbers[rows],
        )


def read_source(config: DataConfig, numbers: Sequence[str], folder: Path) -> SourceRows:
    """Read the times and the columns `numbers` of `config.source`; a relative path is relative to `folder`.

    Raises SourceError if a file is missing, empty or no table, and ColumnError, which lists the problems of
    all columns, if columns are missing or hold cells that are not times or numbers.
    """
    parts: list[SourceRows] = []
    for file in open_source(config.source, folder):
        parts.append(_file_rows(config, file, numbers))
    return _sorted(config, _joined(parts))


def _file_rows(config: DataConfig, file: SourceFile, numbers: Sequence[str]) -> SourceRows:
    texts = {*config.time_columns, *config.where}
    needed = tuple(dict.fromkeys([*config.time_columns, *config.where, *numbers]))
    columns = (
        read_csv_columns(file, config.csv, needed, texts)
        if file.kind == "csv"
        else read_arrow_columns(file, needed)
    )
    missing = [name for name in needed if name not in columns.cells]
    problems = [_unusable(name, columns.names) for name in missing[:MOST_TOLD]]
    if len(missing) > MOST_TOLD:
        problems.append(f"{len(missing) - MOST_TOLD} more columns are missing or occur twice")
    rows_read = len(columns.positions)
    if not set(config.where) & set(missing):
        columns = _where(config, columns)
    times = None if set(config.time_columns) & set(missing) else _times(config, columns)
    if isinstance(times, UnreadableTime):
        problems.append(_bad_time(config, columns, times))
    read = read_numbers(
        {name: columns.cells[name] for name in numbers if name in columns.cells}, config.csv, file.shown
    )
    for name, rows in read.texts.items():
        problems.append(_bad_number(columns, name, rows))
    if problems or times is None or isinstance(times, UnreadableTime):
        raise ColumnError("; ".join(problems[: MOST_TOLD + 1]))
    return SourceRows(
        times=times.times,
        offsets=times.offsets,
        numbers=read.values,
        positions=columns.positions,
        counted_in=columns.counted_in,
        files=(file.shown,),
        file_numbers=np.zeros(len(times.times), np.int64),
        rows_read=rows_read,
        sha256=file.sha256,
        names=columns.names,
        detected={**columns.detected, **read.detected, **_time_form(config, times)},
    )


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
    cells = {name: column.filter(pa.array(mask)) for name, column in columns.cells.items()}
    return replace(columns, cells=cells, positions=columns.positions[mask])


def _equal(column: pa.Array, wanted: str | float | bool) -> npt.NDArray[np.bool_]:
    """Whether each cell is the wanted value, as text or as a number."""
    texts = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
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
    naive = pd.DatetimeIndex(pc.cast(column, pa.timestamp("us")).to_numpy(zero_copy_only=False))
    years = naive.year
    if ((years < 1678) | (years > 2261)).any():
        row = int(np.argmax((years < 1678) | (years > 2261)))
        return UnreadableTime(row, "lies outside the years 1678 to 2261")
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
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, " ")


def _bad_time(config: DataConfig, columns: Columns, bad: UnreadableTime) -> str:
    cells = [str(columns.cells[name][bad.row].as_py() or "") for name in config.time_columns]
    return (
        f"{columns.shown}, {columns.counted_in} {columns.positions[bad.row]}: time "
        f"{_cut(' '.join(cells))!r} in "
        f"{' and '.join(config.time_columns)} {bad.reason}"
    )


def _bad_number(columns: Columns, name: str, rows: npt.NDArray[np.int64]) -> str:
    more = f" ({len(rows)} such cells)" if len(rows) > 1 else ""
    cell = columns.cells[name][int(rows[0])].as_py()
    return (
        f"{columns.shown}, {columns.counted_in} {columns.positions[rows[0]]}: column {name} holds "
        f"{_cut(str(cell))!r}, which is not a number{more}; write it as 1234.5"
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def _unusable(name: str, names: Sequence[str]) -> str:
    """Why a column cannot be used whose name is not exactly once in the header."""
    if name in names:
        return f"column {name!r} occurs {list(names).count(name)} times in the header; rename all but one"
    known = [_cut(each) for each in names[:_MOST_NAMES]]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"column {name!r} is missing{did_you_mean(name, names) or f'; there are {known}{more}'}"


def _joined(parts: Sequence[SourceRows]) -> SourceRows:
    """The rows of all files, one file behind the other."""
    if len(parts) == 1:
        return parts[0]
    if len({part.offsets is None for part in parts}) > 1:
        naive = next(part for part in parts if part.offsets is None)
        raise SourceError(
            f"the times of {naive.files[0]} have no offset from UTC, and those of other files have; set "
            "data.timezone"
        )
    return replace(
        parts[0],
        times=pd.DatetimeIndex(np.concatenate([part.times.to_numpy() for part in parts])),
        offsets=None
        if parts[0].offsets is None
        else np.concatenate([part.offsets for part in parts if part.offsets is not None]),
        numbers={name: np.concatenate([part.numbers[name] for part in parts]) for name in parts[0].numbers},
        positions=np.concatenate([part.positions for part in parts]),
        files=tuple(part.files[0] for part in parts),
        file_numbers=np.repeat(np.arange(len(parts)), [len(part.times) for part in parts]),
        rows_read=sum(part.rows_read for part in parts),
        sha256=source_digest([part.sha256 for part in parts]),
        detected={key: value for part in reversed(parts) for key, value in part.detected.items()},
    )


def _sorted(config: DataConfig, rows: SourceRows) -> SourceRows:
    if not config.sort or rows.times.is_monotonic_increasing:
        return rows
    return rows.take(np.argsort(rows.times.asi8, kind="stable"))
