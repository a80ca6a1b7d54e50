"""Finds the text column that tells the rows of one time apart, such as the symbol of many assets."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from trainer.config import DataConfig
from trainer.data.reading.columns import Columns
from trainer.data.reading.content import SourceFile, open_source
from trainer.data.reading.table_columns import column_names, read_columns
from trainer.errors import DataError

_MOST_COLUMNS = 50
"""Columns that are searched, from the left; the symbol stands among the first."""


def find_panel_column(
    config: DataConfig,
    folder: Path,
    times: pd.DatetimeIndex,
    positions: npt.NDArray[np.int64],
    first: SourceFile | None = None,
) -> tuple[str, tuple[str, ...]] | None:
    """The first text column whose value differs between rows of one time, and its distinct values.

    `times` and `positions` (T,) are those of the rows of a source of one file, `first` if it is open
    already. None if there is no such column, or the file cannot be read again.
    """
    try:
        file = next(open_source(config.source, folder, first))
        columns = _text_columns(config, file)
    except (DataError, StopIteration):
        return None
    rows = pa.array(np.searchsorted(columns.positions, positions))
    cells = {name: values.take(rows) for name, values in _texts(columns.cells).items()}
    name = telling_column(cells, times)
    return None if name is None else (name, tuple(map(str, pc.unique(cells[name]).to_pylist())))


def telling_column(
    cells: Mapping[str, pa.Array], times: pd.DatetimeIndex, most_repeated: float = 0.0
) -> str | None:
    """The first of the columns `cells`, (T,) each, that tells rows of one time apart; None if none does.

    A share `most_repeated` of the rows may repeat a time within one series.
    """
    for name, column in cells.items():
        encoded = column.dictionary_encode()
        rows = pd.MultiIndex.from_arrays([times, encoded.indices.fill_null(-1).to_numpy()])
        # A column of as many values as rows numbers the rows.
        is_of_series = 1 < len(encoded.dictionary) <= len(times) // 2
        if is_of_series and rows.duplicated().mean() <= most_repeated:
            return name
    return None


def _text_columns(config: DataConfig, file: SourceFile) -> Columns:
    """The columns of the file besides those of times and those that are chosen by `data.where`."""
    known = column_names(file, config.csv, config.time_columns)[:_MOST_COLUMNS]
    names = [name for name in known if name not in {*config.time_columns, *config.where}]
    return read_columns(file, config.csv, [*config.time_columns, *names], names)


def _texts(cells: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    """The columns of texts that are no numbers."""
    texts = {name: column for name, column in cells.items() if pa.types.is_string(column.type)}
    return {
        name: column
        for name, column in texts.items()
        if not bool(pc.any(pc.match_substring_regex(column, r"^[+-]?[\d.,]*\d[\d.,]*%?$")).as_py())
    }
