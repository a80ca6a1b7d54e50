"""Finds the rows that no window may hold, and names the cells that make them so."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.config import DataConfig, Feature
from trainer.data.arrays import Floats
from trainer.data.features import FeaturesAndTarget, build_features, count_leading_nan
from trainer.data.panel import by_series
from trainer.data.source import Table, columns_of

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class UnusableRow:
    """A row of the table with a cell that is not finite, or from which a feature cannot be computed."""

    row: int
    """Its position in the table, from 0."""
    time: str
    """On the clock of the source."""
    place: str
    """`prices.csv, line 17`."""
    cells: tuple[str, ...]
    """Such as `column High is nan`, `feature vol is -inf (High 101.2, Low 101.2)`."""
    series: str = ""
    """The name of its series; empty if it has none."""

    def to_json(self) -> dict[str, Any]:
        """The row in `predict --json` and `refit --json`."""
        named = {"series": self.series} if self.series else {}
        return {**named, "time": self.time, "place": self.place, "cells": list(self.cells)}

    def __str__(self) -> str:
        return f"{self.place}: {', '.join(self.cells)} at {self.time}"


def unusable_rows(config: DataConfig, table: Table, built: FeaturesAndTarget) -> list[UnusableRow]:
    """The rows whose own cells make a feature non-finite, in the order of the table.

    Rows before a column begins, and rows that lack only earlier rows, are no such rows.
    """
    cells: defaultdict[int, list[str]] = defaultdict(list)
    for row, cell in [*_bad_cells(table), *_bad_features(config, table, built)]:
        cells[row].append(cell)
    return [
        UnusableRow(row, table.when(row), table.place(row), tuple(cells[row]), table.series_of(row))
        for row in sorted(cells)
    ]


def without_unfinished_rows(config: DataConfig, table: Table) -> tuple[Table, list[UnusableRow]]:
    """The table up to the last row of each series that can be used, and the rows behind it, such as that of
    a day that is not over.
    """
    unusable = {each.row: each for each in unusable_rows(config, table, build_features(config, table))}
    ends, left_out = [], []
    for span in table.spans:
        end = span.stop
        while end > span.start and end - 1 in unusable:
            end -= 1
        ends.append(end - span.start)
        left_out += [unusable[row] for row in range(end, span.stop)]
    return (table.heads(ends)[0], left_out) if left_out else (table, [])


def _bad_cells(table: Table) -> Iterator[tuple[int, str]]:
    """The cells of columns that are not finite, as (row, text)."""
    for name in table.frame:
        values = table.frame[name].to_numpy(np.float64)
        begun = by_series(table.series_starts, _has_begun, values)
        for row in np.flatnonzero(begun & ~np.isfinite(values)).tolist():
            yield row, f"column {name} is {values[row]}"


def _has_begun(values: Floats) -> Mask:
    return np.arange(len(values)) >= count_leading_nan(values)


def _bad_features(config: DataConfig, table: Table, built: FeaturesAndTarget) -> Iterator[tuple[int, str]]:
    """The features that are not finite though what they are computed from is, as (row, text)."""
    for feature, inputs in zip(config.features, built.inputs, strict=False):  # the last inputs: the target's
        values = built.features[feature.name].to_numpy(np.float64)
        if np.isfinite(values).all():
            continue
        bad_inputs = np.any([~np.isfinite(each) for each in inputs], axis=0) | built.missing
        own = by_series(
            table.series_starts,
            lambda bad, caused, feature=feature: _without_cause(bad, caused, feature.window or 1),
            ~np.isfinite(values),
            bad_inputs,
        )
        for row in np.flatnonzero(own).tolist():
            yield row, f"feature {feature.name} is {values[row]}{_inputs_text(feature, table, row)}"


def _without_cause(bad: Mask, bad_inputs: Mask, window: int) -> Mask:
    """The bad rows (T,) of a feature that no bad input explains.

    An input explains the rows from its own on for as long as they stay bad, as in a rolling mean, and the
    row `window` rows later, as in a lag. The first rows of a series lack earlier rows.
    """
    rows = np.arange(len(bad))
    last_good = np.maximum.accumulate(np.where(bad, -1, rows))
    last_bad_input = np.maximum.accumulate(np.where(bad_inputs, rows, -1))
    explained = (last_bad_input > last_good) | (last_good < 0)
    explained[window:] |= bad_inputs[:-window]
    without: Mask = bad & ~explained
    return without


def _inputs_text(feature: Feature, table: Table, row: int) -> str:
    cells = ", ".join(f"{name} {table.frame[name].iloc[row]:g}" for name in columns_of(feature))
    return f" ({cells})" if cells else ""
