"""Checks of the table: order of times, missing and infinite cells, sizes of numbers."""

import numpy as np
import numpy.typing as npt

from trainer.audit.audit_findings import AuditFinding
from trainer.audit.check_gaps import gap_findings
from trainer.audit.repeated_times import clock_advice, repetition_advice
from trainer.audit.series_findings import in_series, series_with
from trainer.config import DataConfig
from trainer.data.arrays import Floats
from trainer.data.features import count_leading_nan, target_shift
from trainer.data.source import Table, columns_of, input_columns

EXACT_LIMIT = float(2**53)
"""Above this a float64 cannot hold every whole number."""


def table_findings(config: DataConfig, table: Table) -> list[AuditFinding]:
    """All findings about the rows and cells of the table."""
    # A target that is already shifted may lack its last values: they are not known yet.
    open_end = config.target.column if target_shift(config.target) == 0 else None
    inputs = {name for feature in config.features for name in columns_of(feature)}
    findings = _time_findings(config, table)
    for name in input_columns(config):
        values = table.frame[name].to_numpy(np.float64)
        tail = config.target.horizon if name == open_end and name not in inputs else 0
        findings += _cell_findings(table, name, values, tail)
    return findings


def _time_findings(config: DataConfig, table: Table) -> list[AuditFinding]:
    is_back = np.diff(table.times.asi8) < 0
    is_back[table.series_starts[1:] - 1] = False
    back = np.flatnonzero(is_back) + 1
    repeated = np.flatnonzero(np.concatenate([table.times[span].duplicated() for span in table.spans]))
    return [
        *_order_findings(
            table,
            "unsorted_time",
            back,
            "is earlier than the one before",
            clock_advice(config, table, back) or "sort the rows by time: set data.sort: true",
        ),
        *_order_findings(
            table,
            "repeated_time",
            repeated,
            "occurs before in the table",
            repetition_advice(config, table, repeated),
        ),
        *gap_findings(config, table),
    ]


def _order_findings(
    table: Table, code: str, rows: npt.NDArray[np.intp], problem: str, advice: str
) -> list[AuditFinding]:
    if not len(rows):
        return []
    row = int(rows[0])
    message = (
        f"{table.place(row)}: time {table.when(row)} {problem} ({len(rows)} such rows, 0 allowed); {advice}"
    )
    named = series_with(table, rows)
    return [AuditFinding(code, "error", "time", float(len(rows)), 0.0, message, named)]


def _cell_findings(table: Table, name: str, values: Floats, open_tail: int) -> list[AuditFinding]:
    """NaN inside the column, empty cells at its beginning, infinities, and numbers too large to be exact."""
    found: list[AuditFinding] = []
    if np.isnan(values).all():
        message = f"{table.source}: column {name} holds no number at all; fill it or take it out of the study"
        return [AuditFinding("nan_cells", "error", name, float(len(values)), 0.0, message)]
    inner: list[npt.NDArray[np.int64]] = []
    for span in table.spans:
        head, tail = _empty_ends(values[span], open_tail)
        inner.append(np.arange(span.start + head, span.stop - tail))
        if head:
            message = (
                f"{table.place(span.start)}: column {name} is empty in the first {head} rows, which are left "
                "out of all splits; fill them in if that is not meant"
            )
            finding = AuditFinding("empty_head", "info", name, float(head), None, message)
            found += in_series(table.series_of(span.start), [finding])
    inside = np.concatenate(inner)
    nan, infinite = inside[np.isnan(values[inside])], inside[np.isinf(values[inside])]
    if len(nan):
        message = _cells_message(table, name, values, nan, "fill in or remove these rows")
        named = series_with(table, nan)
        found.append(AuditFinding("nan_cells", "error", name, float(len(nan)), 0.0, message, named))
    if len(infinite):
        message = _cells_message(table, name, values, infinite, "correct or remove these rows")
        named, count = series_with(table, infinite), float(len(infinite))
        found.append(AuditFinding("infinite_cells", "error", name, count, 0.0, message, named))
    sizes = np.where(np.isfinite(values), np.abs(values), 0.0)
    if sizes.max() > EXACT_LIMIT:
        row = int(sizes.argmax())
        message = (
            f"{table.place(row)}: column {name} is {values[row]:g} at {table.when(row)}, and whole numbers "
            f"are exact up to {EXACT_LIMIT:.3g} only; correct the cell or change the unit of the column"
        )
        named, size = series_with(table, np.flatnonzero(sizes > EXACT_LIMIT)), float(sizes[row])
        found.append(AuditFinding("huge_values", "warning", name, size, EXACT_LIMIT, message, named))
    return found


def _empty_ends(values: Floats, open_tail: int) -> tuple[int, int]:
    """Empty cells of a series (n,) at its beginning, and up to `open_tail` at its end; none of a series that
    is empty throughout, because that is an error.
    """
    head, tail = count_leading_nan(values), min(count_leading_nan(values[::-1]), open_tail)
    return (0, 0) if head == len(values) else (head, tail)


def _cells_message(table: Table, name: str, values: Floats, rows: npt.NDArray[np.int64], advice: str) -> str:
    row = int(rows[0])
    if np.isnan(values[row]) and np.isnan(table.frame.to_numpy()[rows]).all():
        advice = "set data.drop_empty: true, which leaves out rows without any number, or fill them in"
    held = "NaN or empty" if np.isnan(values[row]) else f"{values[row]:g}"
    return (
        f"{table.place(row)}: column {name} is {held} at {table.when(row)} ({len(rows)} such cells, 0 "
        f"allowed); {advice}"
    )
