"""Wildcards in `data.features`: `f*` stands for the raw columns of the table whose names match.

They are expanded once, when a study file is resolved, so that records and exports hold the columns by name.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from search.config.leaves import to_nested
from trainer.config import BAR_COLUMNS, CsvConfig

FEATURES = "data.features"
ColumnReader = Callable[[Mapping[str, Any]], list[str]]
"""Gives the columns of the table that the settings name. Raises SourceError."""

_MOST_TOLD = 20


def has_wildcards(values: Mapping[str, Any]) -> bool:
    """Whether any feature of the settings is written as `f*`, with `*` for any characters or `?` for one."""
    return any(_pattern(feature) is not None for feature in values[FEATURES])


def read_columns(values: Mapping[str, Any], folder: Path) -> list[str]:
    """The columns of the table that the settings `values` name. Raises SourceError."""
    from trainer.data.reading.table_columns import table_columns

    csv = CsvConfig.model_validate(to_nested(values).get("data", {}).get("csv", {}))
    return list(table_columns(values["data.source"], csv, _times(values), folder))


def expand(values: Mapping[str, Any], columns: Sequence[str]) -> list[Mapping[str, Any]]:
    """The features, each wildcard replaced by the matching columns in the table's order.

    Columns of the time, of the target, of the weights and of `data.where` are left out, and those that are
    features already.
    A name that is a column as it stands is no wildcard. Raises ValueError for one that matches nothing.
    """
    features: Sequence[Mapping[str, Any]] = values[FEATURES]
    used = {feature["name"] for feature in features} | _used(values)
    expanded: list[Mapping[str, Any]] = []
    for feature in features:
        pattern = _pattern(feature)
        if pattern is None or feature["name"] in columns:
            expanded.append(feature)
            continue
        found = [
            name
            for name in dict.fromkeys(columns)
            if pattern.fullmatch(name) and not {name, _bare(name)} & used
        ]
        if not found:
            held = ", ".join(columns[:_MOST_TOLD]) + (", …" if len(columns) > _MOST_TOLD else "")
            raise ValueError(
                f"{feature['name']!r} matches no column but those of the time, the target, data.where and "
                f"other features; the table holds {held}"
            )
        used |= set(found)
        expanded += [{**feature, "name": name, "column": name} for name in found]
    return expanded


def _pattern(feature: Mapping[str, Any]) -> re.Pattern[str] | None:
    """The pattern of a raw feature that is called as its column and has a wildcard in it."""
    name = feature["name"]
    if feature.get("column") != name or feature.get("transform", "raw") != "raw" or not set(name) & set("*?"):
        return None
    return re.compile(re.escape(name).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _used(values: Mapping[str, Any]) -> set[str]:
    """The columns that are no inputs: of the time, the series, the target, the weights and `data.where`."""
    bar = {key for keys in BAR_COLUMNS.values() for key in keys}
    target = {values.get(f"data.target.{key}") for key in ("column", *bar)}
    series = values.get("data.series")
    named = {*target, values.get("data.weights"), series if isinstance(series, str) else None}
    return {*_times(values), *(values.get("data.where") or ()), *(name for name in named if name)}


def _times(values: Mapping[str, Any]) -> tuple[str, ...]:
    time = values["data.time"]
    return (time,) if isinstance(time, str) else tuple(time)


def _bare(name: str) -> str:
    """A name without the brackets of `<DATE>`, in which a study may call the column."""
    return name.removeprefix("<").removesuffix(">")
