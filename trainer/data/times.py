"""Shows a time on the clock of its source."""

from datetime import timedelta, timezone

import numpy as np
import numpy.typing as npt
import pandas as pd


def on_clock(
    times: pd.DatetimeIndex, offsets: npt.NDArray[np.int64] | None, zone: str | None = None
) -> pd.DatetimeIndex:
    """Naive UTC times (T,) on the clock of their source, which is `offsets` (T,) seconds from UTC.

    They are in `zone` if that is known, else in the one offset that all have, else in UTC: an index has one
    zone. Without offsets (None) the times stay as they are. NaT stays NaT.
    """
    if offsets is None:
        return times
    moments = times.tz_localize("UTC")
    if zone is not None:
        return moments.tz_convert(zone)
    distinct = np.unique(offsets[times.notna()])
    if len(distinct) <= 1:
        return moments.tz_convert(timezone(timedelta(seconds=int(distinct.sum()))))
    return moments


def format_time(moment: object, offset: int | None) -> str:
    """A naive UTC time, shown on a clock `offset` seconds from UTC: `2023-06-01 00:00:00+09:00`.

    Without an offset (None) the time is shown as it is.
    """
    stamp = pd.Timestamp(moment)  # type: ignore[arg-type]  # any time of numpy or pandas
    if offset is None:
        return str(stamp)
    return str(stamp.tz_localize("UTC").tz_convert(timezone(timedelta(seconds=offset))))
