"""The sessions of an exchange, from the package exchange-calendars, which is imported only if it is used."""

import difflib
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.data.arrays import Floats

INSTALL = 'pip install "ballast-gru[calendars]"'
_PAD = 14 * 86400
"""A calendar needs a session; two weeks more on both sides have one."""


class CalendarError(Exception):
    """A calendar cannot be used; says why and what to do."""


@dataclass(frozen=True)
class Sessions:
    """S sessions of an exchange in time order; moments in seconds of UTC."""

    names: npt.NDArray[np.str_]
    """The days as ISO dates, (S,)."""
    days: Floats
    """Midnight of each day, as if it were in UTC, (S,)."""
    opens: Floats
    """When each session begins, (S,)."""
    closes: Floats
    """When each ends, (S,)."""
    breaks: Floats
    """Begin and end of the lunch break of each session, (S, 2); NaN without one."""

    def open_until(self, moments: Floats) -> Floats:
        """Seconds that the exchange was open from its first session here up to each of `moments` (n,)."""
        edges = np.column_stack([self.opens, self.breaks, self.closes]).ravel()  # (4 S,)
        edges = edges[~np.isnan(edges)]
        opened = np.cumsum(np.diff(edges)[::2])
        seconds = np.repeat(np.concatenate([[0.0], opened]), 2)[1:-1]
        result: Floats = np.interp(moments, edges, seconds)
        return result


def read_sessions(name: str, first: float, last: float) -> Sessions:
    """The sessions of the calendar `name` around the moments `first` to `last`, in seconds of UTC.

    Raises CalendarError if the package is missing, or has no such calendar or not for these years.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from the package, about pandas
        return _read_sessions(name, first, last)


def _read_sessions(name: str, first: float, last: float) -> Sessions:
    try:
        import exchange_calendars
        from exchange_calendars.errors import CalendarError as Refused
    except ImportError:
        raise CalendarError(
            f"data.calendar {name} needs the package exchange-calendars, which is not here; install it: "
            f"{INSTALL}"
        ) from None
    names = exchange_calendars.get_calendar_names(include_aliases=True)
    if name not in names:
        near = difflib.get_close_matches(name.upper(), names, n=1) or ["XNYS"]
        raise CalendarError(
            f"data.calendar: there is no calendar {name!r}; name an exchange by its code, such as {near[0]}"
        )
    start, end = (np.datetime64(int(moment), "s") for moment in (first - _PAD, last + _PAD))
    try:
        found = exchange_calendars.get_calendar(name, start=str(start)[:10], end=str(end)[:10])
    except (Refused, ValueError) as error:
        raise CalendarError(
            f"data.calendar {name}: {error} Remove data.calendar, or use later rows"
        ) from None
    days = found.sessions.to_numpy()
    lunch = np.column_stack([_seconds(found.break_starts), _seconds(found.break_ends)])
    return Sessions(
        names=days.astype("datetime64[D]").astype(np.str_),
        days=_seconds(found.sessions),
        opens=_seconds(found.opens),
        closes=_seconds(found.closes),
        breaks=lunch,
    )


def _seconds(times: object) -> Floats:
    """Seconds of UTC, (n,); NaN for NaT."""
    moments = np.asarray(times, dtype="datetime64[us]")
    seconds: Floats = np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1e6)
    return seconds
