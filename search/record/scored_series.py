"""The series that scored rows are from, which is kept with each scoring of them.

Rows are identified by their times and by what the target's column shows in each of them. It is read from the
column itself: the name of a table, its other columns, the transform and the horizon of the target leave it
the same.
"""

import io
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from storage.driver_errors import damaged_if_unreadable
from trainer.config import DataConfig, DerivedColumn
from trainer.data.features import log_parkinson, log_return, target_shift
from trainer.data.source import Table

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ScoredSeries:
    """n rows that were scored, in time order.

    `times` (n,) are nanoseconds since 1970 in UTC, `values` (n,) what the target's column shows in one row:
    the change of the logarithm of a positive column, which sums up over rows (`adds_up`), else its value.
    """

    times: Times
    values: Floats
    adds_up: bool

    def packed(self) -> bytes:
        """As bytes: float32 values, and steps between times, which compress well; 4 to 6 kB a 1,000 rows."""
        file = io.BytesIO()
        np.savez_compressed(
            file,
            allow_pickle=False,
            steps=np.diff(self.times, prepend=0),
            values=self.values.astype("<f4"),
            adds_up=np.array(self.adds_up),
        )
        return file.getvalue()

    @classmethod
    def unpacked(cls, packed: bytes) -> "ScoredSeries":
        """What `packed` made, with values rounded to float32."""
        with (
            damaged_if_unreadable("the series of scored rows on record"),
            np.load(io.BytesIO(packed)) as arrays,
        ):
            values = arrays["values"].astype(np.float64)
            return cls(np.cumsum(arrays["steps"]), values, bool(arrays["adds_up"]))


def target_origin_columns(config: DataConfig) -> tuple[str, ...]:
    """The columns that the target is made from, whatever is made of them and however far ahead it looks."""
    root = _root(config)
    return tuple(column for column in (root.column, root.high, root.low) if column is not None)


def scored_series(config: DataConfig, table: Table, first: int, last: int) -> ScoredSeries:
    """The rows whose values decide the targets of the rows `first` to `last` (both included) of the table.

    A target over h rows is decided by the h rows behind its own. Cells that are not finite are left out.
    """
    root, horizon = _root(config), config.target.horizon
    times = table.times.to_numpy().astype("datetime64[ns]").astype(np.int64)
    if root.high is not None and root.low is not None:
        adds_up = False
        values = log_parkinson(_cells(table, root.high), _cells(table, root.low))
        held = np.isfinite(values)
        known_at, values = times[held], values[held]
    else:
        assert root.column is not None, "a series is made from columns"
        cells = _cells(table, root.column)
        held = np.isfinite(cells)
        # The values of a column that is shifted already belong to rows further down.
        known_at, values = _moved_down(times, horizon - target_shift(config.target))[held], cells[held]
        is_price = bool((values > 0).all())
        adds_up = is_price or (root.transform == "raw" and config.target.kind == "return")
        values = log_return(values) if is_price else values
    begin, end = times[min(first + 1, len(times) - 1)], times[min(last + horizon, len(times) - 1)]
    scored = np.isfinite(values) & (known_at >= begin) & (known_at <= end)
    return ScoredSeries(known_at[scored], values[scored], adds_up)


def nanoseconds_to_utc(nanoseconds: int | np.int64) -> datetime:
    """A time of a series, to the microsecond."""
    return datetime.fromtimestamp(0, UTC) + np.timedelta64(int(nanoseconds) // 1000, "us").item()


def _root(config: DataConfig) -> DerivedColumn:
    """The series of columns at the bottom of the target."""
    features = {feature.name: feature for feature in config.features}
    series: DerivedColumn = config.target
    while series.of is not None:
        series = features[series.of]
    return series


def _cells(table: Table, column: str) -> Floats:
    cells: Floats = table.frame[column].to_numpy(np.float64)
    return cells


def _moved_down(times: Times, rows: int) -> Times:
    """The time `rows` rows later, where there is one; else further ahead than anything."""
    if rows == 0:
        return times
    beyond = np.full(min(rows, len(times)), np.iinfo(np.int64).max)
    return np.concatenate([times[rows:], beyond])
