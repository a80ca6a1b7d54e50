"""Saves the model of an accepted training as a folder that needs neither the study nor the store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search.config.resolved_study import SEEDS_PER_TRIAL, ResolvedStudy
from search.errors import AnswerIsNo, RequestError
from search.machine import machine_facts
from search.record.row_mapping import package_versions
from search.selection.refit import Refit
from search.selection.rerun import Rerun
from search.selection.validation_intervals import model_intervals, trained_forecasts
from storage.commands import ballast_command
from trainer.data.windows import Dataset, prepare_refit
from trainer.inference.gru_forward import network_of
from trainer.losses import MSE


def require_can_save(folder: Path, *, onnx: bool) -> None:
    """Check before the training that its model can be saved; raises ModelFolderError or OnnxError."""
    from trainer.inference.model_folder_checks import require_writable_model_folder
    from trainer.inference.onnx_file import require_onnx  # imports torch, which only training needs

    require_writable_model_folder(folder)
    if onnx:
        require_onnx()


def require_one_network(resolved: ResolvedStudy) -> None:
    """Raise RequestError if the model would have several networks, which no ONNX graph holds."""
    seeds = resolved.file.study.seeds_per_trial
    if seeds > 1:
        again = ballast_command("train", resolved.path, set=f"{SEEDS_PER_TRIAL}=1", save="FOLDER", onnx=True)
        raise RequestError(
            f"{resolved.path} trains {seeds} networks ({SEEDS_PER_TRIAL}), and an ONNX graph holds one; "
            f"leave out --onnx, or train one: {again}"
        )


def require_confirmed(outcome: Rerun, path: Path, folder: Path) -> None:
    """Raise AnswerIsNo if the training was not accepted, or did not reproduce its export."""
    if not outcome.confirmed:
        why = "the exported value did not come again" if outcome.trustworthy else outcome.judgement.message
        raise AnswerIsNo(
            f"{folder} was not written: {why}; look at the settings: {ballast_command('check', path)}"
        )


def save_trained_model(outcome: Rerun, path: Path, folder: Path, *, onnx: bool) -> None:
    """Write the model of `outcome`, the training of the configuration at `path`.

    With several seeds the model is the mean of their networks. If each fold has a model of its own, one more
    is trained: on all rows before the test, for the number of epochs that is best over all folds. Raises
    AnswerIsNo if the training was not accepted or did not reproduce its export, and what
    `trainer.inference.model_folder.save_model` raises.
    """
    require_confirmed(outcome, path, folder)
    result = outcome.result
    data, weights = (outcome.data, result.networks) if result.networks else _train_final(outcome, folder)
    from trainer.inference.model_description import ModelProvenance
    from trainer.inference.model_folder import save_model

    provenance = ModelProvenance(
        study=outcome.study,
        trial=outcome.trial,
        seed=result.seed,
        value=result.value,
        metric=None if outcome.metric.name == MSE.name else outcome.metric.name,
        skill=result.skill,
        baseline=result.baseline,
        best_epoch=result.best_epoch,
        reproduced=outcome.reproduction,
        seeds=result.seeds if len(result.seeds) > 1 else (),
        data_sha256=outcome.table.sha256,
        versions=package_versions(),
        machine=machine_facts(),
    )
    found, networks = trained_forecasts(outcome), list(map(network_of, weights))
    config = outcome.config
    intervals = model_intervals(config.data, found, "training", data, networks, config.loss)
    save_model(
        folder, outcome.config, data, outcome.table, weights, provenance, intervals=intervals, onnx=onnx
    )


def save_refit(done: Refit, folder: Path) -> None:
    """Write the networks of the seeds that finished as one model. Raises what `save_model` raises."""
    from trainer.inference.model_description import ModelProvenance
    from trainer.inference.model_folder import save_model

    candidate, seeds = done.candidate, tuple(refit.seed for refit in done.finished)
    provenance = ModelProvenance(
        study=candidate.study,
        trial=candidate.number,
        seed=seeds[0],
        value=None,
        skill=None,
        baseline=None,
        best_epoch=candidate.epochs - 1,
        reproduced=None,
        seeds=seeds,
        data_sha256=done.table.sha256,
        versions=package_versions(),
        machine=machine_facts(),
    )
    weights = [refit.weights for refit in done.finished if refit.weights is not None]
    config = candidate.trial.config
    save_model(folder, config, done.data, done.table, weights, provenance, intervals=done.intervals)


def _train_final(outcome: Rerun, folder: Path) -> tuple[Dataset, Sequence[Mapping[str, Any]]]:
    """The data and the weights of a model trained on all rows before the test, with each seed."""
    from trainer.training.loop import refit

    config, result = outcome.config, outcome.result
    assert result.best_epoch is not None, "an accepted training has a best epoch"
    data = prepare_refit(config.data, outcome.table)
    weights = []
    for seed in result.seeds:
        done = refit(config, data, epochs=result.best_epoch + 1, seed=seed)
        if done.weights is None:
            raise AnswerIsNo(
                f"{folder} was not written: trained on all rows before the test, the guard stopped it: "
                f"{done.findings[-1].message}"
            )
        weights.append(done.weights)
    return data, weights
