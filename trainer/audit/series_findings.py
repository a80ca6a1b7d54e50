"""Findings of single series, told once for all series that have them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from trainer.audit.audit_findings import AuditFinding
from trainer.data.arrays import Rows
from trainer.data.source import Table

_MOST_NAMED = 5


def in_series(name: str, findings: Iterable[AuditFinding]) -> list[AuditFinding]:
    """The findings, of the series of that name; unchanged if the name is empty."""
    return [replace(each, series=(name,)) if name else each for each in findings]


def series_with(table: Table, rows: Rows) -> tuple[str, ...]:
    """The names of the series that hold `rows` of the table, in its order; empty if it names none."""
    if not table.series_names:
        return ()
    numbers = np.unique(np.searchsorted(table.series_starts, rows, "right") - 1)
    return tuple(table.series_names[number] for number in numbers)


def name_some(names: Sequence[str]) -> str:
    """The first five names, and how many there are more."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def told_once(findings: Iterable[AuditFinding], among: int) -> list[AuditFinding]:
    """The findings, those of one kind about one column told once for all series, of `among` in all.

    The message is that of the series whose value is farthest beyond its threshold; `series` begins with it.
    """
    groups: dict[object, list[AuditFinding]] = {}
    for number, each in enumerate(findings):
        key = (each.code, each.severity, each.where) if len(each.series) == 1 else number
        groups.setdefault(key, []).append(each)
    return [_together(group, among) for group in groups.values()]


def _together(group: Sequence[AuditFinding], among: int) -> AuditFinding:
    by_excess = sorted(group, key=_excess, reverse=True)
    worst = by_excess[0]
    names = tuple(dict.fromkeys(name for each in by_excess for name in each.series))
    message = worst.message
    if f"of {among} series" in message:
        pass  # it is about the panel, and names them itself
    elif len(names) > 1:
        of_worst = f", worst {names[0]}" if len(group) > 1 else ""
        message = f"in {len(names)} of {among} series{of_worst}: {message}"
    elif names and f"series {names[0]}" not in message:
        message = f"series {names[0]}: {message}"
    return replace(worst, message=message, series=names)


def _excess(finding: AuditFinding) -> float:
    value = 0.0 if finding.value is None else finding.value
    return abs(abs(value) - abs(finding.threshold or 0.0))
