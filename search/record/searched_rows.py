"""Earlier studies that searched on some rows: each of their trials was scored on them as validation rows.

A verification on such rows uses rows by which configurations were chosen, whichever study chose them. The
penalty is in `search.selection.statistics.conclusion`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from search.record.continuation import recorded_value
from search.record.evaluations import ScoredRows, full_source
from search.record.same_series import SharedRows
from search.record.scored_panel import ScoredPanel, shared_panel_rows
from search.record.scored_series import to_utc
from search.record.validation_rows import validation_rows
from storage import evaluations, query
from storage.engine import Store
from storage.evaluations import ConclusiveTrial, SearchedRows


@dataclass(frozen=True)
class EarlierSearch:
    """A study whose trials were scored on a `share` (0 to 1) of the rows, and the span of these."""

    study: str
    trials: int
    share: float
    first: datetime
    last: datetime

    def to_json(self) -> dict[str, Any]:
        """The shape that `verify --json` promises."""
        return {**asdict(self), "first": self.first.isoformat(), "last": self.last.isoformat()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "EarlierSearch":
        """What `to_json` made."""
        bounds = {name: datetime.fromisoformat(told[name]) for name in ("first", "last")}
        return cls(**{**told, **bounds})


def earlier_searches(store: Store, rows: ScoredRows, before: datetime) -> tuple[EarlierSearch, ...]:
    """The studies of the store that searched on any of these rows before a time, oldest first.

    Conclusive trials count. A copy of another trial, of the same study or of another one, does not count
    again.
    """
    parts = {
        each.study: part
        for each in evaluations.searched_rows(store)
        if (part := _searched_part(store, rows, each))
    }
    counts = _trainings(evaluations.conclusive_trials(store, list(parts), before), list(parts))
    return tuple(
        EarlierSearch(study, counts[study], part.share, part.first, part.last)
        for study, part in parts.items()
        if counts[study]
    )


def effective_configurations(searches: Sequence[EarlierSearch]) -> float:
    """The effective number of configurations that these rows have chosen among, at least 1.

    A trial counts as √share: for independent rows, this is the correlation between its score on its part of
    the rows and its score on all of them.
    """
    return 1 + sum(search.trials * math.sqrt(search.share) for search in searches)


def _trainings(trials: Sequence[ConclusiveTrial], studies: Sequence[str]) -> Mapping[str, int]:
    """The number of trainings of each study that no earlier study has."""
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


def _searched_part(store: Store, rows: ScoredRows, searched: SearchedRows) -> SharedRows | None:
    """Which of the rows a study searched on."""
    if searched.series is not None:
        return shared_panel_rows(rows.series, ScoredPanel.unpacked(searched.series))
    return _searched_part_of_same_table(store, rows, searched)


def _searched_part_of_same_table(store: Store, rows: ScoredRows, searched: SearchedRows) -> SharedRows | None:
    """The same for a study without a series on record: by table, target columns and times."""
    source = full_source(searched.source, Path(searched.study_file).parent)
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
    return rows.within(to_utc(kept.times.min()), to_utc(kept.times.max()))


def target_columns(store: Store, study: str) -> str:
    """The columns that the target of a study on record is computed from."""
    layers = query.setting_layers(store, study)
    features = {
        each["name"]: each for each in recorded_value("data.features", layers) if isinstance(each, dict)
    }
    columns = ("column", "open", "high", "low", "close")
    series = {key: recorded_value(f"data.target.{key}", layers) for key in ("of", *columns)}
    while series.get("of") is not None:
        series = features.get(series["of"], {"column": series["of"]})
    return ", ".join(series[key] for key in columns if series.get(key) is not None)
