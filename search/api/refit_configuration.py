"""Trains a configuration on every row and saves it; `ballast refit` and `ballast.refit` call it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.api.stores import store_url
from search.record.exports import keep_model, voided_notice
from search.selection.candidates import Candidate, VerificationInterrupted
from search.selection.export_provenance import export_provenance
from search.selection.model_saving import require_can_save, save_refit
from search.selection.refit import Refit, RefitInterrupted, refit_all_rows
from search.selection.rerun import resolve_configuration
from search.signals import stop_request
from storage.commands import ballast_command
from storage.engine import Store, open_store
from storage.errors import StoreMissing
from trainer.training.result import RefitResult


@dataclass(frozen=True)
class LiveModel:
    """A refit, and the folder that its model was saved to."""

    refit: Refit = field(repr=False)
    saved: Path
    verify_command: str = field(repr=False)
    voided: str | None = field(repr=False)
    """A warning if the file was exported from a trial that was voided since."""
    store: str | None = field(repr=False)
    """The store that was asked for the newest verification, without passwords; None if there is none."""

    def sentences(self) -> list[str]:
        """What the user should know before relying on the model, a sentence each."""
        warnings = () if self.voided is None else (self.voided,)
        return [*warnings, *self._trainings(), self._bounds(), self._unjudged(), self._verified()]

    def to_json(self) -> dict[str, Any]:
        """The shape that `refit --json` promises."""
        return {**self.refit.to_json(), "saved": self.saved}

    def _trainings(self) -> list[str]:
        refit = self.refit
        stopped = [
            f"seed {each.seed} diverged and is left out: {each.findings[-1].message}"
            for each in refit.refits
            if each.weights is None
        ]
        left_out = [f"left out, as it is not whole: {row}" for row in refit.left_out]
        count, epochs = len(refit.finished), refit.candidate.epochs
        networks = "1 network" if count == 1 else f"{count} networks, whose mean is the forecast"
        trained = (
            f"trained on {len(refit.data.train)} rows, {refit.first} to {refit.until}, for "
            f"{epochs} epoch{'' if epochs == 1 else 's'}: {networks}"
        )
        return [*stopped, *left_out, trained]

    def _bounds(self) -> str:
        intervals = self.refit.intervals
        if intervals is None:
            return "forecasts have no bounds: the training of the exported trial is not accepted here"
        return (
            f"bounds of forecasts come from the errors of {self.refit.candidate.name} on "
            f"{intervals.pooled.rows} validation rows, before this refit had seen those rows"
        )

    def _unjudged(self) -> str:
        until = f"only rows after {self.refit.until} can judge this model"
        if self.refit.unjudged is None:
            return f"the study or verify judged the configuration on rows up to the last one; {until}"
        first, last = self.refit.unjudged
        return f"nobody has judged the configuration on the rows from {first} to {last}; {until}"

    def _verified(self) -> str:
        if self.refit.verified is not None:
            return f"the newest verify on record says: {self.refit.verified.sentence()}"
        where = "there is no store" if self.store is None else f"none is on record in {self.store}"
        return f"no verify of this study is known, as {where}: {self.verify_command}"


def refit_configuration(
    config: Path,
    save: Path,
    *,
    seeds: int = 5,
    policy: Path | None = None,
    store: str | None = None,
    on_seed: Callable[[Candidate, RefitResult], None] | None = None,
) -> LiveModel:
    """Train the configuration of `config` with `seeds` fresh seeds on every row up to the last whole one, and
    save the networks as one model.

    A file that was not exported is trained once before, to find its best epoch, and that scoring of its
    validation rows is put on record. `on_seed` is called after each training. Raises, before the training,
    ModelFolderError if the model could not be saved and RequestError for settings to be searched; AnswerIsNo
    if half of the seeds or more diverge; KeyboardInterrupt after Ctrl-C. Then nothing is saved.
    """
    require_can_save(save, onnx=False)
    resolved = resolve_configuration(config, policy=policy)
    url = store_url(store, resolved.file.storage.url)
    opened = _opened(url, create=export_provenance(resolved) is None)
    try:
        with stop_request() as stop:
            done = refit_all_rows(
                config, opened, seeds=seeds, policy=policy, on_seed=on_seed or _ignore, should_stop=stop
            )
    except (RefitInterrupted, VerificationInterrupted):
        raise KeyboardInterrupt from None
    finally:
        if opened is not None:
            opened.close()
    save_refit(done, save)
    voided, number = None, done.candidate.number
    if number is not None:
        keep_model(url, done.candidate.study, number, save)
        voided = voided_notice(url, done.candidate.study, number)
    where = None if opened is None else opened.shown_url
    return LiveModel(done, save, ballast_command("verify", config), voided, where)


def _opened(url: str, *, create: bool) -> Store | None:
    try:
        return open_store(url, create=create)
    except StoreMissing:
        return None


def _ignore(candidate: Candidate, refit: RefitResult) -> None:
    """Do nothing."""
