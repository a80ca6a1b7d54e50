"""Checks of the time between rows: lost rows, and the regular breaks of trading, which are none.

Bars within a day have a gap every night, weekend or lunch break. A gap is such a break if it ends at a time
of day at which many gaps end, or if it is a weekend. `data.calendar` replaces this by the sessions of an
exchange.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.audit.audit_findings import AuditFinding, Severity
from trainer.audit.exchange_calendar import CalendarError, Sessions, read_sessions
from trainer.audit.series_findings import in_series
from trainer.config import DataConfig
from trainer.data.arrays import Floats, Rows
from trainer.data.source import Table
from trainer.durations import short_duration

MAX_GAP_STEPS = 10.0
"""Shortest gap in time that is reported, in median steps; no weekend, holiday or closed week of daily data is
as long."""
_DAY, _HOUR = 86400, 3600
_LONGEST_BREAK = 10 * _DAY
"""Of bars within a day: the same bound, for nights with holidays behind them."""
_LONGEST_WEEKEND = 4 * _DAY
_FEWEST_BREAKS, _PER_WEEK, _SHARE = 3, 0.2, 0.3
"""A time of day at which trading begins ends at least so many gaps, in all, a week and of all gaps."""
_MOST_NAMED = 5

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Steps:
    """The steps between the n distinct times of one series; n − 1 of them, in seconds."""

    rows: Rows
    """The row of the table of each time, (n,)."""
    moments: Floats
    """Each time in seconds of UTC, (n,)."""
    clock: Floats
    """The same on the source's clock, (n,)."""

    @property
    def seconds(self) -> Floats:
        return np.diff(self.moments)

    @property
    def usual(self) -> float:
        """The median step."""
        return float(np.median(self.seconds))

    @property
    def is_wide(self) -> Mask:
        """Which steps are so long that rows may be lost there."""
        wide: Mask = self.seconds > MAX_GAP_STEPS * self.usual
        return wide


def gap_findings(config: DataConfig, table: Table) -> list[AuditFinding]:
    """Gaps of each series that no window should cross unnoticed; a median step needs at least three times."""
    found: list[AuditFinding] = []
    for span in table.spans:
        steps = _steps(table, span)
        if len(steps.rows) < 3:
            continue
        name = table.series_of(span.start)
        if config.calendar is None:
            found += in_series(name, _without_calendar(config, table, steps))
            continue
        try:
            sessions = read_sessions(config.calendar, steps.moments[0], steps.moments[-1])
        except CalendarError as error:
            return [AuditFinding("no_calendar", "error", "time", None, None, str(error))]
        found += in_series(name, _with_calendar(config, table, steps, sessions))
    return found


def _steps(table: Table, span: slice) -> _Steps:
    moments, rows = np.unique(table.times.as_unit("us").asi8[span], return_index=True)
    rows = rows + span.start
    seconds = moments / 1e6
    return _Steps(rows, seconds, seconds + (0 if table.offsets is None else table.offsets[rows]))


def _without_calendar(config: DataConfig, table: Table, steps: _Steps) -> list[AuditFinding]:
    breaks = _regular_breaks(steps)
    return [
        *_lost_rows(config, table, steps, steps.is_wide & ~breaks),
        *_breaks_finding(config, table, steps, breaks),
    ]


def _regular_breaks(steps: _Steps) -> Mask:
    """Which steps are nights, weekends or lunch breaks of bars within a day, (n − 1,)."""
    wide = np.flatnonzero(steps.is_wide)
    breaks = np.zeros(len(steps.seconds), dtype=bool)
    if steps.usual >= _DAY or not len(wide):
        return breaks
    weeks = (steps.moments[-1] - steps.moments[0]) / (7 * _DAY)
    times, counts = np.unique(steps.clock[wide + 1] % _DAY, return_counts=True)
    apart = np.abs(times[:, None] - times)
    near = np.minimum(apart, _DAY - apart) <= _HOUR  # clocks change by an hour
    fewest = max(_FEWEST_BREAKS, _PER_WEEK * weeks, _SHARE * len(wide))
    openings = times[near @ counts >= fewest]
    begins = np.isin(steps.clock[wide + 1] % _DAY, openings) & (steps.seconds[wide] < _LONGEST_BREAK)
    breaks[wide] = begins | _is_weekend(steps.clock[wide], steps.clock[wide + 1])
    return breaks


def _is_weekend(before: Floats, behind: Floats) -> Mask:
    """Whether a whole Saturday, and hardly more than a weekend, lies between two times in seconds."""
    week, first_saturday = 7 * _DAY, 2 * _DAY  # 1970-01-01 was a Thursday
    saturday = np.ceil((before - first_saturday) / week) * week + first_saturday
    weekend: Mask = (saturday + _DAY <= behind) & (behind - before <= _LONGEST_WEEKEND)
    return weekend


def _lost_rows(
    config: DataConfig, table: Table, steps: _Steps, lost: Mask, shortest: float = MAX_GAP_STEPS
) -> list[AuditFinding]:
    """A warning about the `lost` steps that windows cross; those longer than `max_gap` are not crossed.

    `shortest` is the bound above which a step counts as lost, in usual steps.
    """
    crossed = np.flatnonzero(lost & (steps.seconds <= (config.max_gap_seconds or np.inf)))
    if not len(crossed):
        return []
    widest = int(crossed[np.argmax(steps.seconds[crossed])])
    ratio = float(steps.seconds[widest] / steps.usual)
    before, behind = (table.when(int(row)) for row in steps.rows[widest : widest + 2])
    advised = short_duration(_keeps_out(steps, lost) or shortest * steps.usual)
    is_open = f" while {config.calendar} is open" if config.calendar else ""
    zone = " (if they are there, name their zone: data.timezone)" if is_open and table.offsets is None else ""
    message = (
        f"{table.source}: there is no row between {before} and {behind}{is_open}, a gap of {ratio:.1f} "
        f"median steps ({len(crossed)} gaps above {shortest:g}){zone}; set data.max_gap: {advised}, so that "
        "no window and no target crosses a longer gap"
    )
    return [AuditFinding("time_gap", "warning", "time", ratio, shortest, message)]


def _keeps_out(steps: _Steps, lost: Mask) -> float | None:
    """The longest step that is not `lost`, if every lost one is longer: a `max_gap` that cuts these alone."""
    longest = float(steps.seconds[~lost].max(initial=0.0))
    return longest if 0 < longest < steps.seconds[lost].min() and longest > steps.usual else None


def _breaks_finding(config: DataConfig, table: Table, steps: _Steps, breaks: Mask) -> list[AuditFinding]:
    """Says that windows cross the regular breaks, unless `max_gap` is set."""
    count = int(breaks.sum())
    if not count or config.max_gap is not None:
        return []
    longest = float(steps.seconds[breaks].max())
    message = (
        f"{table.source}: rows are {short_duration(steps.usual)} apart, with {count} nights, weekends or "
        f"other breaks of up to {short_duration(longest)}, which windows and targets cross; if they must "
        f"not, set data.max_gap: {short_duration(MAX_GAP_STEPS * steps.usual)}"
    )
    return [AuditFinding("session_breaks", "info", "time", float(count), None, message)]


def _with_calendar(config: DataConfig, table: Table, steps: _Steps, sessions: Sessions) -> list[AuditFinding]:
    """Sessions without a row; and, of bars within a day, gaps while the exchange is open."""
    if steps.usual > _DAY:
        return _without_calendar(config, table, steps)  # a row is longer than a session
    if steps.usual == _DAY:
        days = np.floor(steps.clock / _DAY) * _DAY
        behind, missing = _without_row(days, sessions.days, sessions.days)
        return _missing_sessions(config, table, steps, sessions.names[missing], behind)
    behind, missing = _without_row(steps.moments, sessions.opens, sessions.closes)
    shortest = min(MAX_GAP_STEPS, float(np.median(sessions.closes - sessions.opens)) / 2 / steps.usual)
    lost = np.diff(sessions.open_until(steps.moments)) > shortest * steps.usual
    lost[behind - 1] = False
    return [
        *_missing_sessions(config, table, steps, sessions.names[missing], behind),
        *_lost_rows(config, table, steps, lost, shortest),
    ]


def _without_row(times: Floats, begins: Floats, ends: Floats) -> tuple[Rows, Rows]:
    """For each session between the first and the last of `times` (n,) that holds none of them: the number of
    the time behind it, and its own number.
    """
    first, behind = np.searchsorted(times, begins), np.searchsorted(times, ends, "right")
    missing = np.flatnonzero((first == behind) & (first > 0) & (first < len(times)))
    return first[missing], missing


def _missing_sessions(
    config: DataConfig, table: Table, steps: _Steps, names: npt.NDArray[np.str_], behind: Rows
) -> list[AuditFinding]:
    """A finding that names the sessions without a row; `behind` are the numbers of the times behind them."""
    if not len(names):
        return []
    lost = np.zeros(len(steps.seconds), dtype=bool)
    lost[behind - 1] = True
    is_crossed = bool((steps.seconds[lost] <= (config.max_gap_seconds or np.inf)).any())
    advised, gap = _keeps_out(steps, lost), ""
    if is_crossed and advised is not None:
        gap = f", or set data.max_gap: {short_duration(advised)}, so that no window crosses the gap"
    named = ", ".join(map(str, names[:_MOST_NAMED]))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    told = "1 session" if len(names) == 1 else f"{len(names)} sessions"
    message = (
        f"{table.source}: {told} of {config.calendar} without a row: {named}{more}; get these rows from "
        f"where the table comes from{gap}"
    )
    severity: Severity = "warning" if is_crossed else "info"
    return [AuditFinding("missing_sessions", severity, "time", float(len(names)), 0.0, message)]
