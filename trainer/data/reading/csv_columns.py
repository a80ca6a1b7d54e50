"""Reads the needed columns of a text table with pyarrow."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from trainer.config import CsvConfig
from trainer.data.reading.column_names import find_column
from trainer.data.reading.columns import Columns
from trainer.data.reading.content import SourceFile
from trainer.data.reading.csv_form import CsvForm, find_form
from trainer.data.reading.exact_csv import split_rows
from trainer.data.reading.numbers import EMPTY, marks_are_stated_or_seen
from trainer.errors import SourceError

_EMPTY_SPELLINGS = sorted(
    {spelling(cell) for cell in EMPTY for spelling in (str, str.upper, str.capitalize)} | {"NaN"}
)
_BLOCK = 1 << 22


def read_csv_columns(
    file: SourceFile, config: CsvConfig, needed: Sequence[str], texts: Collection[str]
) -> Columns:
    """The needed columns that the file has: those in `texts` as text, others as numbers, or as text if
    pyarrow cannot read them all as numbers.

    Raises SourceError for a file that is no CSV table.
    """
    form = find_form(file.shown, file.content, config, needed, texts)
    found = {name: find_column(name, form.names) for name in needed}
    wanted = {name: position for name, position in found.items() if position is not None}
    doubtful = form.separator == ";" and config.decimal is None and config.thousands is None
    if marks_are_stated_or_seen(config, form.sample, points_are_doubtful=doubtful):
        texts = needed
    cells, lines = _arrow_cells(form, wanted, texts)
    return Columns(form.shown, form.names, cells, lines, "line", form.detected, form.sample, doubtful)


def _arrow_cells(
    form: CsvForm, wanted: dict[str, int], texts: Collection[str]
) -> tuple[dict[str, pa.Array], npt.NDArray[np.int64]]:
    numbers = {name for name in wanted if name not in texts}
    quotes = form.text.count(b'"', form.start)
    # pyarrow takes a quote that is never closed for one that the end of the file closes.
    for as_numbers in (numbers, set()) if quotes % 2 == 0 else ():
        table = _parsed(form, wanted, as_numbers, may_hold_line_ends=quotes > 0)
        if table is not None:
            lines = _lines(form, table.num_rows)
            if lines is None:
                break
            return {name: _whole(table.column(str(position))) for name, position in wanted.items()}, lines
    columns, lines = split_rows(form, list(wanted.values()))
    if not len(lines):
        raise SourceError(f"{form.shown} holds no rows below its header; it needs some")
    return {name: pa.array(column, pa.string()) for name, column in zip(wanted, columns, strict=True)}, lines


def _parsed(
    form: CsvForm, wanted: dict[str, int], numbers: Collection[str], *, may_hold_line_ends: bool
) -> pa.Table | None:
    """The wanted columns, each named by its position; None if pyarrow cannot read them."""
    data = pa.py_buffer(form.text).slice(form.start)
    types: dict[str, Any] = {
        str(position): pa.float64() if name in numbers else pa.string() for name, position in wanted.items()
    }
    try:
        return pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(
                column_names=[str(position) for position in range(len(form.names))], block_size=_BLOCK
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=form.separator, newlines_in_values=may_hold_line_ends
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=_EMPTY_SPELLINGS
            ),
        )
    except pa.ArrowException:
        return None


def _lines(form: CsvForm, rows: int) -> npt.NDArray[np.int64] | None:
    """The line of each row; None if some row is not one line: lines are blank, or cells hold line ends."""
    data = memoryview(form.text)[form.start :]
    end = len(data)
    while end and data[end - 1] in b"\r\n":
        end -= 1
    text = form.text
    ends = text.count(b"\n", form.start, form.start + end)
    if not ends:
        ends = text.count(b"\r", form.start, form.start + end)
    return np.arange(form.first_line, form.first_line + rows, dtype=np.int64) if ends + 1 == rows else None


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
