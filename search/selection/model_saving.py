"""Keeps the model of a training that holds as a folder that needs nothing else of ours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search.errors import AnswerIsNo
from search.machine import machine_facts
from search.record.row_mapping import package_versions
from search.selection.rerun import Rerun
from storage.commands import ballast_command
from trainer.data.windows import Dataset, prepare_refit


def require_can_save(folder: Path, *, onnx: bool) -> None:
    """Find out before the training whether its model could be saved: ModelFolderError or OnnxError."""
    from trainer.inference.model_folder_checks import require_writable_model_folder
    from trainer.inference.onnx_file import require_onnx  # torch comes with it, and nowhere before

    require_writable_model_folder(folder)
    if onnx:
        require_onnx()


def require_confirmed(outcome: Rerun, path: Path, folder: Path) -> None:
    """Raise AnswerIsNo where the training was not accepted, or did not reproduce its export."""
    if not outcome.confirmed:
        why = "the exported value did not come again" if outcome.trustworthy else outcome.judgement.message
        raise AnswerIsNo(
            f"{folder} was not written: {why}; look at the settings: {ballast_command('check', path)}"
        )


def save_trained_model(outcome: Rerun, path: Path, folder: Path, *, onnx: bool) -> None:
    """Write the model of `outcome`, which came of the configuration at `path`.

    Where each fold has a model of its own, one more is trained for it: on every row before the test, for the
    epochs that the folds together found best. Raises AnswerIsNo where the training was not accepted or did
    not reproduce its export, and what `trainer.inference.model_folder.save_model` raises.
    """
    require_confirmed(outcome, path, folder)
    result = outcome.result
    data, weights = (outcome.data, result.weights) if result.weights is not None else _final(outcome, folder)
    from trainer.inference.model_folder import ModelProvenance, save_model

    provenance = ModelProvenance(
        study=outcome.study,
        trial=outcome.trial,
        seed=result.seed,
        value=result.value,
        skill=result.skill,
        baseline=result.baseline,
        best_epoch=result.best_epoch,
        reproduced=outcome.reproduction,
        data_sha256=outcome.table.sha256,
        versions=package_versions(),
        machine=machine_facts(),
    )
    save_model(folder, outcome.config, data, outcome.table, weights, provenance, onnx=onnx)


def _final(outcome: Rerun, folder: Path) -> tuple[Dataset, Mapping[str, Any]]:
    """A model trained on every row before the test, and the data as it saw it."""
    from trainer.training.loop import refit

    config, result = outcome.config, outcome.result
    assert result.best_epoch is not None, "an accepted training has a best epoch"
    data = prepare_refit(config.data, outcome.table)
    done = refit(config, data, epochs=result.best_epoch + 1, seed=result.seed)
    if done.weights is None:
        raise AnswerIsNo(
            f"{folder} was not written: trained on all rows before the test, the guard stopped it: "
            f"{done.findings[-1].message}"
        )
    return data, done.weights
