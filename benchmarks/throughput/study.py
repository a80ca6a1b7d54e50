"""The study that trials are added to, and the many trials that it is given before, in bulk."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.orm import DeclarativeBase

from benchmarks.market import SP500
from search.config.resolve import resolve
from search.config.resolved_study import ResolvedStudy
from search.config.space import to_distributions
from search.data.study_data import StudyData, load_study_data
from search.study.studies import open_study
from storage.engine import open_store
from storage.sqlite import sqlite_connect_args, tune_sqlite
from storage.tables import Epoch, SettingRow, Trial
from storage.urls import is_sqlite, read_url
from storage.verdicts import Verdict

NAME = "throughput"
EPOCHS = 20
_FILE: dict[str, Any] = {
    "study": {"name": NAME, "trials": 1_000_000},
    "data": SP500,
    "training": {"epochs": EPOCHS, "patience": EPOCHS},
    "tracking": {"dashboard": False},  # the record alone; benchmarks/publishing.py measures the rest
    "space": {
        "models.gru.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
        "models.gru.weight_decay": {"low": 1e-8, "high": 1e-3, "log": True},
        "models.gru.dropout": {"low": 0.0, "high": 0.5},
        "models.gru.hidden_size": {"low": 8, "high": 128},
        "models.gru.batch_size": {"choices": [16, 32, 64]},
    },
}
_BULK = 5_000
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Subject:
    """The study as it was resolved, with its data."""

    resolved: ResolvedStudy
    data: StudyData

    @property
    def distributions(self) -> Mapping[str, BaseDistribution]:
        """The space, as Optuna has it."""
        return to_distributions(self.resolved.space)


def subject(folder: Path) -> Subject:
    """Write the study file into `folder`, and read it and the data."""
    path = folder / "study.yaml"
    path.write_text(json.dumps({**_FILE, "storage": {"files": str(folder / "files")}}))
    resolved = resolve(path)
    return Subject(resolved, load_study_data(resolved))


def losses(of: float) -> list[float]:
    """The validation losses of a trial's epochs, falling to `of`."""
    return [of * (1 + 0.01 * (EPOCHS - 1 - epoch)) for epoch in range(EPOCHS)]


def bare_storage(url: str, *, tuned: bool) -> optuna.storages.RDBStorage:
    """Optuna's own storage, on SQLite with Ballast's settings if `tuned`."""
    address = read_url(url)
    arguments = {"connect_args": sqlite_connect_args()} if tuned and is_sqlite(address) else {}
    storage = optuna.storages.RDBStorage(address.render_as_string(hide_password=False), arguments)
    if arguments:
        tune_sqlite(storage.engine)
    return storage


def fill_ballast(url: str, of: Subject, size: int) -> None:
    """A study of Ballast with `size` accepted trials, in both of its accounts."""
    store = open_store(url)
    opened = open_study(of.resolved, of.data, store)
    _fill_optuna(store.engine, opened.optuna._study_id, of, size, signed=True)
    _fill_record(store.engine, of, size)
    store.close()


def fill_bare(url: str, of: Subject, size: int, *, tuned: bool) -> None:
    """The same trials in a study of Optuna alone."""
    storage = bare_storage(url, tuned=tuned)
    study = optuna.create_study(study_name=NAME, storage=storage, direction="minimize")
    _fill_optuna(storage.engine, study._study_id, of, size, signed=False)
    storage.engine.dispose()


def _draws(of: Subject, size: int) -> list[dict[str, float]]:
    """Parameters of the trials, as Optuna stores them."""
    random = np.random.default_rng(0)
    return [
        {
            key: float(random.integers(3)) if key.endswith("batch_size") else _within(distribution, random)
            for key, distribution in of.distributions.items()
        }
        for _ in range(size)
    ]


def _within(distribution: Any, random: np.random.Generator) -> float:
    low, high = distribution.low, distribution.high
    if distribution.log:
        drawn = np.exp(random.uniform(np.log(low), np.log(high)))
    else:
        drawn = random.uniform(low, high)
    return float(round(drawn) if isinstance(low, int) else drawn)


def _values(size: int) -> list[float]:
    return [float(value) for value in np.random.default_rng(1).uniform(0.8, 1.2, size)]


def _fill_optuna(engine: Engine, study: int, of: Subject, size: int, *, signed: bool) -> None:
    """`signed`: with the attributes that Ballast gives its trials."""
    moment = _MOMENT.replace(tzinfo=None)
    columns = {"study_id": study, "state": TrialState.COMPLETE}
    times = {"datetime_start": moment, "datetime_complete": moment}
    spaces = {key: distribution_to_json(each) for key, each in of.distributions.items()}
    finite = models.TrialValueModel.TrialValueType.FINITE
    known = models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE
    draws, values = _draws(of, size), _values(size)
    with engine.begin() as connection:
        trials = [{**columns, **times, "number": number} for number in range(size)]
        _add(connection, models.TrialModel, trials)
        numbered = select(models.TrialModel.trial_id).order_by(models.TrialModel.number)
        ids = list(connection.scalars(numbered.where(models.TrialModel.study_id == study)))
        params = [
            {"trial_id": i, "param_name": key, "param_value": value, "distribution_json": spaces[key]}
            for i, draw in zip(ids, draws, strict=True)
            for key, value in draw.items()
        ]
        _add(connection, models.TrialParamModel, params)
        ends = [
            {"trial_id": i, "objective": 0, "value": value, "value_type": finite}
            for i, value in zip(ids, values, strict=True)
        ]
        _add(connection, models.TrialValueModel, ends)
        reports = [
            {
                "trial_id": i,
                "step": step,
                "intermediate_value": loss,
                "intermediate_value_type": known,
            }
            for i, value in zip(ids, values, strict=True)
            for step, loss in enumerate(losses(value))
        ]
        _add(connection, models.TrialIntermediateValueModel, reports)
        if signed:
            told = {"worker": "gone-0:1:1", "verdict": "accepted"}
            attributes = [
                {"trial_id": i, "key": key, "value_json": json.dumps(value)}
                for i in ids
                for key, value in told.items()
            ]
            _add(connection, models.TrialUserAttributeModel, attributes)
            constraints = [{"trial_id": i, "key": "constraints:ballast", "value_json": "-1.0"} for i in ids]
            _add(connection, models.TrialSystemAttributeModel, constraints)


def _fill_record(engine: Engine, of: Subject, size: int) -> None:
    draws, values = _draws(of, size), _values(size)
    common = {
        "study": NAME,
        "started_at": _MOMENT,
        "finished_at": _MOMENT,
        "worker": "gone-0:1:1",
        "verdict": Verdict.ACCEPTED,
        "reasons": [],
        "message": f"trained {EPOCHS} epochs, best was {EPOCHS - 1}",
        "skill": 0.0,
        "best_epoch": EPOCHS - 1,
        "epochs": EPOCHS,
        "duration_s": 1.0,
    }
    signals = dict.fromkeys(("train_loss", "skill", "learning_rate", "grad_norm_mean", "grad_norm_max"), 0.1)
    others = dict.fromkeys(("output_max", "movement", "prediction_std_ratio", "seconds"), 0.1)
    with engine.begin() as connection:
        trials = [
            {
                **common,
                "number": number,
                "params": draws[number],
                "seed": number,
                "configuration": f"{number:064x}",
                "value": values[number],
            }
            for number in range(size)
        ]
        _add(connection, Trial, trials)
        epochs = [
            {
                **signals,
                **others,
                "study": NAME,
                "trial": number,
                "epoch": epoch,
                "validation_loss": loss,
                "steps": 50,
                "skipped_steps": 0,
            }
            for number in range(size)
            for epoch, loss in enumerate(losses(values[number]))
        ]
        _add(connection, Epoch, epochs)
        settings = [
            {
                "study": NAME,
                "trial": number,
                "key": key,
                "position": 3,
                "layer": "sampled",
                "origin": "study.yaml",
                "requested": value,
                "effective": value,
                "reason": "drawn by tpe",
            }
            for number in range(size)
            for key, value in draws[number].items()
        ]
        _add(connection, SettingRow, settings)


def _add(connection: Connection, table: type[DeclarativeBase], rows: list[dict[str, Any]]) -> None:
    for first in range(0, len(rows), _BULK):
        connection.execute(insert(table), rows[first : first + _BULK])
