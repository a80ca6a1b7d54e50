"""Puts the times of a clock without offsets into a time zone.

In autumn an hour occurs twice. Its rows are told apart by their order: the first ones are before the clock is
set back. If the order does not tell, the row is refused with that explanation. In spring an hour does not
occur at all.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.data.reading.integer_times import UnreadableTime
from trainer.data.reading.time_texts import Times
from trainer.data.reading.zone_names import zone_exists

CLOCK_CHANGES = (
    *("America/New_York", "America/Chicago", "Europe/London", "Europe/Berlin", "Australia/Sydney"),
    *("America/Sao_Paulo", "America/Santiago", "Pacific/Auckland", "Asia/Tehran"),
)
"""Zones of exchanges whose clocks are, or were, set back in autumn."""


def in_zone(read: Times, zone: str, *, newest_first: bool = False) -> Times | UnreadableTime:
    """The moments of times, (T,), that a clock in a zone shows of the IANA database.

    `newest_first`: the rows are in descending order. Unreadable is the first time that the zone does not
    have, or has twice and the order of the rows does not tell which it is.
    """
    clock = read.times
    ambiguous, missing = _doubtful(clock, zone)
    if missing.any():
        row = int(np.argmax(missing))
        return UnreadableTime(
            row,
            f"does not exist in {zone}, where the clock is set forward at that time; set the right "
            "data.timezone",
        )
    order = slice(None, None, -1) if newest_first else slice(None)
    is_first, unclear = _first_passes(clock.asi8[order], ambiguous[order])
    if unclear.any():
        row = int(np.argmax(unclear[order]))
        return UnreadableTime(
            row,
            f"occurs twice in {zone}, where the clock is set back at that time, and the order of the rows "
            "does not "
            "tell which of the two it is; write the offset from UTC, such as 2024-11-03 01:30-04:00",
        )
    local = clock.tz_localize(zone, ambiguous=is_first[order])
    moments = local.tz_convert("UTC").tz_localize(None).as_unit("ns")
    offsets = (clock.asi8 - moments.asi8) // 1_000_000_000
    return replace(read, times=moments, offsets=offsets.astype(np.int64))


def _doubtful(clock: pd.DatetimeIndex, zone: str) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which times the zone has twice, and which it does not have."""
    twice = np.asarray(clock.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").isna())
    present = clock.tz_localize(zone, ambiguous=np.ones(len(clock), bool), nonexistent="NaT")
    return twice, np.asarray(present.isna())


def _first_passes(
    moments: npt.NDArray[np.int64], ambiguous: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Of each ambiguous time whether it is the first of the two, and whether the order leaves that open.

    A run of ambiguous times that goes back once has both hours. A run that does not go back has one of them:
    it is open which.
    """
    is_first, unclear = np.zeros(len(moments), bool), np.zeros(len(moments), bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ambiguous, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2).tolist():
        back = np.flatnonzero(np.diff(moments[start:stop]) <= 0)
        if len(back) == 1:
            is_first[start : start + int(back[0]) + 1] = True
        else:
            unclear[start:stop] = True
    return is_first, unclear


def clock_change_zones(clock: pd.DatetimeIndex) -> list[str]:
    """The zones of exchanges in which a clock shows each of these times twice."""
    return [zone for zone in CLOCK_CHANGES if zone_exists(zone) and _doubtful(clock, zone)[0].all()]
