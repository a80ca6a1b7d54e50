"""Reads tables from text."""

from pathlib import Path
from typing import Any

import pytest

from tests.trainer.data.reading.table_shapes import ReadText, config_of
from trainer.data.source import Table, read_table


@pytest.fixture
def read(tmp_path: Path) -> ReadText:
    """Write text or bytes to a file and read a column of it."""

    def write_and_read(
        content: str | bytes,
        column: str = "Close",
        time: str | list[str] = "Date",
        name: str = "t.csv",
        **data: Any,
    ) -> Table:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(config_of(name, column, time, **data), folder=tmp_path)

    return write_and_read
