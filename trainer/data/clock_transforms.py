"""Transforms that use the time of each row, on the clock of the source.

`clock` (T,) are the seconds since 1970-01-01 00:00 that the clock shows: UTC plus the source's offset.
The pairs of sine and cosine are the first terms of the Fourier series of a period, as in the flexible Fourier
form of Andersen & Bollerslev (1997), "Intraday periodicity and volatility persistence in financial markets".
They depend on the time of the row alone, which is known ahead.
"""

from itertools import pairwise
from typing import Literal

import numpy as np

from trainer.data.arrays import Floats, Rows

Part = Literal["sin", "cos"]
_DAY = 86400.0
"""Seconds."""
_FIRST_WEEKDAY = 3
"""1970-01-01 was a Thursday; Monday is 0."""


def time_of_day(clock: Floats, part: Part) -> Floats:
    """Sin or cos of 2π · s / 86400; s are the seconds since midnight."""
    return _on_circle(clock % _DAY / _DAY, part)


def day_of_week(clock: Floats, part: Part) -> Floats:
    """Sin or cos of 2π · d / 7; d is 0 on Monday and 6 on Sunday."""
    return _on_circle((_days(clock) + _FIRST_WEEKDAY) % 7 / 7, part)


def month(clock: Floats, part: Part) -> Floats:
    """Sin or cos of 2π · (m − 1) / 12; m is 1 in January."""
    months = _days(clock).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return _on_circle(months % 12 / 12, part)


def realized_variance(values: Floats, clock: Floats) -> Floats:
    """Sum of log(x[s] / x[s−1])² over the rows s ≤ t of the day of row t: that of its day so far.

    Andersen, Bollerslev, Diebold & Labys (2003), "Modeling and forecasting realized volatility". The last row
    of a day has the realized variance of the whole day. Its first term is the return since the last row of
    the day before, so that the variance of the night is included, as in Hansen & Lunde (2005), "A realized
    variance for the whole day based on intermittent high-frequency data". NaN from a price that is not
    positive, or is missing, to the end of its day, and on the first day of the table.
    """
    with np.errstate(all="ignore"):
        logs = np.log(values)
        squares = np.diff(logs, prepend=np.nan) ** 2
    made = np.empty(len(values))
    # Day by day, since in a running total one bad cell would spoil all later rows.
    for start, stop in pairwise([*_day_starts(clock), len(values)]):
        made[start:stop] = np.cumsum(squares[start:stop])
    return made


def _days(clock: Floats) -> Rows:
    """The day of each row, counted from 1970-01-01."""
    return np.floor(clock / _DAY).astype(np.int64)


def most_rows_of_a_day(clock: Floats) -> int:
    """How many rows the day with most rows has; the rows of a day stand together."""
    return int(np.diff(_day_starts(clock), append=len(clock)).max(initial=0))


def _day_starts(clock: Floats) -> Rows:
    """The first row of each day."""
    changes = np.diff(_days(clock)) != 0
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(clock)), bool), changes]))


def _on_circle(turns: Floats, part: Part) -> Floats:
    angle = 2 * np.pi * turns
    return np.sin(angle) if part == "sin" else np.cos(angle)
