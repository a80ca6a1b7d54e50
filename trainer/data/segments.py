"""The segments of a series: its rows between gaps that are longer than `data.max_gap`.

No window and no target crosses from one segment into the next, as if another series began there. Features do
cross: the return over a night is known in the morning, and a mean over 22 days spans nights. Without
`data.max_gap` a series is one segment.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trainer.config import DataConfig
from trainer.data.arrays import Rows
from trainer.data.features import FeaturesAndTarget
from trainer.data.panel import rows_since_start, series_spans

if TYPE_CHECKING:
    import pandas as pd

Mask = npt.NDArray[np.bool_]


def segment_starts(config: DataConfig, times: "pd.DatetimeIndex", starts: Rows) -> Rows:
    """The first row of each segment, ascending from 0. `times` (T,) ascend within each series; the series
    begin at `starts`.
    """
    if config.max_gap_seconds is None:
        return starts
    steps = np.diff(times.as_unit("us").asi8)
    behind = np.flatnonzero(steps > config.max_gap_seconds * 1e6) + 1
    return np.union1d(starts, behind)


def has_window(config: DataConfig, times: "pd.DatetimeIndex", starts: Rows) -> Mask:
    """Whether the `seq_len` rows up to each row lie in its segment: (T,)."""
    segments = segment_starts(config, times, starts)
    whole: Mask = rows_since_start(segments, len(times)) >= config.seq_len - 1
    return whole


def target_rows(config: DataConfig, times: "pd.DatetimeIndex", built: FeaturesAndTarget) -> Mask:
    """Whether the target of each row lies in the row's segment: (T,).

    The target reaches from the first row that it is computed from to `horizon` rows ahead. What lies before
    or behind the whole series is not looked at, because `usable` already leaves such rows out.
    """
    starts = np.array([span.start for span in built.spans])
    segments, rows = segment_starts(config, times, starts), np.arange(len(times))
    number = np.searchsorted(segments, rows, "right")
    first, last = (np.empty_like(rows) for _ in range(2))
    for span in series_spans(starts, len(rows)):
        first[span], last[span] = span.start, span.stop - 1
    ahead = np.minimum(rows + config.target.horizon, last)
    back = np.maximum(rows - max(built.target_reach, 0), first)
    inside: Mask = (number[ahead] == number) & (number[back] == number)
    return inside
