"""Studies that have searched on rows: their validation rows were scored with every trial.

Whoever verifies on such rows verifies on rows by which configurations were chosen, whichever study they are
from. The penalty is in `trust.conclusion.confidence`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from search.record.continuation import recorded_value
from search.record.evaluations import ScoredRows
from search.record.same_series import SharedRows, shared_rows
from search.record.scored_series import ScoredSeries
from search.record.validation_rows import validation_rows
from storage import evaluations, query
from storage.engine import Store
from storage.evaluations import ConclusiveTrial, SearchedRows


@dataclass(frozen=True)
class EarlierSearch:
    """A study whose trials were judged on some of the rows: on which `share` of them, and their span."""

    study: str
    trials: int
    share: float
    first: datetime
    last: datetime

    def to_json(self) -> dict[str, Any]:
        """The shape that `verify --json` promises."""
        return {**asdict(self), "first": self.first.isoformat(), "last": self.last.isoformat()}


def earlier_searches(store: Store, rows: ScoredRows, before: datetime) -> tuple[EarlierSearch, ...]:
    """The studies of the store that searched on any of these rows before a moment, oldest first.

    Conclusive trials count. A trial that is a copy of another one, in its study or from another study, saw
    nothing new and does not count again.
    """
    parts = {
        each.study: part for each in evaluations.searched_rows(store) if (part := _part(store, rows, each))
    }
    counts = _trainings(evaluations.conclusive_trials(store, list(parts), before), list(parts))
    return tuple(
        EarlierSearch(study, counts[study], part.share, part.first, part.last)
        for study, part in parts.items()
        if counts[study]
    )


def effective_configurations(searches: Sequence[EarlierSearch]) -> float:
    """Among how many configurations these rows had a say, at least 1.

    A trial counts with √share: that is the correlation between its score on its own part of the rows and its
    score on all of them, where rows are independent.
    """
    return 1 + sum(search.trials * math.sqrt(search.share) for search in searches)


def _trainings(trials: Sequence[ConclusiveTrial], studies: Sequence[str]) -> Mapping[str, int]:
    """How many trainings each study brings that none before it has."""
    sources = {(trial.study, trial.number): trial.source for trial in trials}

    def origin(trial: tuple[str, int]) -> tuple[str, int]:
        while (source := sources.get(trial)) is not None:
            trial = source
        return trial

    counts, seen = {}, set[tuple[str, int]]()
    for study in studies:
        new = {origin(trial) for trial in sources if trial[0] == study} - seen
        counts[study] = len(new)
        seen |= new
    return counts


def _part(store: Store, rows: ScoredRows, searched: SearchedRows) -> SharedRows | None:
    """Which of the rows a study searched on."""
    if searched.series is not None:
        return shared_rows(rows.series, ScoredSeries.unpacked(searched.series))
    return _part_of_same_table(store, rows, searched)


def _part_of_same_table(store: Store, rows: ScoredRows, searched: SearchedRows) -> SharedRows | None:
    """For a study on record without its series: by table, target columns and times."""
    source = full_source(searched.source, searched.study_file)
    if source != rows.source and searched.content != rows.content:
        return None
    if searched.span is not None:
        return rows.within(*searched.span) if searched.target == rows.target else None
    kept = (
        validation_rows(store, searched.study)
        if target_columns(store, searched.study) == rows.target
        else None
    )
    if kept is None:
        return None
    return rows.within(datetime64_to_utc(kept.times.min()), datetime64_to_utc(kept.times.max()))


def full_source(source: str, study_file: str) -> str:
    """The table of a study as evaluations name it."""
    return source if source.startswith("sample:") else str((Path(study_file).parent / source).resolve())


def target_columns(store: Store, study: str) -> str:
    """The columns that the target of a study on record is made from."""
    stacks = query.setting_layers(store, study)
    features = {
        each["name"]: each for each in recorded_value("data.features", stacks) if isinstance(each, dict)
    }
    series = {key: recorded_value(f"data.target.{key}", stacks) for key in ("of", "column", "high", "low")}
    while series.get("of") is not None:
        series = features.get(series["of"], {"column": series["of"]})
    return ", ".join(series[key] for key in ("column", "high", "low") if series.get(key) is not None)


def datetime64_to_utc(time: "np.datetime64") -> datetime:
    """The time in UTC."""
    moment: datetime = time.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)
