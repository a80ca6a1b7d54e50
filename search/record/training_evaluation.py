"""Records that a training outside any study has scored its validation rows.

These may be test rows of another configuration, or of this one under another split.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from search.config.resolved_study import ResolvedStudy, ResolvedTrial
from search.record.evaluations import (
    ScoredRows,
    configuration_digest,
    decisive_values,
    new_evaluation,
    validated_rows,
)
from search.verdict import Judgement
from storage import evaluations
from storage.engine import Store
from trainer.data.source import Table
from trainer.data.windows import Dataset
from trainer.training.result import TrialResult


@dataclass
class TrainingEvaluation:
    """The evaluation of one training. Nothing is recorded before `begin`, or without a store.

    `open_store` is called at the first record; None: nothing is recorded. `number` is that of the exported
    trial, None for a configuration that no study chose.
    """

    open_store: Callable[[], Store] | None
    resolved: ResolvedStudy
    trial: ResolvedTrial
    folds: Sequence[Dataset] = field(repr=False)
    table: Table = field(repr=False)
    number: int | None
    seeds: Sequence[int]
    id: int | None = None
    """The id of the evaluation; None while nothing is on record."""
    _begun: tuple[Store, ScoredRows] | None = field(default=None, init=False, repr=False)

    def begin(self) -> None:
        """Record that the validation rows are about to be scored, once."""
        if self.open_store is None or self._begun is not None:
            return
        store = self.open_store()
        rows = validated_rows(self.resolved, self.trial.config.data, self.folds, self.table)
        evaluation = new_evaluation(
            rows,
            study=self.resolved.file.study.name,
            trial=self.number,
            configuration=configuration_digest(decisive_values(self.trial.values)),
            seeds=self.seeds,
            kind="train",
        )
        self.id, self._begun = evaluations.start_evaluation(store, evaluation), (store, rows)

    def conclude(self, result: TrialResult, judgement: Judgement) -> None:
        """Record the result, if the evaluation has begun."""
        if self._begun is not None and self.id is not None:
            report = {"value": result.value, "skill": result.skill, "reason": judgement.message}
            evaluations.finish_evaluation(self._begun[0], self.id, str(judgement.verdict), report)

    @property
    def sentence(self) -> str | None:
        """What is on record, and where; None if nothing is."""
        if self._begun is None:
            return None
        store, rows = self._begun
        span = f"rows from {rows.first_time:%Y-%m-%d} to {rows.last_time:%Y-%m-%d}"
        return f"on record in {store.shown_url}: {span} were scored"
