"""Reads columns, or their names alone, from a file of any kind."""

from collections.abc import Collection, Sequence
from pathlib import Path

from trainer.config import CsvConfig
from trainer.data.reading.arrow_columns import arrow_names, read_arrow_columns
from trainer.data.reading.columns import Columns
from trainer.data.reading.content import SourceFile, open_head
from trainer.data.reading.csv_columns import read_csv_columns
from trainer.data.reading.csv_form import find_form


def read_columns(file: SourceFile, csv: CsvConfig, needed: Sequence[str], texts: Collection[str]) -> Columns:
    """The `needed` columns that a file has; of a text table those in `texts` as text.

    Raises SourceError for a file that is no table.
    """
    if file.kind == "csv":
        return read_csv_columns(file, csv, needed, texts)
    return read_arrow_columns(file, needed)


def column_names(file: SourceFile, csv: CsvConfig, needed: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of all columns of a file, in order; `needed` are some that it must have.

    Raises SourceError for a file that is no table.
    """
    if file.kind == "csv":
        return find_form(file.shown, file.content, csv, needed).names
    return arrow_names(file)


def table_columns(
    source: str | Sequence[str], csv: CsvConfig, needed: Sequence[str], folder: Path
) -> tuple[str, ...]:
    """`column_names` of the first file of a source; a relative path is relative to `folder`.

    Raises SourceError if the file is missing, empty or no table.
    """
    return column_names(open_head(source, folder), csv, needed)
