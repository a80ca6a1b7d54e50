"""The small study that all faults strike, and the store it lives in."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.postgres import PostgresServer
from search.config.resolve import resolve
from search.data.study_data import StudyData, load_study_data
from search.study.studies import OpenStudy, open_study
from storage.engine import open_store
from trainer.training.loop import fit
from trainer.training.result import TrialResult

RETRIES = 2
_RATE = "models.gru.learning_rate"
_ROWS = 400
_FILE: dict[str, Any] = {
    "study": {"name": "chaos", "trials": 8, "startup_trials": 4, "pruner": "none", "retries": RETRIES},
    "data": {
        "source": "prices.csv",
        "time": "Date",
        "features": [{"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"}],
        "target": {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": "volatility"},
        "seq_len": 3,
        "split": {"fractions": {"train": 0.5, "validation": 0.25}},
    },
    "models": {"gru": {"batch_size": 64, "hidden_size": 4}},
    "training": {"epochs": 12, "patience": 12},
    "space": {
        _RATE: {"low": 1e-7, "high": 1e-2, "log": True},
        "models.gru.dropout": {"low": 0.0, "high": 0.4},
    },
}
"""A trial takes a fifth of a second. Rates near the lower bound teach nothing: `frozen`, so unstable."""
FEW = {_RATE: {"choices": [1e-8, 1e-2]}}
"""A space so small that trials are copies of others."""


@dataclass(frozen=True)
class Scene:
    """Where one study is, and what it is made of."""

    url: str
    folder: Path
    file: Path
    wanted: int
    server: PostgresServer | None = None

    @property
    def name(self) -> str:
        """The study's name."""
        return str(_FILE["study"]["name"])

    @property
    def database(self) -> Path:
        """The file of a SQLite store."""
        return self.folder / "ballast.db"

    @property
    def on_sqlite(self) -> bool:
        """Whether the store is a file."""
        return self.server is None


def set_scene(
    folder: Path,
    server: PostgresServer | None,
    *,
    wanted: int,
    space: dict[str, Any] | None = None,
    sampler: str | None = None,
    epochs: int | None = None,
    **study: Any,
) -> Scene:
    """Write the study file and its data, and start the study in a store of its own, without any worker.

    A `sampler` has no start-up phase unless `startup_trials` is given too; None: the default one. `study` are
    further settings of the section of that name.
    """
    prices(_ROWS).to_csv(folder / "prices.csv", index=False)
    files = {"files": str(folder / "files")}
    section = {**_FILE["study"], "trials": wanted}
    if sampler is not None:
        section["sampler"] = sampler
        del section["startup_trials"]
    changed = {**_FILE, "study": section | study, "storage": files}
    if epochs is not None:
        changed["training"] = {"epochs": epochs, "patience": epochs}
    file = folder / "study.yaml"
    file.write_text(json.dumps(changed if space is None else {**changed, "space": space}), encoding="utf-8")
    url = f"sqlite:///{folder / 'ballast.db'}" if server is None else server.create(folder.name)
    scene = Scene(url, folder, file, wanted, server)
    with opened(scene):
        return scene


@contextmanager
def opened(scene: Scene) -> Iterator[OpenStudy]:
    """The study, open in this process while the block runs; no connection is left to a server that stops."""
    resolved = resolve(scene.file, ()).stored_at(scene.url, "the bench")
    store = open_store(scene.url)
    study = open_study(resolved, load_study_data(resolved), store)
    try:
        yield study
    finally:
        study.optuna._storage.remove_session()
        store.close()


class Undisturbed:
    """What trials come to where nothing happens; each is trained once, in this process, without a store."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], TrialResult] = {}

    def result(self, study: OpenStudy, params: dict[str, Any], seed: int) -> TrialResult:
        """The result of these parameters and this seed."""
        resolved = study.resolved.trial(params, queued=True)
        key = (resolved.digest, seed)
        if key not in self._known:
            data: StudyData = study.data
            folds = data.folds(resolved.config.data)
            self._known[key] = fit(
                resolved.config, folds, baseline=data.baseline, ceiling=data.ceiling, seed=seed
            )
        return self._known[key]


def prices(rows: int) -> pd.DataFrame:
    """Daily prices whose log volatility is AR(1), so that forecasts can have skill."""
    random = np.random.default_rng(0)
    level, logs = 0.0, []
    for shock in random.normal(0, 0.3, rows):
        level = 0.9 * level + shock
        logs.append(level)
    width = 0.01 * np.exp(logs) * random.uniform(0.7, 1.3, rows)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.005, rows)))
    dates = pd.bdate_range("2001-01-01", periods=rows).strftime("%Y-%m-%d")
    return pd.DataFrame({"Date": dates, "Close": close, "High": close * np.exp(width), "Low": close})
