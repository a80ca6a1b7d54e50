"""Trains an exported configuration again and registers the model of its best epoch in MLflow."""

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
"""Windows that the model is traced with; more than one, so that their number stays variable."""

_REQUIRED = ("torch", "numpy", "mlflow")


@dataclass(frozen=True)
class _RegisteredTraining:
    """An exported configuration, its data, and the result of training it again."""

    path: Path
    config: TrialConfig
    data: Dataset
    rerun: Rerun


def register_model(store: Store, trial: tables.Trial, path: Path, rerun: Rerun, uri: str, name: str) -> str:
    """Register the model of an exported trial under `name`; returns its version.

    `rerun` is the export at `path`, trained once more. The model takes windows, float32 of shape (n, seq_len,
    features) as in `Dataset.features`, and returns n standardised forecasts; its metadata has the mean and
    the standard deviation that undo this. It is a traced graph: it loads without pickle and without Ballast.
    Raises AnswerIsNo if training did not reproduce the exported value to the bit or the value is suspicious,
    and MlflowError.
    """
    if rerun.reproduction is not Reproduction.BITS or not rerun.trustworthy:
        because = "; ".join(rerun.differences) or rerun.judgement.message
        raise AnswerIsNo(
            f"{path} was not reproduced and its model is not registered: it is {rerun.result.value!r}, "
            f"was {rerun.expected!r} ({because}); see for yourself: {ballast_command('train', path)}"
        )
    resolved = resolve(path)
    config = resolved.trial({}).config
    training = _RegisteredTraining(path, config, load_study_data(resolved).folds(config.data)[-1], rerun)
    with mlflow_environment(uri) as address:
        client = connect_mlflow(address)
        run_id = MlflowSender(client, store, trial.study).run_of(trial.number)
        with as_mlflow_errors(address), _experiment(client.get_run(run_id).info.experiment_id):
            client.log_artifact(run_id, str(path))
            return _log(training, run_id, name, _tags(trial, newest_verification(store, trial.study)))


def _log(training: _RegisteredTraining, run_id: str, name: str, tags: dict[str, str]) -> str:
    import mlflow
    from mlflow.models import infer_signature

    from trainer.inference.forecaster import (  # it imports torch, which nothing before it does
        build_forecaster,
        forecast_windows,
        stack_windows,
    )

    data, weights = training.data, single_model(training.rerun, training.path)
    model = build_forecaster(training.config.models.gru, len(data.feature_names), weights)
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
        metadata=_metadata(training),
        tags=tags,
    )
    return str(logged.registered_model_version)


def _metadata(training: _RegisteredTraining) -> dict[str, Any]:
    """Return what a user needs to feed the model and to read its forecasts, as JSON values.

    Of a panel also the trained series, with `data.scale: series` each with its moments.
    """
    from trainer.inference.model_folder import trained_series

    data, scaler = training.data, training.data.scaler
    series = trained_series(data)
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
        **({"series": [each.model_dump(mode="json") for each in series]} if series else {}),
    }


def _tags(trial: tables.Trial, verified: VerificationAnswer | None) -> dict[str, str]:
    """Return the tags of a model; the newest verification counts only if it verified this trial."""
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
    """Return the version without the suffix of a build (`+cpu`), which no package index has."""
    return version(package).partition("+")[0]


@contextmanager
def _experiment(number: str) -> Iterator[None]:
    """Set the experiment while the block runs: `log_model` uses this variable, not the run's experiment."""
    name = "MLFLOW_EXPERIMENT_ID"
    before = os.environ.get(name)
    os.environ[name] = number
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})
