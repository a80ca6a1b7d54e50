"""Trains one configuration and saves its model; `ballast train` and `ballast.train` call it."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.api.stores import store_url
from search.record.exports import keep_model, voided_notice
from search.selection.model_saving import (
    require_can_save,
    require_confirmed,
    require_one_network,
    save_trained_model,
)
from search.selection.rerun import Rerun, rerun, resolve_configuration
from search.signals import stop_request
from storage.engine import Store, open_store
from trainer.training.result import EpochReport

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Training:
    """The training of one configuration, and where its model was saved."""

    outcome: Rerun
    saved: Path | None
    """The folder of the model; None if it was not saved."""
    is_interrupted: bool = False
    voided: str | None = None
    """A warning if the file was exported from a trial that was voided since."""

    def __getstate__(self) -> dict[str, Any]:
        """What pickle keeps: all but the store, which was closed after the training."""
        record = replace(self.outcome.record, open_store=None)
        return {**self.__dict__, "outcome": replace(self.outcome, record=record)}

    def __repr__(self) -> str:
        return f"<Training: {self.verdict}, loss {self.value}, skill {self.skill}>"

    @property
    def value(self) -> float | None:
        """Validation loss of the best epoch, of the standardised target; None if no epoch passed."""
        return self.outcome.result.value

    @property
    def skill(self) -> float | None:
        """Skill on the validation rows over the best naive forecast; at most 1."""
        return self.outcome.result.skill

    @property
    def verdict(self) -> str:
        """`accepted`, or what speaks against the training: `unstable`, `suspicious`, …"""
        return str(self.outcome.judgement.verdict)

    @property
    def message(self) -> str:
        """The verdict in one sentence."""
        return self.outcome.judgement.message

    @property
    def reproduced(self) -> bool | None:
        """Whether the exported value was reproduced; None for a file that was not exported."""
        return self.outcome.reproduced

    def epochs(self) -> "pd.DataFrame":
        """The signals of each epoch.

        Returns:
            A row for each epoch: epoch, train_loss, validation_loss, skill, learning_rate, …
        """
        from search.api.record_frames import epochs_frame

        return epochs_frame(self.outcome.result.epochs)

    def to_json(self) -> dict[str, Any]:
        """The shape that `train --json` promises."""
        return {**self.outcome.to_json(), "saved": self.saved}


def train_configuration(
    config: Path,
    sets: Sequence[str] = (),
    *,
    policy: Path | None = None,
    save: Path | None = None,
    onnx: bool = False,
    store: str | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> Training:
    """Train the one configuration of `config`, and save its model if the training can be trusted.

    The scoring of its validation rows is put on record in `store`, unless they are those of an exported
    trial whose settings are unchanged. Ctrl-C ends the training after the running epoch.
    Raises RequestError if the file has settings to be searched, and ModelFolderError or OnnxError, before
    the training, if the model could not be saved.
    """
    if save is not None:
        require_can_save(save, onnx=onnx)
    if onnx:
        require_one_network(resolve_configuration(config, sets, policy=policy))

    def show(report: EpochReport) -> bool:
        if on_epoch is not None:
            on_epoch(report)
        return False

    with stop_request() as stop, ExitStack() as opened:

        def record() -> Store:
            url = store_url(store, resolve_configuration(config, sets, policy=policy).file.storage.url)
            return opened.enter_context(closing(open_store(url)))

        outcome = rerun(config, sets, policy=policy, on_epoch=show, should_stop=stop, store=record)
    saved = save if outcome.confirmed and not stop.asked else None
    if saved is not None:
        save_trained_model(outcome, config, saved, onnx=onnx)
    if outcome.trial is None:
        return Training(outcome, saved, stop.asked)
    url = store_url(store, resolve_configuration(config, sets, policy=policy).file.storage.url)
    if saved is not None:
        keep_model(url, outcome.study, outcome.trial, saved)
    return Training(outcome, saved, stop.asked, voided_notice(url, outcome.study, outcome.trial))


def require_saved(training: Training, config: Path, save: Path | None) -> None:
    """Raise AnswerIsNo if a model was to be saved and was not, because the training cannot be trusted."""
    if save is not None:
        require_confirmed(training.outcome, config, save)
