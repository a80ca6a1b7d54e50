"""Splits the rows of a table for a study: dates, blocks, and gaps that no window crosses."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from search.api.init_facts import DAY_SECONDS, StudyPlan
from search.errors import RequestError
from trainer.config import GuardConfig, Split

if TYPE_CHECKING:
    from trainer.data.arrays import Floats, Rows
    from trainer.data.features import FeaturesAndTarget
    from trainer.data.source import Table


TRAIN_SHARE, LATE_TRAIN_SHARE, HELD_SHARE = 0.3, 0.5, 0.8
"""Shares of the rows up to the end of train and of validation: the recipe's, and for short tables a longer
train."""


_SHORT = 500
"""Rows that the first fold should train on; with fewer it begins later."""


_FOLDS, _FOLDS_OF_MANY = (5, 4, 3, 2), (2,)


_LEAST_BLOCK = 50
"""Rows of a block; the loss of fewer is mostly noise."""


_GAPS = ((2, "2h"), (20, "20h"), (96, "4d"))
"""Hours of a lunch break, a night, and a long weekend."""


_KEPT = 0.8
"""Share of the rows that should keep a whole window between gaps."""


def find_max_gap(seconds: "Floats", step: float, rows: int) -> str | None:
    """The shortest gap that leaves most rows a window of `rows` rows without a longer one.

    `seconds` (T,) are the ascending times. None if no gap is longer than three steps, or all are too short.
    """
    import numpy as np

    steps = np.diff(seconds)
    for gap, text in ((3 * step, duration_text(3 * step)), *((each * 3600, text) for each, text in _GAPS)):
        ends = np.flatnonzero(steps > gap)
        if gap < 3 * step:
            continue
        if not len(ends):
            return text if gap > 3 * step else None
        runs = np.diff(np.concatenate([[-1], ends, [len(seconds) - 1]]))
        if np.maximum(runs - rows + 1, 0).sum() >= _KEPT * len(seconds):
            return text
    return None


def duration_text(seconds: float) -> str:
    """A duration as `data.max_gap` is written, such as `2h`."""
    unit, size = next((each for each in (("h", 3600), ("min", 60)) if seconds % each[1] == 0), ("s", 1))
    return f"{seconds / size:g}{unit}"


def with_split(draft: StudyPlan, table: "Table") -> StudyPlan:
    """The plan with the dates of its split, as many blocks as the rows allow, and what an audit refuses."""
    import numpy as np

    from trainer.audit.check_broken_values import broken_value_findings
    from trainer.audit.check_series import constant_findings, target_findings
    from trainer.audit.check_table import table_findings
    from trainer.data.features import build_features
    from trainer.data.split import MIN_HELD_OUT, MIN_TRAIN, cut_folds, short_splits

    config = draft.data({"fractions": {"train": 0.5, "validation": 0.3}})
    built = build_features(config, table)
    for split in _splits(draft, table, built) if len(built.rows) > MIN_TRAIN else ():
        config = config.model_copy(update={"split": Split.model_validate(split)})
        folds = cut_folds(config, table.times, built, table.offsets)
        if not any(short_splits(fold) for fold in folds):
            seen = np.concatenate([folds[-1].fitting, folds[-1].validation])
            found = [
                *table_findings(config, table),
                *broken_value_findings(config, table, built),
                *constant_findings(config, table, built, folds),
                *target_findings(config, GuardConfig(), built, seen),
            ]
            refusals = tuple(each.message for each in found if each.severity == "error")
            return replace(draft, split=split, span=span_of(table), refusals=refusals)
    least = built.first + draft.seq_len + MIN_TRAIN + 2 * MIN_HELD_OUT + 3 * draft.target["horizon"]
    raise RequestError(
        f"{draft.facts.source} has {len(table.frame)} rows, too few for a split: a study of it needs about "
        f"{least}, {built.first} of them to fill the windows of its features; take a longer series"
    )


def span_of(table: "Table") -> tuple[str, str]:
    """The days of the first and the last row, such as 2024-01-02."""
    return table.when(int(table.times.argmin()))[:10], table.when(int(table.times.argmax()))[:10]


def _splits(draft: StudyPlan, table: "Table", built: "FeaturesAndTarget") -> Sequence[dict[str, Any]]:
    """Splits of the rows, the best first: the recipe's blocks, fewer blocks, one block."""
    rows = _row_of_each_time(table, built)
    train = TRAIN_SHARE if TRAIN_SHARE * len(rows) >= _SHORT else LATE_TRAIN_SHARE
    last = [int(rows[int(share * len(rows)) - 1]) for share in (train, HELD_SHARE)]
    first, second = (_date(draft, table, row) for row in last)
    if first >= second:
        return ()
    dates = {"train_until": first, "validation_until": second}
    return [
        *(
            {"method": "walk_forward", **dates, "folds": folds}
            for folds in (_FOLDS_OF_MANY if draft.has_many_rows else _FOLDS)
            if (HELD_SHARE - train) * len(rows) / folds >= _LEAST_BLOCK
        ),
        {"method": "holdout", **dates},
    ]


def _row_of_each_time(table: "Table", built: "FeaturesAndTarget") -> "Rows":
    """The usable rows in the order of time; of several at one time the first."""
    import numpy as np

    return built.rows[np.unique(table.times.asi8[built.rows], return_index=True)[1]]


def _date(draft: StudyPlan, table: "Table", row: int) -> str:
    """The day of a row on the clock of the source; its time of day too if the table covers days only."""
    days = (table.times.max() - table.times.min()).days
    shown = table.when(row)
    return shown[:10] if days > 60 or draft.facts.step >= 0.8 * DAY_SECONDS else shown[:19]
