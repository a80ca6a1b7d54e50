"""Which series have rows when: by year, and at the beginning and the end of the splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.audit.audit_findings import AuditFinding
from trainer.audit.series_findings import name_some
from trainer.data.arrays import Floats, Rows
from trainer.data.panel import series_spans
from trainer.data.source import Table
from trainer.data.split import FoldRows

Mask = npt.NDArray[np.bool_]

_STILL_LISTED = 10
"""A series whose last row lies at most so many times before that of the table has not ended: markets close
on different days."""
_FEWEST_COMMON = 0.3
"""At the times of a series, at least this share of the other series has a row, too. Exchanges of different
countries share 0.9 of their days; two groups of equal size without a common time have nearly 0.5 each."""


@dataclass(frozen=True)
class YearCoverage:
    """The rows of one year, the series that have any, and the share of the cells that are filled: rows by
    the number of all series times that of the year's times, 0 to 1.
    """

    rows: int
    series: int
    share: float


@dataclass(frozen=True)
class PanelCoverage:
    """How a table of several series is filled. `begin_late` and `end_early` name the series whose first or
    last row lies inside the validation or the test, in the order of the table.
    """

    series: int
    times: int
    years: Mapping[int, YearCoverage]
    begin_late: tuple[str, ...] = ()
    end_early: tuple[str, ...] = ()


def panel_coverage(table: Table, splits: Sequence[FoldRows]) -> PanelCoverage | None:
    """The coverage of a table; None if its series have no names."""
    if not table.series_names:
        return None
    times = table.times.asi8
    firsts, lasts = _ends(table)
    begin, ends = _held_out_from(table, splits), _ended(times, lasts)
    return PanelCoverage(
        series=len(table.series_names),
        times=len(np.unique(times)),
        years=_years(table),
        begin_late=_named(table, firsts >= begin),
        end_early=_named(table, ends & (lasts >= begin)),
    )


def panel_findings(table: Table, splits: Sequence[FoldRows], coverage: PanelCoverage) -> list[AuditFinding]:
    """Remarks on series that begin late, end early, are short or follow a calendar of their own."""
    if coverage.series < 2:
        return []
    return [
        *_late_findings(coverage),
        *_survivor_findings(table),
        *_short_findings(table, splits, coverage),
        *_calendar_findings(table),
    ]


def _ends(table: Table) -> tuple[Rows, Rows]:
    """The first and the last moment of each series, (S,)."""
    times = table.times.asi8
    firsts = [times[span].min() for span in table.spans]
    return np.array(firsts), np.array([times[span].max() for span in table.spans])


def _held_out_from(table: Table, splits: Sequence[FoldRows]) -> float:
    """The first moment of any validation or test row; infinite if there is none."""
    times = table.times.asi8
    held = [times[rows].min() for split in splits for rows in (split.validation, split.test) if len(rows)]
    return min(held, default=np.inf)


def _ended(times: Rows, lasts: Rows) -> Mask:
    """Whether each series ends before the table does, (S,)."""
    moments = np.unique(times)
    ended: Mask = lasts < moments[-min(_STILL_LISTED + 1, len(moments))]
    return ended


def _named(table: Table, chosen: Mask) -> tuple[str, ...]:
    return tuple(table.series_names[number] for number in np.flatnonzero(chosen))


def _years(table: Table) -> dict[int, YearCoverage]:
    clock = table.times if table.offsets is None else table.times + table.offsets.astype("timedelta64[s]")
    years, series = clock.year.to_numpy(), len(table.series_names)
    numbers = np.repeat(np.arange(series), [span.stop - span.start for span in table.spans])
    found = {}
    for year in np.unique(years):
        inside = years == year
        rows, times = int(inside.sum()), len(np.unique(table.times.asi8[inside]))
        found[int(year)] = YearCoverage(rows, len(np.unique(numbers[inside])), rows / (series * times))
    return found


def _late_findings(coverage: PanelCoverage) -> list[AuditFinding]:
    found = []
    for code, names, told in (
        ("begins_late", coverage.begin_late, "begin inside validation or test, and have no training rows"),
        ("ends_early", coverage.end_early, "end inside validation or test"),
    ):
        if names:
            message = (
                f"{len(names)} of {coverage.series} series {told}: {name_some(names)}; results by year "
                "compare different series"
            )
            found.append(AuditFinding(code, "info", "time", float(len(names)), None, message, names))
    return found


def _survivor_findings(table: Table) -> list[AuditFinding]:
    if _ended(table.times.asi8, _ends(table)[1]).any():
        return []
    message = (
        f"none of the {len(table.series_names)} series ends before the table does: an index of today's "
        "members is a leak that no check can see; if the series were chosen by what is known today, take "
        "those of each day, with the ones that were delisted"
    )
    return [AuditFinding("survivorship", "info", "time", 0.0, None, message)]


def _short_findings(table: Table, splits: Sequence[FoldRows], coverage: PanelCoverage) -> list[AuditFinding]:
    """Series that were there in time for a split and yet have no rows in it."""
    firsts, lasts = _ends(table)
    begin = _held_out_from(table, splits)
    validation = np.concatenate([split.validation for split in splits])
    # A series that ends before validation or begins in the test is none that is too short for it.
    there = lasts >= begin
    if len(validation):
        there &= firsts <= table.times.asi8[validation].max()
    missing = {
        "training": (splits[-1].train, firsts < begin),
        "validation": (validation, there),
    }
    found = []
    told = _counts(table, splits[-1].unseen) > 0
    for name, (rows, expected) in missing.items():
        absent = (_counts(table, rows) == 0) & expected & ~told
        told |= absent
        short = _named(table, absent)
        if short and len(rows):
            message = (
                f"{len(short)} of {coverage.series} series have no {name} rows: {name_some(short)}; they are "
                "too short for the warm-up, data.seq_len and the horizon"
            )
            where = "train" if name == "training" else name
            found.append(AuditFinding("short_series", "info", where, float(len(short)), None, message, short))
    return found


def _counts(table: Table, rows: Rows) -> Rows:
    """How many of the `rows` each series has, (S,)."""
    numbers = np.searchsorted(table.series_starts, rows, "right") - 1
    return np.bincount(numbers, minlength=len(table.series_names))


def _calendar_findings(table: Table) -> list[AuditFinding]:
    """Series at whose times few of the others have a row."""
    shares = _common_shares(table)
    few = np.flatnonzero(shares < _FEWEST_COMMON)
    if not len(few):
        return []
    worst = few[np.argsort(shares[few], kind="stable")]
    names = tuple(table.series_names[number] for number in worst)
    share = float(shares[worst[0]])
    message = (
        f"{len(names)} of {len(shares)} series have few times in common with the others: {name_some(names)}; "
        f"at the times of {names[0]} {share:.0%} of the other series have a row (usual: at least "
        f"{_FEWEST_COMMON:.0%}), so that comparisons at one time do not see it; make sure that all times are "
        "on one clock, and that days carry the same time of day"
    )
    return [AuditFinding("few_common_times", "warning", "time", share, _FEWEST_COMMON, message, names)]


def _common_shares(table: Table) -> Floats:
    """For each series, at its times, the mean share of the other series between their first and last row
    that have a row as well, (S,); 1 if there is no other.
    """
    moments, numbers = np.unique(table.times.asi8, return_inverse=True)
    spans = series_spans(table.series_starts, len(numbers))
    present = np.bincount(numbers)
    begun = np.zeros(len(moments) + 1)
    for span in spans:
        begun[numbers[span].min()] += 1
        begun[numbers[span].max() + 1] -= 1
    listed = np.cumsum(begun)[:-1]
    shares = np.ones(len(spans))
    for series, span in enumerate(spans):
        own = numbers[span][listed[numbers[span]] > 1]
        if len(own):
            shares[series] = ((present[own] - 1) / (listed[own] - 1)).mean()
    return shares
