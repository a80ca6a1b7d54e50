"""The rows of a source: their times, numbers, places and series."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from trainer.config import DataConfig, end_of_date, has_offset, start_of_date
from trainer.data.arrays import Rows
from trainer.errors import SourceError


@dataclass(frozen=True)
class SourceRows:
    """The rows of a source in the order of its files, or of their times if `data.sort` asks for it.

    `times` (T,) are naive: in UTC if `offsets` (T,), the seconds from UTC to the source's clock, are there;
    else what that clock shows. `positions` (T,) are lines or rows of the file `files[file_numbers[t]]`.
    """

    times: pd.DatetimeIndex
    offsets: npt.NDArray[np.int64] | None
    numbers: dict[str, npt.NDArray[np.float64]]
    positions: npt.NDArray[np.int64]
    counted_in: Literal["line", "row"]
    files: tuple[str, ...]
    file_numbers: npt.NDArray[np.int64]
    rows_read: int
    sha256: str
    names: tuple[str, ...]
    detected: Mapping[str, Any] = field(default_factory=dict)
    series: Rows | None = None
    """For each row the position of its series in `series_names`, (T,); None if the source has one series
    without a name."""
    series_names: tuple[str, ...] = ()

    def reordered(self, order: Rows) -> "SourceRows":
        """All rows in another order. These rows give up their numbers column by column, so that no more than
        one column is in memory twice.
        """
        numbers = {}
        for name in list(self.numbers):
            numbers[name] = self.numbers.pop(name)[order]
            pa.default_memory_pool().release_unused()  # pyarrow keeps what is freed, NumPy cannot use it
        return replace(self.take(order), numbers=numbers)

    def take(self, rows: npt.NDArray[Any]) -> "SourceRows":
        """The chosen rows, by position or by a mask."""
        return replace(
            self,
            times=self.times[rows],
            offsets=None if self.offsets is None else self.offsets[rows],
            numbers={name: values[rows] for name, values in self.numbers.items()},
            positions=self.positions[rows],
            file_numbers=self.file_numbers[rows],
            series=None if self.series is None else self.series[rows],
        )


def rows_between(config: DataConfig, rows: SourceRows) -> SourceRows:
    """The rows from `data.since` to `data.until`, dates on the source's clock. Raises SourceError if there
    are none.
    """
    kept = np.ones(len(rows.times), bool)
    if config.since is not None:
        kept &= _clock(rows, config.since) >= np.datetime64(start_of_date(config.since), "us")
    if config.until is not None:
        kept &= _clock(rows, config.until) <= np.datetime64(end_of_date(config.until), "us")
    if kept.all():
        return rows
    if not kept.any():
        asked = [
            f"{name} {date}" for name, date in (("since", config.since), ("until", config.until)) if date
        ]
        raise SourceError(
            f"{config.shown_source} has no row with data.{' and data.'.join(asked)}; its rows go from "
            f"{rows.times.min()} to {rows.times.max()}"
        )
    return rows.take(kept)


def _clock(rows: SourceRows, date: str) -> npt.NDArray[np.datetime64]:
    """The times (T,) that a date is compared with: in UTC if it has an offset, else the source's clock."""
    moments = rows.times.as_unit("us").to_numpy().astype("datetime64[us]")
    if rows.offsets is None or has_offset(date):
        return moments
    shown: npt.NDArray[np.datetime64] = moments + rows.offsets.astype("timedelta64[s]")
    return shown
