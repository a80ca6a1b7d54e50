"""Says why times repeat: a clock set back in autumn, several assets in one table, or repeated rows."""

import numpy as np
import numpy.typing as npt

from trainer.config import DataConfig
from trainer.data.source import Table

_MOST_TOLD = 5
"""Symbols that a message names."""


def repetition_advice(config: DataConfig, table: Table, repeated: npt.NDArray[np.intp]) -> str:
    """What to do about rows (0-based) whose times occur before."""
    if not len(repeated):
        return ""
    return (
        _panel_advice(table)
        or clock_advice(config, table, repeated)
        or _files_advice(table, repeated)
        or "keep one row of each"
    )


def clock_advice(config: DataConfig, table: Table, rows: npt.NDArray[np.intp]) -> str:
    """The explanation of rows that lie in the hour in which a clock is set back; empty if one does not.

    Only a source without offsets and without `data.timezone` can have such rows.
    """
    from trainer.data.reading.clock import clock_change_zones

    if not len(rows) or config.timezone is not None or table.offsets is not None:
        return ""
    zones = clock_change_zones(table.times[rows].unique())
    if not zones:
        return ""
    others = f" or {', '.join(zones[1:3])}" if zones[1:] else ""
    return (
        f"the hour occurs twice where the clock is set back in autumn, as in {zones[0]}{others}: set "
        f"data.timezone: {zones[0]}, or the zone of the source, and both hours are read in order"
    )


def _panel_advice(table: Table) -> str:
    if table.symbols is None:
        return ""
    name, values = table.symbols
    told = ", ".join(values[:_MOST_TOLD]) + (", …" if len(values) > _MOST_TOLD else "")
    return (
        f"the table looks like a panel: column {name} tells the rows of one time apart ({told}); set "
        f"data.series: {name} to train on all of them, or choose one with data.where: {{{name}: {values[0]}}}"
    )


def _files_advice(table: Table, repeated: npt.NDArray[np.intp]) -> str:
    """The advice for files of several assets, each of which has every time once."""
    if table.file_numbers is None or len(table.files) < 2:
        return ""
    row = int(repeated[0])
    first = int(np.flatnonzero(table.times == table.times[row])[0])
    one, other = (table.files[int(table.file_numbers[each])] for each in (first, row))
    if one == other:
        return ""
    return (
        f"{one} and {other} both have it; keep each row once, or set data.layout: files if each is a series"
    )
