"""Looks at a table of unknown form: which columns can be times, numbers or texts, and how they are written.

Nothing is decided here that the table leaves open: a date that may be day/month or month/day, and a comma
that may be a decimal or a thousands mark, are told as such.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from trainer.config import CsvConfig
from trainer.data.reading.column_roles import (
    CLOCK_NAMES,
    SERIES_NAMES,
    TIME_NAMES,
    is_bar_name,
    plain_name,
    time_rank,
)
from trainer.data.reading.columns import Columns
from trainer.data.reading.content import SourceFile
from trainer.data.reading.integer_times import UnreadableTime
from trainer.data.reading.numbers import read_numbers
from trainer.data.reading.panel_column import telling_column
from trainer.data.reading.source_columns import column_times
from trainer.data.reading.table_columns import column_names, read_columns
from trainer.data.reading.time_texts import Times
from trainer.errors import ColumnError, SourceError

_SAMPLED = 1000
"""Rows that tell what a column holds; the whole column is read once it is chosen."""
_MOST_WRONG = 0.1
"""Share of cells that may be no number in a column of numbers; the reading names them one by one."""
_MOST_COLUMNS = 2000
"""Columns that are looked at; a table of more is a matrix, whose columns have no roles."""
_MOST_REPEATED = 0.01
"""Share of rows that may repeat a time within one series of a long table, as an hour in autumn does."""
_DIGITS = r"\d\D*\d\D*\d\D*\d"
"""A date has four digits at least: 1/2/24."""
_YEARS = (1800, 2199)


@dataclass(frozen=True)
class TableContents:
    """The columns of one table. `times` are its columns of times, one or a date and a time of day each, the
    likeliest first; `numbers` and `texts` are the other columns by what they hold.
    """

    shown: str
    names: tuple[str, ...]
    cells: Mapping[str, pa.Array]
    times: tuple[tuple[str, ...], ...]
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    detected: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return len(next(iter(self.cells.values())))

    def moments(self, columns: Sequence[str], csv: CsvConfig) -> Times | UnreadableTime:
        """The times of all rows, or the first cell that is none."""
        return column_times([self.cells[name] for name in columns], csv)

    def with_commas(self) -> list[str]:
        """The columns of numbers with commas in them, which may be decimal or thousands marks."""
        texts = [name for name in self.numbers if pa.types.is_string(self.cells[name].type)]
        return [name for name in texts if pc.any(pc.match_substring(self.cells[name], ",")).as_py()]

    def matching(self, column: str, value: str) -> "TableContents":
        """The rows whose cell in a column is a value."""
        mask = pc.equal(_texts(self.cells[column]), value)
        cells = {name: cells.filter(mask) for name, cells in self.cells.items()}
        return TableContents(
            self.shown, self.names, cells, self.times, self.numbers, self.texts, self.detected
        )

    def codes(self, column: str) -> npt.NDArray[np.int64]:
        """The number of the value of each row of a column of texts, (T,)."""
        indices = _texts(self.cells[column]).dictionary_encode().indices
        return np.asarray(indices.to_numpy(zero_copy_only=False), np.int64)

    def values(self, column: str) -> list[str]:
        """The distinct values of a column as text, in the order in which they occur."""
        return [value for value in pc.unique(_texts(self.cells[column])).to_pylist() if value]


def inspect_table(file: SourceFile, csv: CsvConfig) -> TableContents:
    """What the columns of a file hold. Raises SourceError for a file that is no table."""
    columns = _all_columns(file, csv)
    sample = {name: _sampled(cells) for name, cells in columns.cells.items()}
    times = _time_columns(sample, csv)
    used = {name for each in times for name in each}
    numbers = tuple(name for name, cells in sample.items() if name not in used and _is_number(cells, csv))
    texts = tuple(
        name for name, cells in columns.cells.items() if name not in {*used, *numbers} and _is_text(cells)
    )
    return TableContents(columns.shown, columns.names, columns.cells, times, numbers, texts, columns.detected)


def reads_day_first(
    contents: TableContents, columns: Sequence[str], csv: CsvConfig
) -> tuple[Times, Times] | None:
    """The times read with the month first and with the day first, if both are possible and they differ."""
    if csv.day_first is not None or isinstance(contents.moments(columns, csv), Times):
        return None
    month, day = (
        contents.moments(columns, csv.model_copy(update={"day_first": first})) for first in (False, True)
    )
    return (month, day) if isinstance(month, Times) and isinstance(day, Times) else None


def _all_columns(file: SourceFile, csv: CsvConfig) -> Columns:
    """All columns whose names occur once, those of a text table as text."""
    names = _once(_header(file, csv))
    columns = read_columns(file, csv, names, set(names))
    if file.kind != "csv":
        return columns
    bare = {name: _bare(name, columns.names) for name in names}
    return Columns(
        columns.shown,
        tuple(bare.get(name, name) for name in columns.names),
        {bare[name]: cells for name, cells in columns.cells.items()},
        columns.positions,
        columns.counted_in,
        detected=columns.detected,
    )


def _header(file: SourceFile, csv: CsvConfig) -> tuple[str, ...]:
    """The names of the columns. If more than one character may separate them, it is the one that separates
    names of times and prices.
    """
    try:
        return column_names(file, csv)
    except SourceError:
        found: list[tuple[str, ...]] = []
        for mark in (",", ";", "\t", "|") if csv.separator is None else ():
            with suppress(SourceError):
                found.append(column_names(file, csv.model_copy(update={"separator": mark})))
        best = max(found, key=_known, default=())
        if _known(best) < 2:
            raise
        return best


def _known(names: Sequence[str]) -> int:
    """How many names are those of times or of a part of a bar."""
    return sum(is_bar_name(name) or time_rank(name) < len(TIME_NAMES) for name in names if name)


def _once(names: Sequence[str]) -> list[str]:
    return [name for name in names if list(names).count(name) == 1][:_MOST_COLUMNS]


def _bare(name: str, names: Sequence[str]) -> str:
    """A name without the brackets around it, by which a column is found as well."""
    inner = name[1:-1] if name.startswith("<") and name.endswith(">") else name
    return inner if inner and inner not in names else name


def _sampled(cells: pa.Array) -> pa.Array:
    """Up to `_SAMPLED` cells, evenly spread."""
    if len(cells) <= _SAMPLED:
        return cells
    return cells.take(pa.array(np.linspace(0, len(cells) - 1, _SAMPLED).astype(np.int64)))


def _time_columns(sample: Mapping[str, pa.Array], csv: CsvConfig) -> tuple[tuple[str, ...], ...]:
    """The columns that can be times, the likeliest first: by their name, else by what they hold."""
    ranked = sorted(sample, key=time_rank)
    named = {name for name in ranked if time_rank(name) < len(TIME_NAMES)}
    first = next(iter(sample), None)
    alone = [
        name
        for name in ranked
        if (name in named or name == first or not _is_number(sample[name], csv))
        and _holds_times([sample[name]], csv)
    ]
    pairs = [
        (date, clock)
        for date in ranked
        for clock in ranked
        if date != clock
        and plain_name(clock) in CLOCK_NAMES
        and clock not in alone
        and (date in named or date in alone)
        and _holds_times([sample[date], sample[clock]], csv)
        and len(pc.unique(_texts(sample[clock]))) > 1
    ]
    return (*pairs, *((name,) for name in alone))


def _holds_times(cells: Sequence[pa.Array], csv: CsvConfig) -> bool:
    """Whether cells are times of plausible years, also if it is open which number is the day."""
    if any(pa.types.is_floating(column.type) or pa.types.is_boolean(column.type) for column in cells):
        return False
    texts = [column for column in cells if pa.types.is_string(column.type)]
    if len(texts) == len(cells) and not any(_may_be_dates(column) for column in texts):
        return False
    for first in (csv.day_first, True, False):
        read = column_times(cells, csv.model_copy(update={"day_first": first}))
        if isinstance(read, Times):
            years = pd.DatetimeIndex(read.times).year
            return bool(((years >= _YEARS[0]) & (years <= _YEARS[1])).all())
    return False


def _may_be_dates(cells: pa.Array) -> bool:
    """Whether every cell has enough digits; it spares all other columns the search for a form."""
    return bool(pc.all(pc.fill_null(pc.match_substring_regex(cells, _DIGITS), False)).as_py())


def _is_number(cells: pa.Array, csv: CsvConfig) -> bool:
    """Whether nearly all filled cells are numbers; a column without any filled cell is none."""
    try:
        read = read_numbers({"": cells}, csv, "")
    except ColumnError:  # numbers that can be read in two ways
        return True
    filled = int(np.isfinite(read.values[""]).sum())
    wrong = len(read.texts.get("", ()))
    return filled > 0 and wrong <= _MOST_WRONG * (filled + wrong)


def _is_text(cells: pa.Array) -> bool:
    kind = cells.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind))


def _texts(cells: pa.Array) -> pa.Array:
    """Cells as texts without spaces around them; an empty cell is an empty text."""
    return pc.fill_null(pc.utf8_trim_whitespace(pc.cast(cells, pa.string())), "")


def series_column(contents: TableContents, times: pd.DatetimeIndex) -> str | None:
    """The column that says which series a row belongs to, if times repeat and do not within each series.

    A column with the name of one comes first, then any other that holds texts.
    """
    if times.is_unique:
        return None
    named = [name for name in contents.cells if plain_name(name) in SERIES_NAMES]
    cells = {name: _texts(contents.cells[name]) for name in (*named, *contents.texts)}
    return telling_column(cells, times, _MOST_REPEATED)
