"""Evaluations on record: who scored which configuration on which rows. Scored rows are no longer unseen."""

import getpass
import hashlib
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from search.config.resolved_study import DECIDES_NO_VALUE, ResolvedStudy, without_later_settings
from search.config.settings_without_effect import keys_without_effect
from search.record.row_mapping import now
from search.record.same_series import SharedRows
from search.record.scored_panel import ScoredPanel, scored_panel, shared_panel_rows
from search.record.scored_series import target_origin_columns
from storage import evaluations, tables
from storage.engine import Store
from trainer.config import DataConfig, is_path, move_source
from trainer.data.source import Table
from trainer.data.windows import Dataset

EvaluationKind = Literal["verify", "train", "walk-forward"]
"""Which command printed a score."""

UNRECORDED_EVALUATIONS_NOTE = (
    "Not on record, and not known: what was scored elsewhere on these rows, in another store, in a notebook, "
    "or with the forecasts of ballast predict"
)
_DECIDES_NOTHING = DECIDES_NO_VALUE | {"data.source"}
"""`data.source` is left out too: its path is relative to the file that names it."""


@dataclass(frozen=True)
class ScoredRows:
    """Rows that are scored: their series, and what identified it before series were stored.

    `last_time` is the time of the last target, `horizon` rows after the last row. Both times are on the
    source's clock.
    """

    source: str
    content: str
    """SHA-256 (hex) of the table's bytes."""
    target: str
    """The columns that the target is computed from."""
    first_time: datetime
    last_time: datetime
    series: ScoredPanel = field(repr=False)

    def shared_with(self, evaluation: tables.Evaluation) -> SharedRows | None:
        """Which of these rows an evaluation scored; None for none.

        Series are compared by their values, or, if the evaluation has no series on record, by table, target
        columns and times.
        """
        if evaluation.series is not None:
            return shared_panel_rows(self.series, ScoredPanel.unpacked(evaluation.series))
        same_table = evaluation.source == self.source or evaluation.content == self.content
        if not same_table or evaluation.target != self.target:
            return None
        return self.within(evaluation.first_time, evaluation.last_time)

    def within(self, first: datetime, last: datetime) -> SharedRows | None:
        """Which of these rows are between two times; None if none are."""
        begin, end = max(first, self.first_time), min(last, self.last_time)
        if begin > end:
            return None
        times = self.series.times.astype("datetime64[ns]")
        low, high = (np.datetime64(each.astimezone(UTC).replace(tzinfo=None), "ns") for each in (begin, end))
        inside = (times >= low) & (times <= high)
        return SharedRows(float(inside.mean()) if len(inside) else 0.0, begin, end)


def unseen_rows(resolved: ResolvedStudy, config: DataConfig, data: Dataset, table: Table) -> ScoredRows:
    """The test rows of a configuration, whose `data` were prepared from `table`."""
    return _scored_rows(resolved, config, table, data.times[data.test])


def validated_rows(
    resolved: ResolvedStudy, config: DataConfig, folds: Sequence[Dataset], table: Table
) -> ScoredRows:
    """The validation rows of all folds, which were prepared from `table`."""
    return _scored_rows(resolved, config, table, np.concatenate([d.times[d.validation] for d in folds]))


def rows_between(
    resolved: ResolvedStudy, table: Table, first: np.datetime64, last: np.datetime64
) -> ScoredRows:
    """The rows of a table between two times (naive UTC), both included, as targets of a study."""
    return _scored_rows(resolved, resolved.trial_config.data, table, np.array([first, last]))


def _scored_rows(
    resolved: ResolvedStudy, config: DataConfig, table: Table, times: "np.ndarray[Any, Any]"
) -> ScoredRows:
    source = full_source(config.source, resolved.folder)
    first, last = times.min(), times.max()
    bounds = [_bounds(config, table, span, first, last) for span in table.spans]
    begin, end = min(each[0] for each in bounds), max(each[1] for each in bounds)
    columns = ", ".join(target_origin_columns(config))
    panel = scored_panel(config, table, first, last)
    return ScoredRows(source, table.sha256, columns, begin, end, panel)


def _bounds(
    config: DataConfig, table: Table, span: slice, first: np.datetime64, last: np.datetime64
) -> tuple[datetime, datetime]:
    """The times of the first row of a series from `first` on, and of the last target until `last`; if it has
    no rows there, those of the rows that are nearest.
    """
    own = table.times[span]
    rows = int(own.searchsorted(first)), int(own.searchsorted(last, side="right")) - 1 + config.target.horizon
    begin, end = (table.moment(span.start + min(max(row, 0), len(own) - 1)) for row in rows)
    return begin, end


def full_source(source: str | Sequence[str], folder: Path) -> str:
    """The table of a study in `folder`, as evaluations name it."""
    moved = move_source(source, lambda path: str((folder / path).resolve()))
    return moved if isinstance(moved, str) else ", ".join(moved)


def earlier_evaluations(store: Store, rows: ScoredRows) -> list[tables.Evaluation]:
    """Those that scored some of these rows, oldest first."""
    near = evaluations.evaluations_near(store, rows.first_time, rows.last_time)
    return [evaluation for evaluation in near if rows.shared_with(evaluation) is not None]


def configuration_number(evaluation: tables.Evaluation, taken: Sequence[tables.Evaluation]) -> int:
    """Which configuration an evaluation judges, counted from 1 among those of `taken` and itself.

    The same configuration with the same seeds gives the same answer, and keeps its number. With other seeds
    it counts as another configuration, because it is another chance to be lucky.
    """
    judged = _judged(evaluation)
    return list(dict.fromkeys([*map(_judged, taken), judged])).index(judged) + 1


def first_evaluated_at(evaluation: tables.Evaluation, taken: Sequence[tables.Evaluation]) -> datetime:
    """When the same configuration with the same seeds was evaluated first: nothing was chosen after that."""
    same = [each.looked_at for each in taken if _judged(each) == _judged(evaluation)]
    return min(same, default=evaluation.looked_at)


def _judged(evaluation: tables.Evaluation) -> tuple[str, tuple[int, ...]]:
    return evaluation.configuration, tuple(evaluation.seeds)


def new_evaluation(
    rows: ScoredRows,
    *,
    study: str,
    trial: int | None,
    configuration: str,
    seeds: Sequence[int],
    kind: EvaluationKind = "verify",
) -> tables.Evaluation:
    """The row of an evaluation that is about to begin."""
    return tables.Evaluation(
        study=study,
        trial=trial,
        configuration=configuration,
        source=rows.source,
        content=rows.content,
        target=rows.target,
        first_time=rows.first_time,
        last_time=rows.last_time,
        looked_at=now(),
        looked_by=this_user(),
        seeds=list(seeds),
        kind=kind,
        series=rows.series.packed(),
    )


def decisive_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a trial, by key, that decide what is trained; those without effect are left out."""
    without_effect = _DECIDES_NOTHING | keys_without_effect(values)
    return {key: value for key, value in without_later_settings(values).items() if key not in without_effect}


def configuration_digest(decisive: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of decisive values; it does not depend on where the file of a configuration is."""
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def this_user() -> str:
    """`user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a user id without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def evaluation_to_json(evaluation: tables.Evaluation) -> dict[str, Any]:
    """One earlier evaluation in the shape that `verify --json` promises."""
    return {
        "at": evaluation.looked_at.isoformat(),
        "by": evaluation.looked_by,
        "kind": evaluation.kind,
        "study": evaluation.study,
        "trial": evaluation.trial,
        "configuration": evaluation.configuration,
        "seeds": len(evaluation.seeds),
        "verdict": evaluation.verdict,
    }


def source_shown(source: str) -> str:
    """The name of the table in a sentence."""
    return Path(source).name if is_path(source) else source
