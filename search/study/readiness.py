"""Whether a study can be started: every reason for which `run` and `check` refuse it before its first trial.

All problems are collected and reported at once. Nothing is written, and no store is created.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from search.config.layers import Layer
from search.config.resolved_study import ResolvedStudy
from search.data.study_data import DataInspection, StudyData, inspect_data, max_epochs
from search.errors import AnswerIsNo, BallastError, RequestError
from search.sampling.grid_sampler import grid_points
from search.study.studies import require_compatible_store, require_devices
from storage.engine import Store
from storage.errors import StoreError
from trainer.errors import TrainerError

Refusal = BallastError | StoreError | TrainerError
_EPOCHS = ("training.epochs", "space.training.epochs")
_PRUNER = ("study.pruner", "study.pruner_warmup", "study.pruner_patience")


@dataclass(frozen=True)
class Readiness:
    """What was found about the data, and why the study cannot be started; no refusals if it can."""

    inspection: DataInspection
    refusals: tuple[Refusal, ...]

    @property
    def other_refusals(self) -> tuple[Refusal, ...]:
        """The refusals that are not findings of the data audit."""
        return tuple(each for each in self.refusals if not isinstance(each, AnswerIsNo))

    def require(self) -> StudyData:
        """The data; raises all refusals as one error if there are any."""
        if self.refusals:
            raise combine_refusals(self.refusals)
        return self.inspection.data()


def combine_refusals(refusals: Sequence[Refusal]) -> Refusal:
    """A single refusal as it is; several as one RequestError with a line or more for each."""
    return refusals[0] if len(refusals) == 1 else RequestError("\n".join(map(str, refusals)))


def check_readiness(
    resolved: ResolvedStudy,
    store: Store | None,
    *,
    devices: Sequence[str | None] = (None,),
    continue_from: str | None = None,
    strict: bool = False,
    deep: bool = False,
    on_refit: Callable[[int, int], None] | None = None,
) -> Readiness:
    """Check the data, the settings and the store of a study; `store` is None if it does not exist yet.

    `devices` are those of its workers (None: the study's own). `continue_from` names the study whose trials
    are imported. `strict`, `deep` and `on_refit` are those of `inspect_data`. Refusals are returned, not
    raised.
    """
    inspection = inspect_data(resolved, strict=strict, deep=deep, on_refit=on_refit)
    refusals: list[Refusal] = [*inspection.refusals]

    def collect(check: Callable[..., object], *arguments: Any) -> None:
        try:
            check(*arguments)
        except (BallastError, StoreError, TrainerError) as error:
            refusals.append(error)

    collect(_require_grid, resolved)
    collect(require_devices, resolved, devices)
    is_new = True
    if store is not None:
        try:
            is_new = require_compatible_store(resolved, inspection, store, continue_from)
        except (BallastError, StoreError) as error:
            refusals.append(error)
    elif continue_from is not None:
        refusals.append(
            RequestError(f"--continue-from {continue_from}: the store that is to hold it is not there yet")
        )
    if is_new:
        collect(_require_effective_pruner, resolved)
    return Readiness(inspection, tuple(refusals))


def _require_grid(resolved: ResolvedStudy) -> None:
    if resolved.file.study.sampler == "grid":
        grid_points(resolved.space)


def _require_effective_pruner(resolved: ResolvedStudy) -> None:
    """Refuse settings of a pruner that can never end a trial, unless the command line made the trials short.

    Only new studies are checked: a study on record must keep its pruner.
    """
    reason = next(_why_nothing_is_pruned(resolved), None)
    checked = {Layer.CLI} if resolved.provenance else {Layer.STUDY, Layer.CLI}
    asked = max((resolved.settings[key] for key in _PRUNER), key=lambda setting: setting.layer.rank)
    epochs = [resolved.settings[key] for key in _EPOCHS if key in resolved.settings]
    shortened = asked.layer is not Layer.CLI and any(
        override.layer is Layer.CLI for setting in epochs for override in setting.overrides
    )
    if reason is None or asked.layer not in checked or shortened:
        return
    raise RequestError(
        f"{asked.origin}: {asked.key} has no effect: {reason}, so that no trial could ever be pruned; lower "
        "it, or set study.pruner to none"
    )


def _why_nothing_is_pruned(resolved: ResolvedStudy) -> Iterator[str]:
    section, epochs = resolved.file.study, max_epochs(resolved)
    if section.pruner == "none":
        return
    if section.pruner_warmup >= epochs:
        yield f"study.pruner_warmup is {section.pruner_warmup}, and a trial has {epochs} epochs at most"
    # The patient pruner compares the last `patience` + 1 epochs with those before them.
    if section.pruner == "patient" and section.pruner_patience + 1 >= epochs:
        yield f"study.pruner_patience is {section.pruner_patience}, and a trial has {epochs} epochs at most"
