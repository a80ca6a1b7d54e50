"""Splits a text table into cells with the csv module: slow, and exact about the line of each row.

It runs if pyarrow cannot read a table, to name the line that is wrong, and for tables in which a row is not
one line.
"""

import csv
import io
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.data.reading.csv_form import CsvForm, not_csv
from trainer.errors import SourceError


def split_rows(form: CsvForm, wanted: list[int]) -> tuple[list[list[str]], npt.NDArray[np.int64]]:
    """The cells of the `wanted` columns, column by column, and the line of each row (1-based).

    Raises SourceError for the first row that is not CSV or has another number of cells than the header.
    """
    reader: Any = csv.reader(
        io.StringIO(form.text[form.start :].decode(), newline=""), delimiter=form.separator, strict=True
    )
    columns: list[list[str]] = [[] for _ in wanted]
    lines: list[int] = []
    before = form.first_line - 1
    start = 1
    try:
        for row in reader:
            if row:
                _require_width(form, row, before + start)
                for column, position in zip(columns, wanted, strict=True):
                    column.append(row[position])
                lines.append(before + start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise not_csv(form.shown, before + reader.line_num, error) from None
    return columns, np.array(lines, dtype=np.int64)


def _require_width(form: CsvForm, row: list[str], line: int) -> None:
    if len(row) != len(form.names):
        raise SourceError(
            f"{form.shown}, line {line}: {len(row)} cells where the header has {len(form.names)}; quote "
            "numbers "
            "that hold a comma, complete or remove the row"
        )
