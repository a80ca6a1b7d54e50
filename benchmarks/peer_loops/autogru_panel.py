"""NeuralForecast's AutoGRU on the panel of `benchmarks.panel`: the same rows, features, trials and steps.

    PYTHON -m benchmarks.peer_loops.autogru_panel FOLDER

Reads panel.npz in FOLDER, searches on the validation rows, trains the best again on all rows before the test,
and writes its forecasts of the test rows into told.npz. The series is the target five days before, which is
known at each row; the forecast of row t is the fifth step ahead, and the loss counts that step alone.
"""

import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.auto import AutoGRU
from neuralforecast.losses.pytorch import MSE

SPACE = {"learning_rate": (1e-3, 5e-3), "units": (16, 32, 64), "dropout": (0.0, 0.3)}
"""As in configs/studies/us-stocks-volatility.yaml."""


def frame(rows: dict[str, Any], horizon: int) -> pd.DataFrame:
    """Each series up to the last target: at step s stands the target of row s - horizon, known at s."""
    edges = [*rows["starts"].tolist(), len(rows["target"])]
    parts = []
    for number, (start, stop) in enumerate(pairwise(edges)):
        target = rows["target"][start:stop]
        steps = np.arange(horizon, len(target) + horizon)
        # The features of the last steps are in no window: the last forecast is made at the last row.
        known = np.minimum(steps, len(target) - 1)
        features = rows["features"][start:stop][known]
        columns = {f"x{at}": features[:, at] for at in range(features.shape[1])}
        parts.append(pd.DataFrame({"unique_id": number, "ds": steps, "y": target, **columns}))
    return pd.concat(parts, ignore_index=True)


def model(rows: dict[str, Any], horizon: int) -> AutoGRU:
    """AutoGRU with as many trials and steps as Ballast has."""

    def configuration(trial: Any) -> dict[str, Any]:
        return {
            "encoder_hidden_size": trial.suggest_categorical("units", SPACE["units"]),
            "learning_rate": trial.suggest_float("learning_rate", *SPACE["learning_rate"], log=True),
            "encoder_dropout": trial.suggest_float("dropout", *SPACE["dropout"]),
            "encoder_n_layers": 1,
            "decoder_layers": 1,  # a linear head
            "input_size": int(rows["seq_len"]),
            "hist_exog_list": [f"x{at}" for at in range(rows["features"].shape[1])],
            "scaler_type": "identity",  # the rows are standardised
            "max_steps": int(rows["steps"]),
            "val_check_steps": int(rows["steps"]),
            "windows_batch_size": int(rows["batch_size"]),
            "random_seed": trial.number,
            "accelerator": "cpu",
            "enable_progress_bar": False,
        }

    return AutoGRU(
        h=horizon,
        loss=MSE(horizon_weight=np.eye(horizon)[-1]),
        config=configuration,
        search_alg=optuna.samplers.TPESampler(seed=0),
        num_samples=int(rows["trials"]),
        backend="optuna",
        refit_with_val=True,
    )


def main(arguments: Sequence[str]) -> None:
    """Search, forecast, write."""
    folder = Path(arguments[0])
    rows = dict(np.load(folder / "panel.npz"))
    horizon, held, test = (int(rows[name]) for name in ("horizon", "validation", "test"))
    began = time.perf_counter()
    told = NeuralForecast(models=[model(rows, horizon)], freq=1).cross_validation(
        frame(rows, horizon), n_windows=None, val_size=held, test_size=test + horizon - 1, step_size=1
    )
    seconds = time.perf_counter() - began
    told = told[told["ds"] == told["cutoff"] + horizon].sort_values(["unique_id", "cutoff"])
    np.savez(
        folder / "told.npz",
        seconds=seconds,
        series=told["unique_id"].to_numpy(),
        row=told["cutoff"].to_numpy(),
        forecast=told["AutoGRU"].to_numpy(),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
