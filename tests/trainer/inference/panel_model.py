"""A saved model of a made-up panel of the series A, B, C and D, and tables to forecast from."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.trainer.inference.model_fixtures import PROVENANCE
from tests.trainer.panel_fixtures import config_of, one, panel_of, with_names
from trainer.config import DataConfig, GRUConfig, ModelsConfig, TrialConfig
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.inference.forecast_intervals import ForecastIntervals
from trainer.inference.model_folder import save_model
from trainer.models.network import GRUForecaster

TABLES = [one(seed, "2000-01-03", 640) for seed in range(4)]
PANEL = with_names(panel_of(*TABLES))


def write(path: Path) -> None:
    frame = PANEL.frame.rename_axis("date").reset_index()
    frame["name"] = np.repeat([*"ABCD"], [len(table.frame) for table in TABLES])
    frame.to_csv(path, index=False, float_format="%.17g")


def saved(
    tmp_path: Path,
    scale: str,
    min_series: int = 4,
    layout: str | None = None,
    intervals: ForecastIntervals | None = None,
    *,
    ranked: bool = True,
    target: dict[str, Any] | None = None,
) -> tuple[Path, Dataset]:
    named = {"series": "name"} if layout is None else {"layout": layout}
    config = config_of().model_dump(mode="json") | {"scale": scale} | named
    if ranked:
        rank = {"name": "rank", "of": "ret", "transform": "cross_rank", "min_series": min_series}
        config["features"] += [rank]
    config["target"] |= target or {}
    trial = TrialConfig(
        data=DataConfig.model_validate(config),
        models=ModelsConfig(gru=GRUConfig(hidden_size=8, init="torch")),
    )
    data = prepare_last_fold(trial.data, PANEL)
    weights = GRUForecaster(data.features.shape[1], trial.models.gru).state_dict()
    save_model(tmp_path / "model", trial, data, PANEL, weights, PROVENANCE, intervals=intervals)
    return tmp_path / "model", data


def rows_of(names: str, path: Path, last: dict[str, int] | None = None) -> str:
    """The rows of some series; of those in `last` only so many of the first ones."""
    write(path)
    frame = pd.read_csv(path, dtype={"name": str})
    parts = [
        frame[frame["name"] == each].head((last or {}).get(each, 10**6)) for each in names if each in "ABCD"
    ]
    parts += [frame[frame["name"] == "A"].assign(name=each) for each in names if each not in "ABCD"]
    pd.concat(parts).to_csv(path, index=False)
    return str(path)
