"""Whether a study can be started: all that `run` refuses before its first trial, which `check` asks as well.

What is found wrong is collected and told at once. Nothing is written, and no store is made.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from search.config.layers import Layer
from search.config.resolved_study import ResolvedStudy
from search.config.space import grid_values
from search.data.study_data import DataInspection, StudyData, inspect_data, max_epochs
from search.errors import AnswerIsNo, BallastError, RequestError
from search.study.studies import require_compatible_store, require_devices
from storage.engine import Store
from storage.errors import StoreError
from trainer.errors import TrainerError

Refusal = BallastError | StoreError | TrainerError
_EPOCHS = ("training.epochs", "space.training.epochs")
_PRUNER = ("study.pruner", "study.pruner_warmup", "study.pruner_patience")


@dataclass(frozen=True)
class Readiness:
    """What was found about the data, and why the study cannot be started; nothing where it can be."""

    inspection: DataInspection
    refusals: tuple[Refusal, ...]

    @property
    def besides_audit(self) -> tuple[Refusal, ...]:
        """Those that are no findings of the audit."""
        return tuple(each for each in self.refusals if not isinstance(each, AnswerIsNo))

    def require(self) -> StudyData:
        """The data; raises all refusals as one."""
        if self.refusals:
            raise combine_refusals(self.refusals)
        return self.inspection.data()


def combine_refusals(refusals: Sequence[Refusal]) -> Refusal:
    """The only one as it is; several as a request that is wrong, a line or more each."""
    return refusals[0] if len(refusals) == 1 else RequestError("\n".join(map(str, refusals)))


def check_readiness(
    resolved: ResolvedStudy,
    store: Store | None,
    *,
    devices: Sequence[str | None] = (None,),
    continue_from: str | None = None,
    strict: bool = False,
    deep: bool = False,
) -> Readiness:
    """Look at the data, the settings and the store of a study; None is a store that is not there yet.

    `devices` are those of its workers (None: the study's own), `continue_from` names the study whose trials
    are taken over; `strict` and `deep` are as of the audit. Raises nothing that it can return.
    """
    inspection = inspect_data(resolved, strict=strict, deep=deep)
    refusals: list[Refusal] = [*inspection.refusals]

    def ask(question: Callable[..., object], *arguments: Any) -> None:
        try:
            question(*arguments)
        except (BallastError, StoreError, TrainerError) as error:
            refusals.append(error)

    ask(_require_a_grid, resolved)
    ask(require_devices, resolved, devices)
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
        ask(_require_a_pruner_that_prunes, resolved)
    return Readiness(inspection, tuple(refusals))


def _require_a_grid(resolved: ResolvedStudy) -> None:
    if resolved.file.study.sampler == "grid":
        grid_values(resolved.space)


def _require_a_pruner_that_prunes(resolved: ResolvedStudy) -> None:
    """Refuse settings of a pruner that can never end a trial, unless a higher layer made the trials short.

    A study on record goes on as it was: whether it may prune is one of the settings that must not change.
    """
    reason = next(_why_nothing_is_pruned(resolved), None)
    watched = {Layer.CLI} if resolved.provenance else {Layer.STUDY, Layer.CLI}
    asked = max((resolved.settings[key] for key in _PRUNER), key=lambda setting: setting.layer.rank)
    epochs = [resolved.settings[key] for key in _EPOCHS if key in resolved.settings]
    shortened = asked.layer is not Layer.CLI and any(
        act.layer is Layer.CLI for setting in epochs for act in setting.overrides
    )
    if reason is None or asked.layer not in watched or shortened:
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
    # The patient pruner compares the last epochs, one more than its patience, with those before them.
    if section.pruner == "patient" and section.pruner_patience + 1 >= epochs:
        yield f"study.pruner_patience is {section.pruner_patience}, and a trial has {epochs} epochs at most"
