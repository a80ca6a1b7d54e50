"""Checks of the split: enough rows, and no target that reaches into the next split."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trainer.audit.audit_findings import AuditFinding
from trainer.config import DataConfig
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


def overlap_findings(split: FoldRows, times: "pd.DatetimeIndex", horizon: int) -> list[AuditFinding]:
    """Splits of a fold with a target that reaches into the rows or targets of a later split.

    Tests only the row positions, not how they were cut. A target reaches `horizon` rows ahead, also that of a
    held-out row; no training row may lie within its reach.
    """
    found: list[AuditFinding] = []
    for earlier, later, name, other in (
        (split.train, split.validation, "train", "validation"),
        (split.validation, split.test, "validation", "test"),
        (split.train, split.test, "train", "test"),
    ):
        reached = np.zeros(len(times) + 2 * horizon + 1, dtype=bool)
        for ahead in range(horizon + 1):
            reached[later + ahead] = True
        ends = [row for row in earlier.tolist() if reached[row : row + horizon + 1].any()]
        if ends:
            last = min(ends[0] + horizon, len(times) - 1)
            message = (
                f"{name}: its row at {times[ends[0]]} has a target that lies at {times[last]}, within the "
                f"rows and targets of {other}; this is a fault of the split, not of the data: report it"
            )
            found.append(AuditFinding("split_overlap", "error", name, None, None, message))
    return found


def few_rows_findings(rows: int, horizon: int, ceiling: float) -> list[AuditFinding]:
    """A warning if there are so few validation rows for the horizon that chance alone exceeds the ceiling of
    skill.
    """
    reached = skill_by_chance(rows, horizon)
    if reached <= ceiling:
        return []
    message = (
        f"validation: these rows cannot tell a leak from luck: n/h = {rows}/{horizon} = {rows / horizon:.1f} "
        f"independent rows, on which a useless forecast reaches a skill of {reached:.2f} once in twenty, "
        f"above the ceiling of {ceiling:.2f}; use more validation rows or a shorter data.target.horizon"
    )
    return [AuditFinding("few_independent_rows", "warning", "validation", reached, ceiling, message)]
