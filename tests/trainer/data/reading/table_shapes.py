"""Writes a table to a file and reads one column of it."""

from collections.abc import Callable
from typing import Any

from trainer.config import DataConfig
from trainer.data.source import Table

ReadText = Callable[..., Table]


def config_of(source: str | list[str], column: str, time: str | list[str], **data: Any) -> DataConfig:
    """A study of one column, which is its feature and its target."""
    values: dict[str, Any] = {
        "source": source,
        "time": time,
        "features": ({"name": "x", "column": column},),
        "target": {"column": column, "transform": "log_return", "kind": "return"},
        "split": {"fractions": {"train": 0.6, "validation": 0.2}},
    }
    return DataConfig.model_validate(values | data)


def values_of(table: Table) -> list[float]:
    """The numbers of the column."""
    return [float(value) for value in table.frame.iloc[:, 0]]
