"""Looks at test rows: who has scored what on them before. A row that was looked at is no longer unseen."""

import getpass
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from search.config.resolved import ResolvedStudy
from search.recording import now
from storage import evaluations, tables
from storage.engine import Store
from trainer.config import DataConfig
from trainer.data.source import Table
from trainer.data.windows import Dataset


@dataclass(frozen=True)
class UnseenRows:
    """What makes test rows the same for two configurations: table, columns of the target, and times.

    `last_time` is that of the last target, which lies `horizon` rows behind the last row.
    """

    source: str
    content: str
    target: str
    first_time: datetime
    last_time: datetime

    def shares(self, evaluation: tables.Evaluation) -> bool:
        """Whether a look at the same source saw any of these rows."""
        return (
            evaluation.target == self.target
            and evaluation.first_time <= self.last_time
            and evaluation.last_time >= self.first_time
        )


def unseen_rows(resolved: ResolvedStudy, config: DataConfig, data: Dataset, table: Table) -> UnseenRows:
    """The test rows of a configuration, whose `data` were prepared from `table`."""
    source = config.source
    if not source.startswith("sample:"):
        source = str((resolved.folder / source).resolve())
    first, last = (int(row) for row in table.times.searchsorted(data.times[data.test[[0, -1]]]))
    ends = (table.times[first], table.times[min(last + data.horizon, len(table.times) - 1)])
    moments = [time.to_pydatetime(warn=False).replace(tzinfo=UTC) for time in ends]
    return UnseenRows(source, table.sha256, _columns(config), *moments)


def _columns(config: DataConfig) -> str:
    """The columns that the target is made of, whatever is made of them and however far ahead it looks."""
    target, features = config.target, {feature.name: feature for feature in config.features}
    series = target
    while series.of is not None:
        series = features[series.of]  # type: ignore[assignment]
    return ", ".join(column for column in (series.column, series.high, series.low) if column is not None)


def earlier_evaluations(store: Store, rows: UnseenRows) -> list[tables.Evaluation]:
    """Those that saw some of these rows, in the order in which they were taken."""
    return [
        evaluation
        for evaluation in evaluations.at_table(store, rows.source, rows.content)
        if rows.shares(evaluation)
    ]


def number_of(evaluation: tables.Evaluation, taken: Sequence[tables.Evaluation]) -> int:
    """The how-manieth evaluation it is of those `taken` at the same rows, itself among them.

    The same configuration with the same seeds gives the same answer, and keeps its place. With other seeds it
    is another chance to be lucky, and counts as another configuration does.
    """
    return list(dict.fromkeys(map(_judged, taken))).index(_judged(evaluation)) + 1


def _judged(evaluation: tables.Evaluation) -> tuple[str, tuple[int, ...]]:
    return evaluation.configuration, tuple(evaluation.seeds)


def new_evaluation(
    rows: UnseenRows, *, study: str, trial: int | None, configuration: str, seeds: Sequence[int]
) -> tables.Evaluation:
    """The look that is about to be taken."""
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
        looked_by=f"{_user()}@{socket.gethostname()}",
        seeds=list(seeds),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return str(os.getuid())


def evaluation_to_json(evaluation: tables.Evaluation) -> dict[str, Any]:
    """One earlier evaluation, as `verify --json` tells it."""
    return {
        "at": evaluation.looked_at.isoformat(),
        "by": evaluation.looked_by,
        "study": evaluation.study,
        "trial": evaluation.trial,
        "configuration": evaluation.configuration,
        "seeds": len(evaluation.seeds),
        "verdict": evaluation.verdict,
    }


def source_shown(source: str) -> str:
    """The table as a sentence names it."""
    return source if source.startswith("sample:") else Path(source).name
