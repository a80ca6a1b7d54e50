"""Measures the objectives of a trial, and finds the Pareto front of a study."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from search.config.objectives import LOSS_ALONE, OBJECTIVE
from search.record.row_mapping import OBJECTIVES_FACT
from search.selection.statistics.pareto import knee_point, pareto_front
from storage import query, tables
from storage.engine import Store
from storage.verdicts import Verdict
from trainer.data.windows import Dataset
from trainer.training.result import TrialResult


def measured_objectives(
    names: Sequence[str], result: TrialResult | None, folds: Sequence[Dataset]
) -> dict[str, float | None] | None:
    """The values of the objectives by name; one that could not be measured is None.

    `folds` are those that the trial was validated on. None for a trial without a result, or a single
    objective, whose value is the trial's.
    """
    if result is None or len(names) == 1:
        return None
    return {name: _measured(name, result, folds) for name in names}


def _measured(name: str, result: TrialResult, folds: Sequence[Dataset]) -> float | None:
    match name:
        case "loss":
            return result.value
        case "turnover":
            return sign_turnover(result, folds) if result.forecasts else None
        case "seconds":
            return result.seconds
        case "parameters":
            weights = result.fold_weights[0].values() if result.fold_weights else ()
            return float(sum(weight.numel() for weight in weights)) or None
        case "worst_fold":
            return None if result.best_epoch is None else max(result.epochs[result.best_epoch].fold_losses)
    raise ValueError(f"{name} is no objective")


def sign_turnover(result: TrialResult, folds: Sequence[Dataset]) -> float:
    """The share of the stake (0 … 1) that the sign of the forecast turns over per row of the validation rows,
    over all folds and series; see `sign_strategy`. 0 where no position is followed by another.

    The sign is that of the forecast in the target's own unit.
    """
    import numpy as np

    from search.selection.statistics.sign_strategy import sign_strategy

    signs: list[Any] = []
    runs: list[Any] = []
    for forecasts, data in zip(result.forecasts, folds, strict=True):
        rows, series = data.validation, data.series_numbers[data.validation]
        mean, std = data.scaler.target_moments(series)
        breaks = (np.diff(rows, prepend=rows[:1] - 2) != 1) | (np.diff(series, prepend=-1) != 0)
        signs.append(forecasts * std + mean)
        runs.append(np.cumsum(breaks) + (runs[-1][-1] if runs else 0))
    held, of = np.concatenate(signs), np.concatenate(runs)
    return sign_strategy(held, np.zeros(len(held)), of, folds[0].horizon).turnover or 0.0


@dataclass(frozen=True)
class ParetoFront:
    """The accepted trials that no other one beats: none is as low in every objective and lower in one."""

    names: tuple[str, ...]
    """The objectives, the loss first."""
    trials: tuple[tables.Trial, ...]
    """By loss, then by number."""

    def values(self, trial: tables.Trial) -> tuple[float, ...]:
        """The objectives of a trial of the front, in the order of `names`."""
        return tuple((trial.objectives or {})[name] for name in self.names)

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of its trials."""
        return frozenset(trial.number for trial in self.trials)

    def text(self, trial: tables.Trial) -> str:
        """`loss 0.404366, turnover 0.0860`: the objectives of a trial of the front."""
        pairs = zip(self.names, self.values(trial), strict=True)
        return ", ".join(f"{name} {OBJECTIVE[name].text(value)}" for name, value in pairs)

    @property
    def knee(self) -> tables.Trial:
        """The trial at the knee of the front; see `knee_point`."""
        return self.trials[knee_point([self.values(trial) for trial in self.trials])]

    def lowest(self, name: str) -> tables.Trial:
        """The trial of the front with the lowest value of an objective; of equal ones the lower loss."""
        at = self.names.index(name)
        return min(self.trials, key=lambda trial: (self.values(trial)[at], trial.value, trial.number))

    def to_json(self) -> dict[str, Any]:
        """The shape of `pareto` in `status --json`."""
        return {
            "objectives": list(self.names),
            "front": [
                {"trial": trial.number, **dict(zip(self.names, self.values(trial), strict=True))}
                for trial in self.trials
            ],
            "knee": self.knee.number if self.trials else None,
        }


def front_of(names: Sequence[str], trials: Sequence[tables.Trial]) -> ParetoFront:
    """The front of the accepted trials among these that have a finite value of every objective."""
    known = sorted(
        (trial for trial in trials if _has_all(trial, names)),
        key=lambda trial: (trial.value, trial.number),
    )
    front = pareto_front([[(trial.objectives or {})[name] for name in names] for trial in known])
    return ParetoFront(tuple(names), tuple(known[i] for i in front))


def _has_all(trial: tables.Trial, names: Sequence[str]) -> bool:
    values = [(trial.objectives or {}).get(name) for name in names]
    return trial.verdict is Verdict.ACCEPTED and all(v is not None and math.isfinite(v) for v in values)


def study_front(store: Store, study: tables.StudyRow) -> ParetoFront | None:
    """The front of a study on record; None if its loss is the only objective."""
    names = study_objectives(study)
    if len(names) == 1:
        return None
    return front_of(names, query.trials(store, study.name, Verdict.ACCEPTED))


def study_objectives(study: tables.StudyRow) -> tuple[str, ...]:
    """The objectives of a study on record, the loss first."""
    return tuple(study.facts.get(OBJECTIVES_FACT, LOSS_ALONE))
