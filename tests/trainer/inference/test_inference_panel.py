"""A model of a panel forecasts every series from a table of all of them."""

from pathlib import Path

import numpy as np
import pytest

from tests.trainer.inference.model_fixtures import PROVENANCE
from tests.trainer.panel_fixtures import config_of, one, panel_of, with_names
from trainer.config import DataConfig, GRUConfig, ModelsConfig, TrialConfig
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.inference.gru_forward import forecast_rows
from trainer.inference.model_folder import load_model, save_model
from trainer.inference.prediction import predict
from trainer.models.network import GRUForecaster

TABLES = [one(seed, "2000-01-03", 640) for seed in range(4)]
PANEL = with_names(panel_of(*TABLES))


def write(path: Path) -> None:
    frame = PANEL.frame.rename_axis("date").reset_index()
    frame["name"] = np.repeat([*"ABCD"], [len(table.frame) for table in TABLES])
    frame.to_csv(path, index=False, float_format="%.17g")


def saved(tmp_path: Path, scale: str) -> tuple[Path, Dataset]:
    config = config_of().model_dump(mode="json") | {"scale": scale, "series": "name"}
    config["features"] += [{"name": "rank", "of": "ret", "transform": "cross_rank", "min_series": 4}]
    trial = TrialConfig(
        data=DataConfig.model_validate(config),
        models=ModelsConfig(gru=GRUConfig(hidden_size=8, init="torch")),
    )
    data = prepare_last_fold(trial.data, PANEL)
    weights = GRUForecaster(data.features.shape[1], trial.models.gru).state_dict()
    save_model(tmp_path / "model", trial, data, PANEL, weights, PROVENANCE)
    return tmp_path / "model", data


@pytest.mark.parametrize("scale", ["pooled", "series"])
def test_new_rows_are_scaled_as_those_of_their_series_were_in_training(tmp_path: Path, scale: str) -> None:
    folder, data = saved(tmp_path, scale)
    write(tmp_path / "rows.csv")
    _, networks = load_model(folder)
    mean, std = data.scaler.target_moments(data.series_numbers[data.test])
    expected = forecast_rows(networks, data.features, data.seq_len, data.test) * std + mean
    found = predict(folder, str(tmp_path / "rows.csv"))
    by_row = dict(zip(zip(found.series, found.times.to_numpy(), strict=True), found.values, strict=True))
    rows = [(data.series_of(row), data.times[row]) for row in data.test.tolist()]
    np.testing.assert_allclose([by_row[row] for row in rows], expected, rtol=1e-6)
