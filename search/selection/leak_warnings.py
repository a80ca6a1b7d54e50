"""The warnings of the data audit that may mean a leak; every result repeats them. Pure functions."""

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
"""Codes of findings that may mean that a skill is not real; docs/leaks.md explains each."""

_MAX_NAMED = 5


def leak_warnings(findings: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """`{code, where}` of each finding that may mean a leak and is more than a note, in the order of the
    audit.

    `findings` have the keys `code`, `severity` and `where`, like those in a study's facts.
    """
    return [
        {"code": found["code"], "where": found["where"]}
        for found in findings
        if found["code"] in CODES and found["severity"] != "info"
    ]


def leak_warning_sentence(warnings: Sequence[Mapping[str, str]]) -> str:
    """One sentence that names the columns and codes; empty if there is no warning."""
    if not warnings:
        return ""
    named = [f"{printable(found['where'])} ({found['code']})" for found in warnings[:_MAX_NAMED]]
    more = f" and {len(warnings) - _MAX_NAMED} more" if len(warnings) > _MAX_NAMED else ""
    return f"The audit warned of {', '.join(named)}{more}: see ballast check."
