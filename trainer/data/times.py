"""Shows a time on the clock of its source."""

from datetime import timedelta, timezone

import pandas as pd


def format_time(moment: object, offset: int | None) -> str:
    """A naive UTC time, shown on a clock `offset` seconds from UTC: `2023-06-01 00:00:00+09:00`.

    Without an offset (None) the time is shown as it is.
    """
    stamp = pd.Timestamp(moment)  # type: ignore[arg-type]  # any time of numpy or pandas
    if offset is None:
        return str(stamp)
    return str(stamp.tz_localize("UTC").tz_convert(timezone(timedelta(seconds=offset))))
