"""Writes the best trials of a study to files; `ballast export` and `Study.export` call it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.config.objectives import SelectionRule
from search.record.exports import keep_exports, keep_registered
from search.selection.choice import (
    ASKED_BY_NUMBER,
    ChosenTrial,
    accepted_trial,
    choose_trials,
)
from search.selection.export import write_export
from search.selection.verification_report import VerificationReport
from storage.commands import masked_url
from storage.engine import Store


@dataclass(frozen=True)
class ExportedTrial:
    """A trial that was written to a file."""

    chosen: ChosenTrial
    path: Path

    def to_json(self, verification: VerificationReport | None = None) -> dict[str, Any]:
        """The shape that `export --json` promises for one trial."""
        trial, why = self.chosen.trial, self.chosen.why
        scored = () if verification is None else verification.scored
        answer = next((each for each in scored if each.candidate.number == trial.number), None)
        return {
            "path": str(self.path),
            "trial": trial.number,
            "value": trial.value,
            "skill": trial.skill,
            "chosen_by": why.by,
            "lower_bound": None if why.bound is None else why.bound.low,
            **({} if trial.objectives is None else {"objectives": trial.objectives}),
            **({} if why.front is None else {"pareto": why.front.to_json()}),
            **({} if answer is None else {"verification": answer.to_json()}),
        }


@dataclass(frozen=True)
class Export:
    """The trials that were written, the best first, and the verification of the first, if asked for."""

    trials: list[ExportedTrial]
    verification: VerificationReport | None = None

    def to_json(self) -> list[dict[str, Any]]:
        """The shape that `export --json` promises."""
        return [each.to_json(self.verification) for each in self.trials]


def export_study(
    store: Store,
    name: str,
    output: Path,
    *,
    by: SelectionRule | None = None,
    top: int = 1,
    trial: int | None = None,
    verify: Callable[[Path], VerificationReport] | None = None,
) -> Export:
    """Write the `top` best accepted trials, or the trial of number `trial`, with the origin of every setting.

    Several files are named FILE-1, FILE-2, …. `verify` scores the first file on the test rows; then all files
    are written again, with its answer. Raises StudyUnknown, TrialUnknown, RequestError if a file cannot be
    written, and AnswerIsNo if no trial, or not this one, was accepted.
    """
    chosen = (
        choose_trials(store, name, top, by or "robust")
        if trial is None
        else [ChosenTrial(accepted_trial(store, name, trial), ASKED_BY_NUMBER)]
    )
    paths = [output] if len(chosen) == 1 else [_numbered(output, n) for n in range(1, len(chosen) + 1)]
    exported = [ExportedTrial(*pair) for pair in zip(chosen, paths, strict=True)]
    _write(store, exported)
    if verify is None:
        return Export(exported)
    report = verify(exported[0].path)
    _write(store, exported)
    return Export(exported, report)


def _write(store: Store, exported: list[ExportedTrial]) -> None:
    for each in exported:
        write_export(store, each.chosen.trial, each.path, each.chosen.why)
    keep_exports(store, ((each.chosen.trial.study, each.chosen.trial.number, each.path) for each in exported))


def register_export(store: Store, exported: ExportedTrial, uri: str, model: str) -> str:
    """Train an exported trial again, because a study keeps no weights, and register its model in MLflow.

    Returns the version of the model. Raises AnswerIsNo if the value is not reproduced.
    """
    from search.selection.rerun import rerun
    from search.tracking.model_registry import register_model

    trial = exported.chosen.trial
    version = register_model(store, trial, exported.path, rerun(exported.path), uri, model)
    keep_registered(store, trial.study, trial.number, f"{model} version {version} in {masked_url(uri)}")
    return version


def _numbered(path: Path, number: int) -> Path:
    return path.with_stem(f"{path.stem}-{number}")
