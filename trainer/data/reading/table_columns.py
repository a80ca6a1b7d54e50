"""Reads the names of a table's columns, without its rows."""

from collections.abc import Sequence
from pathlib import Path

from trainer.config import CsvConfig
from trainer.data.reading.arrow_columns import read_arrow_columns
from trainer.data.reading.content import open_source
from trainer.data.reading.csv_form import find_form


def table_columns(
    source: str | Sequence[str], csv: CsvConfig, needed: Sequence[str], folder: Path
) -> tuple[str, ...]:
    """The columns of the first file of a source, in order; `needed` are some that it must have.

    A relative path is relative to `folder`. Raises SourceError if the file is missing, empty or no table.
    """
    file = next(open_source(source, folder))
    if file.kind == "csv":
        return find_form(file.shown, file.content, csv, needed).names
    return read_arrow_columns(file, ()).names
