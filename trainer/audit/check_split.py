"""Checks of the split: enough rows, and no target that reaches into the next split."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trainer.audit.audit_findings import AuditFinding
from trainer.config import DataConfig
from trainer.data.arrays import Rows
from trainer.data.panel import by_series
from trainer.data.split import FoldRows, min_rows, require_enough_rows, short_splits
from trainer.errors import SplitError
from trainer.rivals.skill import skill_by_chance

if TYPE_CHECKING:
    import pandas as pd


def count_findings(config: DataConfig, folds: Sequence[FoldRows], warm_up: int) -> list[AuditFinding]:
    """A finding if a split has too few rows. The message names all such splits of the first such fold;
    `where` names the first.
    """
    try:
        require_enough_rows(config, folds, warm_up)
    except SplitError as error:
        split, name = next((split, short[0]) for split in folds if (short := short_splits(split)))
        found, needed = float(split.counts[name]), float(min_rows(name))
        return [AuditFinding("too_few_rows", "error", name, found, needed, str(error))]
    return []


def max_gap_findings(
    config: DataConfig, rows: Mapping[str, int], rows_without: Mapping[str, int]
) -> list[AuditFinding]:
    """Says how many rows `max_gap` leaves out of each split; `rows_without` are those without it."""
    lost = {name: rows_without[name] - rows[name] for name in rows}
    shares = ", ".join(f"{count} of {rows_without[name]} {name}" for name, count in lost.items())
    message = (
        f"{config.shown_source}: data.max_gap {config.max_gap} leaves out {shares} rows, because a window or "
        "a target would cross a longer gap"
    )
    return [AuditFinding("max_gap", "info", "time", float(sum(lost.values())), None, message)]


def overlap_findings(
    split: FoldRows, times: "pd.DatetimeIndex", starts: Rows, horizon: int
) -> list[AuditFinding]:
    """Splits of a fold with a target that reaches into the rows or targets of a later split of its series.

    Looks only at the row positions, not at how they were cut. A row's target reaches `horizon` rows ahead,
    and so do the targets of held-out rows, within which no training row may lie. `times` (T,) are those of
    the table, whose series begin at `starts`.
    """
    ends = by_series(starts, lambda rows: np.full(len(rows), rows[-1]), np.arange(len(times)))  # (T,)
    found: list[AuditFinding] = []
    for earlier, later, name, other in (
        (split.train, split.validation, "train", "validation"),
        (split.validation, split.test, "validation", "test"),
        (split.train, split.test, "train", "test"),
    ):
        reached = np.zeros(len(times), dtype=bool)
        for ahead in range(horizon + 1):
            reached[np.minimum(later + ahead, ends[later])] = True
        over = [row for row in earlier.tolist() if reached[row : min(row + horizon, ends[row]) + 1].any()]
        if over:
            last = min(over[0] + horizon, int(ends[over[0]]))
            message = (
                f"{name}: its row at {times[over[0]]} has a target that lies at {times[last]}, within the "
                f"rows and targets of {other}; this is a fault of the split, not of the data: report it"
            )
            found.append(AuditFinding("split_overlap", "error", name, None, None, message))
    return found


def few_rows_findings(rows: float, horizon: int, ceiling: float) -> list[AuditFinding]:
    """A warning if there are so few validation rows for the horizon that chance alone exceeds the ceiling of
    skill.
    """
    reached = skill_by_chance(rows, horizon)
    if reached <= ceiling:
        return []
    message = (
        f"validation: these rows cannot tell a leak from luck: n/h = {rows:.0f}/{horizon} = "
        f"{rows / horizon:.1f} independent rows, on which a useless forecast reaches a skill of "
        f"{reached:.2f} once in twenty, above the ceiling of {ceiling:.2f}; use more validation "
        "rows or a shorter data.target.horizon"
    )
    return [AuditFinding("few_independent_rows", "warning", "validation", reached, ceiling, message)]
