"""Checks of the split as it was cut: rows enough, and no target that reaches into the next split."""

import pandas as pd

from trainer.config import DataConfig
from trainer.data.findings import AuditFinding
from trainer.data.split import SplitRows, check_counts, minimum_of
from trainer.errors import SplitError


def count_findings(config: DataConfig, split: SplitRows, warm_up: int) -> list[AuditFinding]:
    """Splits that are too short; the message names all of them, the finding the first."""
    try:
        check_counts(config, split, warm_up)
    except SplitError as error:
        short = next(name for name, count in split.counts.items() if count < minimum_of(name))
        return [
            AuditFinding(
                "too_few_rows",
                "error",
                short,
                float(split.counts[short]),
                float(minimum_of(short)),
                str(error),
            )
        ]
    return []


def overlap_findings(split: SplitRows, times: pd.DatetimeIndex, horizon: int) -> list[AuditFinding]:
    """Splits whose last target time does not lie before the first row of the next one.

    Judges the rows alone, by their times, knowing nothing of how they were cut.
    """
    found: list[AuditFinding] = []
    for earlier, later, name, other in (
        (split.train, split.validation, "train", "validation"),
        (split.validation, split.test, "validation", "test"),
    ):
        if not len(earlier) or not len(later):
            continue
        reach = times[min(int(earlier.max()) + horizon, len(times) - 1)]
        start = times[int(later.min())]
        if reach >= start:
            message = (
                f"{name}: its last target lies at {reach}, and {other} starts at {start}, which must be "
                "later; this is a fault of the split, not of the data: report it"
            )
            found.append(AuditFinding("split_overlap", "error", name, None, None, message))
    return found
