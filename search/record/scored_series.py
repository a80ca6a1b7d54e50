"""The series behind scored rows, which is stored with each evaluation.

Rows are identified by their times and by the values of the target's column. These come from the column
itself, so that the table's name, its other columns, and the target's transform and horizon change nothing.
"""

import io
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from storage.driver_errors import damaged_if_unreadable
from trainer.config import DataConfig, DerivedColumn
from trainer.data.bar_volatility import log_parkinson
from trainer.data.features import target_shift
from trainer.data.source import Table
from trainer.data.transforms import log_return

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ScoredSeries:
    """n rows that were scored, in time order.

    `times` (n,) are nanoseconds since 1970 in UTC. `values` (n,) are the changes of the logarithm of
    a positive column, which sum up over rows (`adds_up`), else the values of the column.
    """

    times: Times
    values: Floats
    adds_up: bool

    def packed(self) -> bytes:
        """As bytes: float32 values, and steps between times, 4 to 6 kB per 1,000 rows."""
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
        """The series from `packed` bytes; values are rounded to float32."""
        with (
            damaged_if_unreadable("the series of scored rows on record"),
            np.load(io.BytesIO(packed)) as arrays,
        ):
            values = arrays["values"].astype(np.float64)
            return cls(np.cumsum(arrays["steps"]), values, bool(arrays["adds_up"]))


def target_origin_columns(config: DataConfig) -> tuple[str, ...]:
    """The columns that the target is computed from, for any transform and horizon."""
    return _root(config).columns


def scored_series(
    config: DataConfig, table: Table, first: int, last: int, *, span: slice = slice(None)
) -> ScoredSeries:
    """The rows whose values decide the targets of the rows `first` to `last` (both included) of the table, or
    of the `span` of one series in it.

    A target over h rows is decided by the h rows after its own. Cells that are not finite are left out.
    """
    root, horizon = _root(config), config.target.horizon
    times = table.times[span].to_numpy().astype("datetime64[ns]").astype(np.int64)
    if root.high is not None and root.low is not None:
        adds_up = False
        values = log_parkinson(_cells(table, root.high)[span], _cells(table, root.low)[span])
        finite = np.isfinite(values)
        known_at, values = times[finite], values[finite]
    else:
        assert root.column is not None, "a series is made from columns"
        cells = _cells(table, root.column)[span]
        finite = np.isfinite(cells)
        # A value of an already shifted column becomes known in a later row.
        known_at, values = _moved_down(times, horizon - target_shift(config.target))[finite], cells[finite]
        is_price = bool((values > 0).all())
        adds_up = is_price or (root.transform == "raw" and config.target.kind == "return")
        values = log_return(values) if is_price else values
    begin, end = times[min(first + 1, len(times) - 1)], times[min(last + horizon, len(times) - 1)]
    scored = np.isfinite(values) & (known_at >= begin) & (known_at <= end)
    return ScoredSeries(known_at[scored], values[scored], adds_up)


def to_utc(time: np.int64 | np.datetime64) -> datetime:
    """A time (integers are nanoseconds since 1970) in UTC, to the microsecond."""
    moment: datetime = np.asarray(time).astype("datetime64[ns]").astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)


def _root(config: DataConfig) -> DerivedColumn:
    """The columns that the target starts from, through all `of` steps."""
    features = {feature.name: feature for feature in config.features}
    series: DerivedColumn = config.target
    while series.of is not None:
        series = features[series.of]
    return series


def _cells(table: Table, column: str) -> Floats:
    cells: Floats = table.frame[column].to_numpy(np.float64)
    return cells


def _moved_down(times: Times, rows: int) -> Times:
    """The times `rows` rows later; the largest integer if there is no such row."""
    if rows == 0:
        return times
    beyond = np.full(min(rows, len(times)), np.iinfo(np.int64).max)
    return np.concatenate([times[rows:], beyond])
