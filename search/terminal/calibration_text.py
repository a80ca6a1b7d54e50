"""Prints what a calibration measured: a row per key, with the outcomes of the values that were tried."""

from pathlib import Path

from search.config.calibration.measurement import Measurement
from search.config.calibration.plan import shown
from search.config.safe_ranges import SafeRange
from search.terminal.result_tables import console
from search.terminal.styles import plain_text
from search.terminal.text import say
from search.terminal.text_table import TableColumn, TableRow, TextTable
from search.text import duration


def print_calibration(found: Measurement, saved: Path, run_command: str) -> None:
    """Print the table of keys, what was run, and the command that uses the policy."""
    console().print(_table(found))
    if found.corners:
        unstable = sum(not point.is_stable for _, point in found.corners)
        say(
            f"ends tried together: {len(found.corners)}, not stable: {unstable}"
            f"{'; ranges were moved inwards until all were' if unstable else ''}"
        )
    say(f"{found.sentence()}; {duration(found.seconds)}")
    say(f"not measured: {len(found.not_measured)} keys; {saved} says why, and keeps their ranges")
    say(f"saved; use it: {run_command}")


def _table(found: Measurement) -> TextTable:
    columns = [
        TableColumn("key"),
        TableColumn("study's own"),
        TableColumn("before"),
        TableColumn("measured"),
    ]
    rows = [
        TableRow(
            (
                plain_text(each.key),
                shown(each.plan.own),
                bounds_text(each.plan.safe),
                bounds_text(each.safe_range()),
            ),
            (each.outcomes(),),
        )
        for each in found.ranges
    ]
    return TextTable(columns, rows, elsewhere="see --json, or a wider terminal")


def bounds_text(safe: SafeRange) -> str:
    """`0.001 to 0.1`, `up to 0.1`, `from 16`."""
    if safe.low is None:
        return "any" if safe.high is None else f"up to {shown(safe.high)}"
    return f"from {shown(safe.low)}" if safe.high is None else f"{shown(safe.low)} to {shown(safe.high)}"
