"""Small studies on a small series with real structure, and fixtures that run them.

A conftest imports the fixtures that its tests need; `isolated_home` is used by every test that sees it.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pytest

from search.cli.main import main
from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.study.studies import OpenStudy, open_study
from search.workers.loop import RunEnd, run_worker
from search.workers.progress import NoProgress
from storage import evaluations, query, tables
from storage.engine import Store, open_store

ROWS = 400

STUDY_SETTINGS: dict[str, Any] = {
    "study": {"name": "small", "trials": 2, "startup_trials": 2, "pruner": "none"},
    "data": {
        "source": "prices.csv",
        "time": "Date",
        "features": [{"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"}],
        "target": {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": "volatility"},
        "seq_len": 3,
        "split": {"fractions": {"train": 0.5, "validation": 0.25}},
    },
    "models": {"gru": {"batch_size": 64, "hidden_size": 4}},
    "training": {"epochs": 2, "patience": 2},
    "storage": {"patience": 0},
    "tracking": {"dashboard": False},  # half of the time of a trial as small as these; tests of it turn it on
    "space": {"models.gru.learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}},
}

ENDLESS: dict[str, Any] = {"epochs": 100_000, "patience": 100_000}
"""Training that only a signal ends."""

Launch = Callable[..., "Launched"]
Ballast = Callable[..., "Result"]
Answer = Callable[..., None]


class WriteStudy(Protocol):
    """Write a study file, with its data beside it."""

    def __call__(
        self,
        file: str = "study.yaml",
        *,
        leak: bool = False,
        audited: bool = False,
        seed: int = 0,
        rows: int = ROWS,
        **changes: Any,
    ) -> Path:
        """Keyword arguments change sections of the small study, or with `leak` of the one that is fooled."""


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> list[str]:
        """The lines of the error message, without log lines; a traceback is a bug."""
        assert "Traceback" not in self.err
        return [line for line in self.err.splitlines() if line.strip() and not line.startswith("INFO")]

    @property
    def json(self) -> Any:
        """What was printed, by a reader that knows no NaN."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        return json.loads(self.out, parse_constant=refuse)


@dataclass(frozen=True)
class Launched:
    """A study after a run in this process."""

    study: OpenStudy
    end: RunEnd

    @property
    def store(self) -> Store:
        return self.study.store

    @property
    def trials(self) -> list[tables.Trial]:
        return query.trials(self.store, self.study.name)


@pytest.fixture(autouse=True)
def isolated_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test runs in its own folder, without the settings of the person who runs the tests."""
    monkeypatch.chdir(tmp_path)
    for variable in ("BALLAST_STORE", "BALLAST_SQLITE_TIMEOUT", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)
    logger = logging.getLogger("ballast")
    level = logger.level
    yield
    logger.setLevel(level)


def prices(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Daily prices whose log volatility is AR(1), so that forecasts can have skill."""
    random = np.random.default_rng(seed)
    level, logs = 0.0, []
    for shock in random.normal(0, 0.3, rows):
        level = 0.9 * level + shock
        logs.append(level)
    width = 0.01 * np.exp(logs) * random.uniform(0.7, 1.3, rows)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.005, rows)))
    dates = pd.bdate_range("2001-01-01", periods=rows).strftime("%Y-%m-%d")
    return pd.DataFrame({"Date": dates, "Close": close, "High": close * np.exp(width), "Low": close})


def leaky(rows: int = ROWS) -> pd.DataFrame:
    """White noise to forecast, and a feature that gives it away."""
    random = np.random.default_rng(1)
    noise = random.normal(0, 0.01, rows)
    dates = pd.bdate_range("2001-01-01", periods=rows).strftime("%Y-%m-%d")
    return pd.DataFrame({"Date": dates, "y": noise, "peek": noise + random.normal(0, 1e-4, rows)})


LEAK: dict[str, Any] = {
    "data": {
        "source": "leaky.csv",
        "features": ["peek"],
        "target": {"column": "y", "transform": "raw", "kind": "return", "already_shifted": True},
        "seq_len": 1,
    },
    "models": {"gru": {"batch_size": 16, "init": "torch", "hidden_size": 8}},
    "training": {"epochs": 6},
    "space": {"models.gru.learning_rate": {"low": 9e-3, "high": 1e-2}},
}
"""A study that is fooled by its data, unless somebody watches."""


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Sections deeply, but data.target and space as a whole; None removes a key."""
    done = dict(base)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(done.get(key), dict) and key not in ("space", "target"):
            done[key] = merged(done[key], value)
        elif value is None:
            done.pop(key, None)
        else:
            done[key] = value
    return done


@pytest.fixture
def write_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteStudy:
    """Write a study file, with its data beside it.

    For a leak the audit's probes are blindfolded unless `audited`: what is tested is the line behind them.
    """

    def write(
        file: str = "study.yaml",
        *,
        leak: bool = False,
        audited: bool = False,
        seed: int = 0,
        rows: int = ROWS,
        **changes: Any,
    ) -> Path:
        if leak and not audited:
            monkeypatch.setattr("trainer.audit.audit.leak_findings", lambda *args, **kwargs: [])
        path = tmp_path / file
        table = leaky(rows) if leak else prices(rows, seed)
        table.to_csv(path.parent / ("leaky.csv" if leak else "prices.csv"), index=False)
        study = merged(merged(STUDY_SETTINGS, LEAK if leak else {}), changes)
        path.write_text(json.dumps(study, indent=1, ensure_ascii=False))  # JSON is YAML, one key a line
        return path

    return write


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Run a study file in this process, as the command does, in the store beside it."""
    stores: list[Store] = []

    def launch(
        path: Path,
        *sets: str,
        policy: Path | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        continue_from: str | None = None,
    ) -> Launched:
        resolved = resolve(path, sets, policy=policy)
        store = open_store(f"sqlite:///{tmp_path / 'ballast.db'}")
        stores.append(store)
        study = open_study(resolved, load_study_data(resolved), store, continue_from=continue_from)
        return Launched(study, run_worker(study, NoProgress(), should_stop))

    yield launch
    for store in stores:
        store.close()


@pytest.fixture
def answer() -> Answer:
    """Put an answer of `verify` about an accepted trial on record, as `verify` does."""

    def answer(store: Store, trial: int, verdict: str, skill: float | None = 0.02, **report: Any) -> None:
        row, moment = query.trial(store, "small", trial), datetime(2026, 11, 29, 12, tzinfo=UTC)
        evaluation = tables.Evaluation(
            study="small",
            trial=trial,
            configuration="0" * 64,
            source="prices.csv",
            content="0" * 64,
            target="High, Low",
            first_time=moment,
            last_time=moment,
            looked_at=moment + timedelta(minutes=len(evaluations.verifications_of_study(store, "small"))),
            looked_by="ada@host",
            seeds=[1, 2, 3],
        )
        told = {
            "skill": skill,
            "reason": "the guard stopped 2 of 3 trainings",
            "value": 0.5,
            "baseline": {"name": "har", "loss": 0.51},
            "interval": {"low": -0.07, "high": 0.12, "level": 0.95, "block": 1},
            "validation": {"value": row.value, "skill": row.skill},
            "seeds": [{"seed": seed} for seed in (1, 2, 3)],
            **report,
        }
        evaluations.finish_evaluation(store, evaluations.start_evaluation(store, evaluation), verdict, told)

    return answer


@pytest.fixture
def ballast(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ballast:
    """Run a command of `ballast` in this process."""

    def ballast(*arguments: object) -> Result:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["ballast", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code
        said = capsys.readouterr()
        return Result(code if isinstance(code, int) else 0 if code is None else 1, said.out, said.err)

    return ballast
