"""A model in MLflow's registry: the one that was exported, to the bit, with what one needs to use it."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.selection.rerun import rerun
from storage import query
from storage.engine import Store
from trainer.inference.forecaster import stack_windows
from trainer.models.network import GRUForecaster

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from tests.search_fixtures import Ballast

pytestmark = pytest.mark.slow


@pytest.mark.slow
def test_a_registered_model_forecasts_as_the_trial_did(
    store: Store, ballast: "Ballast", uri: str, client: "MlflowClient", tmp_path: Path
) -> None:
    import mlflow

    told = ballast("export", "small", "-o", "best.yaml", "--register", "vol", "--mlflow", uri, "--json")
    assert told.code == 0, told.err
    (exported,) = told.json
    assert exported["model"] == {"name": "vol", "version": "1"}
    best = query.best_trial(store, "small")
    assert best is not None
    version = client.get_model_version("vol", "1")
    assert version.run_id is not None
    run = client.get_run(version.run_id)
    assert (version.tags["ballast.study"], version.tags["ballast.verdict"]) == ("small", "accepted")
    assert (version.tags["ballast.trial"], version.tags["ballast.skill"]) == (
        str(best.number),
        repr(best.skill),
    )
    assert run.data.tags["ballast.trial"] == str(best.number)
    assert {"best.yaml", "settings.yaml"} <= {file.path for file in client.list_artifacts(version.run_id)}

    resolved = resolve(Path("best.yaml"))
    config = resolved.trial({}).config
    data = load_study_data(resolved).folds(config.data)[-1]
    ours = GRUForecaster(len(data.feature_names), config.models.gru).eval()
    weights = rerun(Path("best.yaml")).result.weights
    assert weights is not None
    ours.load_state_dict(dict(weights))
    rows = data.validation  # more than the model was traced with
    x = torch.from_numpy(stack_windows(data, rows))
    loaded = mlflow.pytorch.load_model("models:/vol/1")
    with torch.no_grad():
        forecasts = loaded(x)
        assert torch.equal(forecasts, ours(x.transpose(0, 1)))
    loss = float(np.mean((forecasts.numpy() - data.target[rows]) ** 2))
    assert loss == pytest.approx(best.value, rel=1e-6)

    model = mlflow.models.get_model_info("models:/vol/1")
    assert model.signature is not None
    assert [(spec.type.str, spec.shape) for spec in model.signature.inputs] == [("<f4", (-1, 3, 1))]
    assert [(spec.type.str, spec.shape) for spec in model.signature.outputs] == [("<f4", (-1,))]
    assert model.metadata is not None
    assert model.metadata["target_mean"] == data.scaler.target_mean
    assert model.metadata["feature_std"] == data.scaler.feature_std.tolist()


def test_a_value_that_is_not_reproduced_is_not_registered(
    store: Store, ballast: "Ballast", uri: str, client: "MlflowClient"
) -> None:
    table = pd.read_csv("prices.csv")
    table["High"] *= 1.001
    table.to_csv("prices.csv", index=False)
    told = ballast("export", "small", "-o", "best.yaml", "--register", "vol", "--mlflow", uri)
    assert told.code == 1
    assert told.told[-1].startswith(
        "ballast: best.yaml was not reproduced and its model is not registered: it is "
    )
    assert (
        "(the data of prices.csv changed since the export); see for yourself: ballast train" in told.told[-1]
    )
    assert not client.search_registered_models()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--register", "m", "--top", 2), "--register is for one model, --top asks for several"),
        (("--mlflow", "http://127.0.0.1:5000"), "--mlflow is where --register puts the model"),
        (("--register", "m"), "study 'small' has no MLflow"),
    ],
)
def test_options_that_cannot_be_met_are_refused(
    store: Store, ballast: "Ballast", options: tuple[object, ...], sentence: str
) -> None:
    told = ballast("export", "small", "-o", "best.yaml", *options)
    assert told.code == 2
    assert sentence in " ".join(told.err.replace("│", " ").split())
