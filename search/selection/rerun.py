"""Trains one configuration outside any study, and says whether an exported value was reproduced."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from search.config.layers import Clamp, Layer
from search.config.resolve import resolve
from search.config.resolved_study import ResolvedStudy
from search.data.study_data import load_study_data
from search.errors import RequestError
from search.record.row_mapping import clamp_to_json
from search.record.training_evaluation import TrainingEvaluation
from search.seeds import seeds_of_trial, trial_seed
from search.selection.export_provenance import (
    ExportProvenance,
    changes_since_export,
    export_provenance,
    reasons_to_differ,
)
from search.verdict import Judgement, judge
from storage.commands import ballast_command
from storage.engine import Store
from storage.verdicts import Verdict
from trainer.config import TrialConfig
from trainer.data.source import Table
from trainer.data.windows import Dataset
from trainer.losses import Loss
from trainer.training.result import EpochReport, TrialResult

CLOSE = 1e-5
"""The largest difference from the exported value on another machine or with other versions."""
_KERNEL = "training.kernel"


class Reproduction(StrEnum):
    """How near a rerun came to the exported value.

    equal ──► BITS
    not equal, within CLOSE, machine or versions differ or are not known ──► CLOSE
    any other ──► NO
    """

    BITS = "bits"
    CLOSE = "close"
    NO = "no"


def judge_reproduction(value: float | None, expected: float, *, elsewhere: bool) -> Reproduction:
    """How near `value` is to `expected`; `elsewhere` if machine or versions may differ. Pure."""
    if value == expected:
        return Reproduction.BITS
    if elsewhere and value is not None and abs(value - expected) <= CLOSE:
        return Reproduction.CLOSE
    return Reproduction.NO


@dataclass(frozen=True)
class Rerun:
    """The result of a rerun. `expected` is the exported value; None for a file that was not exported."""

    result: TrialResult
    judgement: Judgement
    expected: float | None
    differences: tuple[str, ...]
    """What differs from the export: settings, data, machine, versions."""
    clamps: tuple[Clamp, ...]
    """Values that were asked for and clamped."""
    reproduction: Reproduction | None
    """None if the file was not exported."""
    study: str
    trial: int | None
    """The trial that was exported."""
    config: TrialConfig = field(repr=False)
    metric: Loss
    """The loss that validated and judged it."""
    data: Dataset = field(repr=False)
    """The rows of the last fold."""
    table: Table = field(repr=False)
    record: TrainingEvaluation = field(repr=False)
    """The evaluation of the validation rows that is put on record."""

    @property
    def reproduced(self) -> bool | None:
        """Whether the exported value was reproduced, to the bit or closely; None if there is none."""
        return None if self.reproduction is None else self.reproduction is not Reproduction.NO

    @property
    def trustworthy(self) -> bool:
        """Whether the training was accepted."""
        return self.judgement.verdict is Verdict.ACCEPTED

    @property
    def confirmed(self) -> bool:
        """Whether it was accepted, and reproduced the exported value if there is one."""
        return self.trustworthy and self.reproduced is not False

    def to_json(self) -> dict[str, Any]:
        """The JSON of `train --json`."""
        result = self.result
        return {
            "value": result.value,
            "skill": result.skill,
            "reproduced": self.reproduced,
            "reproduction": self.reproduction,
            "expected": self.expected,
            "verdict": str(self.judgement.verdict),
            "reasons": list(self.judgement.reasons),
            "message": self.judgement.message,
            "baseline": {"name": result.baseline, "loss": result.baseline_loss},
            "best_epoch": result.best_epoch,
            "epochs": len(result.epochs),
            "seed": result.seed,
            "seeds": list(result.seeds),
            "seconds": result.seconds,
            "differences": list(self.differences),
            "clamps": [clamp_to_json(clamp) for clamp in self.clamps],
            "evaluation": self.record.id,
        }


def resolve_configuration(
    path: Path, sets: Sequence[str] = (), *, policy: Path | None = None
) -> ResolvedStudy:
    """The single configuration of `path`; RequestError if the file searches any setting."""
    resolved = resolve(path, sets, policy=policy)
    if resolved.space:
        raise RequestError(
            f"{path} searches {', '.join(resolved.space)}, and one configuration is wanted. Search with: "
            f"{ballast_command('run', path)}, or fix each with --set"
        )
    return resolved


def rerun(
    path: Path,
    sets: Sequence[str] = (),
    *,
    policy: Path | None = None,
    on_epoch: Callable[[EpochReport], bool] = lambda report: False,
    should_stop: Callable[[], bool] = lambda: False,
    store: Callable[[], Store] | None = None,
) -> Rerun:
    """Train the single configuration of `path`; RequestError if the file searches any setting.

    The evaluation of its validation rows is put on record before the training, in the store that `store`
    opens. An exported trial that is trained again unchanged is no new evaluation; the store is not opened
    then.
    """
    resolved, exported = _one_as_exported(path, sets, policy)
    data, trial = load_study_data(resolved), resolved.trial({})
    config = trial.config if exported is None else _without_time_limit(trial.config)
    from trainer.training.loop import fit  # imports torch, which only training needs

    folds, seeds = data.folds(config.data), seeds_of_trial(_seed(resolved, exported), trial.seeds)
    number = None if exported is None else exported.trial
    changes = () if exported is None else changes_since_export(exported, resolved, data.table.sha256, sets)
    record = TrainingEvaluation(store, resolved, trial, folds, data.table, number, seeds)
    if exported is None or changes or not exported.data.has_rows(data.audit.rows):
        record.begin()
    result = fit(
        config,
        folds,
        baseline=data.baseline,
        ceiling=data.ceiling,
        metric=data.metric,
        seed=seeds,
        on_epoch=on_epoch,
        should_stop=should_stop,
    )
    judgement = judge(result, trial.values)
    reproduction, elsewhere = _compared(result.value, exported)
    if reproduction is Reproduction.NO:  # the file was edited: this is not the exported training
        record.begin()
    record.conclude(result, judgement)
    return Rerun(
        result=result,
        judgement=judgement,
        expected=None if exported is None else exported.value,
        differences=(*changes, *elsewhere),
        clamps=resolved.clamps,
        reproduction=reproduction,
        study=resolved.file.study.name,
        trial=number,
        config=config,
        metric=data.metric,
        data=folds[-1],
        table=data.table,
        record=record,
    )


def _compared(
    value: float | None, exported: ExportProvenance | None
) -> tuple[Reproduction | None, tuple[str, ...]]:
    """How near the value is to the exported one, and what may make sums round differently here."""
    if exported is None:
        return None, ()
    elsewhere = reasons_to_differ(exported)
    return judge_reproduction(value, exported.value, elsewhere=bool(elsewhere)), elsewhere


def _seed(resolved: ResolvedStudy, exported: ExportProvenance | None) -> int:
    return trial_seed(resolved.file.study.seed, 0) if exported is None else exported.seed


def single_model(outcome: Rerun, path: Path) -> Sequence[Mapping[str, Any]]:
    """The weights of the best epoch, by parameter, of each seed: one model, which forecasts their mean.
    `path` is that of the configuration.

    RequestError if each fold has its own model.
    """
    networks = outcome.result.networks
    if not networks:
        method = outcome.config.data.split.method
        raise RequestError(
            f"{path} has no one model to keep: under data.split.method {method!r} each fold has its own; "
            f"train one: {ballast_command('train', path, set='data.split.method=holdout', save='FOLDER')}"
        )
    return networks


def _without_time_limit(config: TrialConfig) -> TrialConfig:
    """Without the time limit, which the exported trial kept: this machine may be slower."""
    return config.model_copy(update={"training": config.training.model_copy(update={"max_seconds": None})})


def _one_as_exported(
    path: Path, sets: Sequence[str], policy: Path | None
) -> tuple[ResolvedStudy, ExportProvenance | None]:
    """The configuration of `path` and its provenance, with the kernel that computed the exported value."""
    resolved = resolve_configuration(path, sets, policy=policy)
    exported = export_provenance(resolved)
    if (
        exported is not None
        and exported.had_one_kernel
        and resolved.settings[_KERNEL].layer.rank <= Layer.BASE.rank
    ):
        resolved = resolve_configuration(path, (*sets, f"{_KERNEL}=torch"), policy=policy)
    return resolved, exported
