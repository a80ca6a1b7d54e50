"""Registers an exported configuration's model in MLflow: the weights of its best epoch, trained again."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.errors import AnswerIsNo
from search.record.verification_answer import VerificationAnswer, newest_verification
from search.selection.rerun import Reproduction, Rerun, single_model
from search.tracking.mlflow_client import as_mlflow_errors, connect_mlflow, mlflow_environment
from search.tracking.mlflow_sender import MlflowSender
from storage import tables
from storage.commands import ballast_command
from storage.engine import Store
from trainer.config import TrialConfig
from trainer.data.windows import Dataset

_EXAMPLES = 8
"""Windows that the model is traced with; more than one, so that the number of windows stays free."""

_REQUIRED = ("torch", "numpy", "mlflow")


@dataclass(frozen=True)
class _RegisteredTraining:
    """An exported configuration, the data it is for, and what came of training it again."""

    path: Path
    config: TrialConfig
    data: Dataset
    rerun: Rerun


def register_model(store: Store, trial: tables.Trial, path: Path, again: Rerun, uri: str, name: str) -> str:
    """Register the model of an exported trial under `name`; returns its version.

    `again` is the export at `path`, trained once more. The model takes windows, float32 of shape (n, seq_len,
    features) as in `Dataset.features`, and gives n standardised forecasts; the moments to undo that are
    in its metadata. It is a traced graph: it loads without pickle and without Ballast. Raises AnswerIsNo if
    the exported value was not reproduced to the bit or was not believed, and NotTaken.
    """
    if again.reproduction is not Reproduction.BITS or not again.trustworthy:
        because = "; ".join(again.differences) or again.judgement.message
        raise AnswerIsNo(
            f"{path} was not reproduced and its model is not registered: it is {again.result.value!r}, "
            f"was {again.expected!r} ({because}); see for yourself: {ballast_command('train', path)}"
        )
    resolved = resolve(path)
    config = resolved.trial({}).config
    trained = _RegisteredTraining(path, config, load_study_data(resolved).folds(config.data)[-1], again)
    with mlflow_environment(uri) as address:
        client = connect_mlflow(address)
        run_id = MlflowSender(client, store, trial.study).run_of(trial.number)
        with as_mlflow_errors(address), _experiment(client.get_run(run_id).info.experiment_id):
            client.log_artifact(run_id, str(path))
            return _log(trained, run_id, name, _tags(trial, newest_verification(store, trial.study)))


def _log(trained: _RegisteredTraining, run_id: str, name: str, tags: dict[str, str]) -> str:
    import mlflow
    from mlflow.models import infer_signature

    from trainer.inference.forecaster import (  # torch comes with it, and nowhere before
        build_forecaster,
        forecast_windows,
        stack_windows,
    )

    data, weights = trained.data, single_model(trained.rerun, trained.path)
    model = build_forecaster(trained.config.models.gru, len(data.feature_names), weights)
    examples = stack_windows(data, data.validation[:_EXAMPLES])
    logged = mlflow.pytorch.log_model(
        model,
        name="model",
        run_id=run_id,
        registered_model_name=name,
        signature=infer_signature(examples, forecast_windows(model, examples)),
        input_example=examples,
        serialization_format="pt2",
        pip_requirements=[f"{package}=={_release(package)}" for package in _REQUIRED],
        metadata=_metadata(trained),
        tags=tags,
    )
    return str(logged.registered_model_version)


def _metadata(trained: _RegisteredTraining) -> dict[str, Any]:
    """What a user must know to feed the model and to read its forecasts; values are JSON's."""
    data, scaler = trained.data, trained.data.scaler
    return {
        "features": list(data.feature_names),
        "feature_mean": scaler.feature_mean.tolist(),
        "feature_std": scaler.feature_std.tolist(),
        "feature_clip": scaler.feature_clip,
        "target_kind": str(data.kind),
        "target_mean": scaler.target_mean,
        "target_std": scaler.target_std,
        "target_clip": scaler.target_clip,
        "seq_len": data.seq_len,
        "horizon": data.horizon,
        "data_sha256": data.sha256,
    }


def _tags(trial: tables.Trial, verified: VerificationAnswer | None) -> dict[str, str]:
    """The verdict of the newest verification is the model's only if it was this trial that was verified."""
    answer = None if verified is None or verified.trial != trial.number else verified.verdict
    return {
        "ballast.study": trial.study,
        "ballast.trial": str(trial.number),
        "ballast.verdict": str(trial.verdict),
        "ballast.skill": repr(trial.skill),
        "ballast.value": repr(trial.value),
        "ballast.verified": answer or "not yet",
    }


def _release(package: str) -> str:
    """The version without what a build adds to it (`+cpu`), which no index has."""
    return version(package).partition("+")[0]


@contextmanager
def _experiment(number: str) -> Iterator[None]:
    """`log_model` puts models where this variable says, not where their run is."""
    name = "MLFLOW_EXPERIMENT_ID"
    before = os.environ.get(name)
    os.environ[name] = number
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})
