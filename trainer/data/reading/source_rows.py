"""The rows of a source: their times, numbers, places and series."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from trainer.data.arrays import Rows


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
