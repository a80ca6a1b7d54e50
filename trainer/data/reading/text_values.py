"""The different texts of a column, or the names of the series of a source."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from trainer.config import DataConfig
from trainer.data.reading.content import open_source
from trainer.data.reading.table_columns import column_names, read_columns
from trainer.data.source import read_table
from trainer.errors import ColumnError
from trainer.text import did_you_mean


def text_values(config: DataConfig, column: str | None, folder: Path) -> tuple[str, ...]:
    """The different texts of `column`, ascending, without blanks around them and without empty ones; for
    None the names of the series. A relative path is relative to `folder`.

    Raises SourceError for a source that is no table, and ColumnError for a column that is missing.
    """
    if column is None:
        return read_table(config, folder=folder).series_names
    texts: set[str] = set()
    for file in open_source(config.source, folder):
        cells = read_columns(file, config.csv, [*config.time_columns, column], [column]).cells
        if column not in cells:
            names = column_names(file, config.csv, config.time_columns)
            raise ColumnError(f"{file.shown}: column {column!r} is missing{did_you_mean(column, names)}")
        known = pc.utf8_trim_whitespace(pc.cast(cells[column], pa.string()))
        texts |= {text for text in pc.unique(known).to_pylist() if text}
    return tuple(sorted(texts))
