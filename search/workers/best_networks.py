"""Keeps the networks of a worker's best trial until its work ends, to measure which columns carry it.

Weights are not kept on disk. Measuring costs up to some ten seconds, so that it is done once, at the end, by
the worker that has trained the best trial of the study.
"""

from collections.abc import Callable
from dataclasses import dataclass

from search.record.column_importances import TrialImportances, record_importances
from search.study.studies import OpenStudy
from storage import query
from trainer.config import TrialConfig
from trainer.inference.column_importance import measure_column_importances
from trainer.inference.gru_forward import Network, network_of
from trainer.training.result import TrialResult


@dataclass(frozen=True)
class _Kept:
    number: int
    value: float
    config: TrialConfig
    seed: int
    networks: tuple[tuple[Network, ...], ...]
    """Of each fold, those of all seeds."""


class BestNetworks:
    """The networks of the accepted trial with the lowest loss that this worker has trained."""

    def __init__(self) -> None:
        self._kept: _Kept | None = None

    def keep_if_best(self, number: int, config: TrialConfig, result: TrialResult) -> None:
        """Keep the networks of an accepted trial, if its loss is the lowest so far."""
        if result.value is None or (self._kept is not None and self._kept.value <= result.value):
            return
        networks, folds = tuple(map(network_of, result.fold_weights)), len(result.forecasts)
        of_folds = tuple(networks[number::folds] for number in range(folds))
        self._kept = _Kept(number, result.value, config, result.seed, of_folds)

    def record_importances(self, study: OpenStudy, should_stop: Callable[[], bool]) -> None:
        """Measure the importance of the columns and put it on record, if the kept trial is the best of the
        study. Raises StoreError.
        """
        kept, best = self._kept, query.best_trial(study.store, study.name)
        if kept is None or best is None or best.number != kept.number:
            return
        loss = study.data.metric
        found = measure_column_importances(
            study.data.folds(kept.config.data),
            kept.networks,
            kept.config.loss,
            loss,
            seed=kept.seed,
            should_stop=should_stop,
        )
        if found is not None:
            record_importances(study.store, study.name, TrialImportances(kept.number, loss.name, found))
