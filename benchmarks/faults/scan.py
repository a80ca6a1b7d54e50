"""Looks for numbers that are not finite in everything that a study leaves behind."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select

from search.selection.export import write_export
from search.study.studies import OpenStudy
from storage import query
from storage.tables import Base, FindingRow
from storage.verdicts import Verdict
from trainer.training.result import TrialResult

_EXEMPT = {(FindingRow.__tablename__, "value")}
"""The recorded finding itself: what was found, to the bit."""


def places(value: Any, where: str) -> Iterator[str]:
    """Where in a value, of any depth, a number is NaN or infinite."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{where} = {value}"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from places(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from places(inner, f"{where}[{number}]")


def in_result(result: TrialResult, where: str) -> Iterator[str]:
    """In what a trial hands back: weights, value, epochs, learning rates."""
    for name, weight in (result.weights or {}).items():
        yield from places(weight.flatten().tolist(), f"{where}.weights.{name}")
    for report in result.epochs:
        yield from places(vars(report), f"{where}.epoch {report.epoch}")
    told = ("value", "skill", "baseline_loss", "skill_ceiling", "final_learning_rates", "effective")
    yield from places({name: getattr(result, name) for name in told}, where)


def in_record(study: OpenStudy) -> Iterator[str]:
    """In every column of every table of ours."""
    with study.store.reading() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)).mappings():
                honest = {key: cell for key, cell in row.items() if (table.name, key) not in _EXEMPT}
                yield from places(honest, table.name)


def in_optuna(study: OpenStudy) -> Iterator[str]:
    """In what Optuna was told: values, reports, constraints, parameters and attributes."""
    for trial in study.optuna.get_trials(deepcopy=False):
        told = {
            "values": trial.values or [],
            "reports": trial.intermediate_values,
            "constraints": trial.constraints,
            "params": trial.params,
            "attributes": {**trial.user_attrs, **trial.system_attrs},
        }
        yield from places(told, f"optuna trial {trial.number}")


def in_exports(study: OpenStudy, folder: Path) -> Iterator[str]:
    """In the exported file of every accepted trial."""
    for trial in query.trials(study.store, study.name, Verdict.ACCEPTED):
        path = folder / f"trial-{trial.number}.yaml"
        write_export(study.store, trial, path)
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        yield from places(content, path.name)
