"""What the data audit warned of that may be a leak: told again beside every result. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trainer.text import printable

CODES = (
    "leads_target",
    "lifts_forecast",
    "counts_down",
    "target_of_own_row",
    "repeated_target",
    "target_overlaps",
    "few_independent_rows",
)
"""Findings that may mean that a skill is not real; docs/leaks.md explains each."""

_MOST = 5


def leak_warnings(findings: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """`{code, where}` of each such finding that is no mere note, in the order of the audit.

    `findings` have the keys `code`, `severity` and `where`, as those that a study's facts keep.
    """
    return [
        {"code": found["code"], "where": found["where"]}
        for found in findings
        if found["code"] in CODES and found["severity"] != "info"
    ]


def leak_warning_sentence(warnings: Sequence[Mapping[str, str]]) -> str:
    """One sentence that names each column and code; empty where there is no warning."""
    if not warnings:
        return ""
    named = [f"{printable(found['where'])} ({found['code']})" for found in warnings[:_MOST]]
    more = f" and {len(warnings) - _MOST} more" if len(warnings) > _MOST else ""
    return f"The audit warned of {', '.join(named)}{more}: see ballast check."
