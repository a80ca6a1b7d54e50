"""Tells which series each row of a source belongs to, and groups the rows by series.

A panel is written in one of three ways: one column names the series of each row, each series has columns of
its own, or each has a file of its own. Whatever the way, the rows end up grouped by series, those of each in
the order of the source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from trainer.config import DataConfig
from trainer.data.arrays import Rows
from trainer.data.reading.columns import Columns
from trainer.data.reading.content import (
    LONGEST_SHOWN,
    PACKED_SUFFIXES,
    TABLE_SUFFIXES,
    require_memory,
    source_digest,
)
from trainer.data.reading.source_rows import SourceRows
from trainer.errors import ColumnError, SourceError
from trainer.text import did_you_mean, shortened

MOST_SERIES = 20_000
"""Series that a panel may have; a column with more distinct values numbers the rows."""
_CELL = 8


@dataclass(frozen=True)
class WideCells:
    """Which column of a wide table holds each field of each series."""

    fields: tuple[str, ...]
    series: tuple[str, ...]
    by_cell: Mapping[tuple[str, str], str]
    """The column of (series, field); a series may lack a field."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns to be read."""
        return tuple(self.by_cell.values())


def wide_cells(config: DataConfig, shown: str, names: Sequence[str], fields: Sequence[str]) -> WideCells:
    """The columns of a wide table with the columns `names`, in which features and target read `fields`.

    Columns that are named by field and series, such as `Close AAPL`, give each series several fields. Else
    each column but those of times and of `data.where` is a series, and the one field stands for its cells.
    Raises ColumnError if there are no such columns.
    """
    compared = [feature.name for feature in config.texts_compared if feature.column is not None]
    if compared:
        raise ColumnError(
            f"{shown}: feature {compared[0]} compares a column of texts, and a wide table has none; save it "
            "as a long table, or compare the names of the series: leave its column out"
        )
    taken = {*config.time_columns, *config.where}
    columns = [name for name in names if name not in taken]
    by_cell = {}
    for field in fields:
        for name in columns:
            if series := _series_of(name, field):
                by_cell[series, field] = name
    if not by_cell and len(fields) == 1:
        by_cell = {(name, fields[0]): name for name in columns}
    if not by_cell:
        raise ColumnError(
            f"{shown}: no column is named by {shortened(' or '.join(fields), LONGEST_SHOWN)} and a series, "
            f"as {fields[0]} AAPL is; in a wide table of one value per series features and target read one "
            "name, such as value"
        )
    chosen = _chosen(config, shown, list(dict.fromkeys(series for series, _ in by_cell)))
    return WideCells(
        tuple(fields), tuple(chosen), {cell: name for cell, name in by_cell.items() if cell[0] in set(chosen)}
    )


def _series_of(name: str, field: str) -> str:
    """The series in the name of a column of a field; empty if it is of another field."""
    for mark in (" ", "_", ".", "|", "/"):
        if name.startswith(field + mark):
            return name[len(field) + 1 :]
        if name.endswith(mark + field):
            return name[: -len(field) - 1]
    return ""


def _chosen(config: DataConfig, shown: str, series: Sequence[str]) -> list[str]:
    """The series that `data.series` names, by name or pattern; all if it is absent."""
    if config.series is None:
        return list(series)
    patterns = (config.series,) if isinstance(config.series, str) else config.series
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in series):
            raise ColumnError(
                f"{shown}: no series is named {pattern!r}{did_you_mean(pattern, series)}; correct data.series"
            )
    return [name for name in series if any(fnmatchcase(name, pattern) for pattern in patterns)]


def stacked(rows: SourceRows, wide: WideCells) -> SourceRows:
    """The rows of a wide table, one for each series and time at which one of its fields has a number."""
    count = len(wide.series)
    require_memory(rows.files[0], _CELL * len(rows.times) * count * (len(wide.fields) + 3))
    absent = np.full(len(rows.times), np.nan)
    numbers = {
        field: np.concatenate(
            [
                rows.numbers[wide.by_cell[series, field]] if (series, field) in wide.by_cell else absent
                for series in wide.series
            ]
        )
        for field in wide.fields
    }
    there = ~np.all([np.isnan(values) for values in numbers.values()], axis=0)
    at = np.flatnonzero(there) % len(rows.times)
    codes = np.repeat(np.arange(count), len(rows.times))[there]
    return replace(
        rows.take(at),
        numbers={field: values[there] for field, values in numbers.items()},
        series=codes,
        series_names=wide.series,
    )


def named_series(columns: Columns, name: str) -> tuple[Rows, tuple[str, ...], list[str]]:
    """The series of each row by the column `name`, the names of all, and what is wrong with the column."""
    texts = pc.utf8_trim_whitespace(pc.cast(columns.cells[name], pa.string()))
    encoded = texts.dictionary_encode()
    names = tuple(map(str, encoded.dictionary.to_pylist()))
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    unnamed = np.flatnonzero((codes < 0) | np.isin(codes, [names.index("")] if "" in names else []))
    if len(unnamed):
        more = f" ({len(unnamed)} such rows)" if len(unnamed) > 1 else ""
        place = f"{columns.shown}, {columns.counted_in} {columns.positions[unnamed[0]]}"
        return codes, names, [f"{place}: column {name} names no series{more}; fill it or remove the row"]
    if len(names) > MOST_SERIES:
        return (
            codes,
            names,
            [
                f"{columns.shown}: column {name} holds {len(names)} different names, and a panel may have "
                f"{MOST_SERIES} series; name the column of the series in data.series"
            ],
        )
    return codes, names, []


def joined(config: DataConfig, parts: Sequence[SourceRows]) -> SourceRows:
    """The rows of all files, one file behind the other. Raises SourceError if they do not fit together.

    Files that cover the same time are one series each, unless `data.series` or `data.layout` says otherwise.
    """
    if config.layout == "files" or (config.layout is None and config.series is None and _overlap(parts)):
        parts = _named_by_file(parts)
    if len(parts) == 1:
        return parts[0]
    if len({part.offsets is None for part in parts}) > 1:
        naive = next(part for part in parts if part.offsets is None)
        raise SourceError(
            f"the times of {naive.files[0]} have no offset from UTC, and those of other files have; set "
            "data.timezone"
        )
    names = tuple(dict.fromkeys(name for part in parts for name in part.series_names))
    at = {name: code for code, name in enumerate(names)}
    codes = [np.array([at[name] for name in part.series_names])[part.series] for part in parts if names]
    return replace(
        parts[0],
        times=pd.DatetimeIndex(np.concatenate([part.times.to_numpy() for part in parts])),
        offsets=None
        if parts[0].offsets is None
        else np.concatenate([part.offsets for part in parts if part.offsets is not None]),
        numbers={name: np.concatenate([part.numbers[name] for part in parts]) for name in parts[0].numbers},
        positions=np.concatenate([part.positions for part in parts]),
        files=tuple(part.files[0] for part in parts),
        file_numbers=np.repeat(np.arange(len(parts)), [len(part.times) for part in parts]),
        rows_read=sum(part.rows_read for part in parts),
        sha256=source_digest([part.sha256 for part in parts]),
        detected={key: value for part in reversed(parts) for key, value in part.detected.items()},
        series=np.concatenate(codes) if codes else None,
        series_names=names,
    )


def _overlap(parts: Sequence[SourceRows]) -> bool:
    """Whether two files cover the same time, as those of two assets do: at least half of the rows of one lie
    between the first and the last of another."""
    times = [part.times.asi8 for part in parts if len(part.times)]
    return any(
        _share_within(one, other) >= 0.5 or _share_within(other, one) >= 0.5
        for one, other in combinations(times, 2)
    )


def _share_within(times: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> float:
    return float(((times >= other.min()) & (times <= other.max())).mean())


def _named_by_file(parts: Sequence[SourceRows]) -> list[SourceRows]:
    """Each file as a series of its own, named by the file. Raises SourceError if two have one name."""
    names = [_file_series(part.files[0]) for part in parts]
    for one, other in combinations(range(len(parts)), 2):
        if names[one] == names[other]:
            raise SourceError(
                f"{parts[one].files[0]} and {parts[other].files[0]} would both be the series {names[one]}; "
                "rename one of them"
            )
    return [
        replace(
            part,
            series=np.zeros(len(part.times), np.int64),
            series_names=(name,),
            detected={**part.detected, "layout": "files"},
        )
        for part, name in zip(parts, names, strict=True)
    ]


def _file_series(shown: str) -> str:
    """The name of a series in a file of its own: `prices/BRK.B.csv.gz` is BRK.B, `sample:wti` is wti."""
    name = Path(shown.removeprefix("sample:")).name
    for suffixes in (PACKED_SUFFIXES, TABLE_SUFFIXES):
        for suffix in suffixes:
            if name.casefold().endswith(suffix) and len(name) > len(suffix):
                name = name[: -len(suffix)]
                break
    return name


def in_order(config: DataConfig, rows: SourceRows) -> SourceRows:
    """The rows grouped by series, in the order of the names; those of each by time if `data.sort` asks."""
    if rows.series is not None:
        rows = _by_name(rows)
    series = np.zeros(len(rows.times), np.int64) if rows.series is None else rows.series
    times = rows.times.asi8 if config.sort else np.zeros(len(series), np.int64)
    order = np.lexsort((times, series))
    return rows if np.array_equal(order, np.arange(len(order))) else rows.reordered(order)


def _by_name(rows: SourceRows) -> SourceRows:
    """The same rows with the series numbered by name, without names that no row has."""
    assert rows.series is not None
    held = np.bincount(rows.series, minlength=len(rows.series_names)) > 0
    names = tuple(sorted(name for name, is_held in zip(rows.series_names, held, strict=True) if is_held))
    at = {name: code for code, name in enumerate(names)}
    codes = np.array([at.get(name, -1) for name in rows.series_names], np.int64)
    return replace(rows, series=codes[rows.series], series_names=names)


def with_series_compared(config: DataConfig, rows: SourceRows) -> SourceRows:
    """The rows with a column for each feature that compares the names of the series: 1 where they are equal.

    Raises ColumnError if there are no names.
    """
    compared = [feature for feature in config.texts_compared if feature.column is None]
    if compared and rows.series is None:
        raise ColumnError(
            f"feature {compared[0].name} compares the names of the series, and {rows.files[0]} has none; set "
            "data.series or data.layout"
        )
    made = {
        feature.columns[0]: (np.array(rows.series_names) == feature.value)[rows.series].astype(np.float64)
        for feature in compared
    }
    return replace(rows, numbers={**rows.numbers, **made}) if made else rows
