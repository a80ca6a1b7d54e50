"""Every column name in every role: the table has the column, lacks it or has it twice."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

from benchmarks.fuzzing.clocks import table_on
from benchmarks.fuzzing.pairs import STUDY
from search.selection.model_saving import save_trained_model
from search.selection.rerun import rerun
from trainer.inference.prediction import predict

NAMES = (
    "Close", "Date", "High", "target", "Target", "time", "index", "level_0", "Unnamed: 0", "ret", "vol",
    "features",
    "forecast", "of", "split", "", " ", "  Close", "close", "é", "e\u0301", "价格", "😀", "x" * 300,
    "x" * 5_000, "a b",
    "a,b", "a;b", "a\nb", "a\r\nb", "a\tb", "{", "}", "{}", "{0}", "%s", "%(a)s", "[b]", "[/b]", "'", '"',
    "\\", "/", "../a",
    "a.b", "data.source", "#", "- a", "--set", "=1+1", "@", "&a", "*a", "!a", "null", "true", "1", "1.5",
    "nan", "-0",
    "__class__", "self", "None", "\x1b[2J", "\u202e", "\u200b", "\ufeff", "\x00", "\x7f", "a\u2028b", "CON",
)  # fmt: skip
TABLES = ("csv", "parquet", "missing", "twice")
Role = Callable[[dict[str, Any], str], None]


@dataclass(frozen=True)
class Column:
    """A name, the role that it has in the study, and what the table makes of it."""

    name: str
    role: str
    table: str


def _feature(**changes: str) -> Role:
    def change(data: dict[str, Any], name: str) -> None:
        data["features"][0] |= {key: name if value == "NAME" else value for key, value in changes.items()}

    return change


def _added(*more: dict[str, Any]) -> Role:
    def change(data: dict[str, Any], name: str) -> None:
        data["features"] += [
            {key: name if value == "NAME" else value for key, value in each.items()} for each in more
        ]

    return change


def _target(**target: Any) -> Role:
    def change(data: dict[str, Any], name: str) -> None:
        data["target"] = {key: name if value == "NAME" else value for key, value in target.items()}

    return change


def _time(data: dict[str, Any], name: str) -> None:
    data["time"] = name


def _short(data: dict[str, Any], name: str) -> None:
    data["features"].append(name)


ROLES: dict[str, Role] = {
    "time": _time,
    "feature": _feature(column="NAME"),
    "name of a feature": _feature(name="NAME"),
    "name and column": _short,
    "two features": _added({"name": "one", "column": "NAME"}, {"name": "two", "column": "NAME"}),
    "two names": _added({"name": "NAME", "column": "Close"}, {"name": "NAME", "column": "High"}),
    "of another": _added({"name": "mean", "of": "NAME", "transform": "rolling_mean", "window": 3}),
    "name and of": _added({"name": "NAME", "column": "High"}, {"name": "b", "of": "NAME"}),
    "may lead": _added({"name": "NAME", "column": "NAME", "may_lead": True}),
    "high and low": _added({"name": "range", "transform": "log_parkinson", "high": "NAME", "low": "NAME"}),
    "high": _added({"name": "range", "transform": "log_parkinson", "high": "NAME", "low": "Low"}),
    "target": _target(column="NAME", transform="log_return", kind="return"),
    "target as it is": _target(column="NAME", kind="other", already_shifted=False),
    "target of a feature": _target(of="NAME", kind="volatility"),
    "high of the target": _target(transform="log_parkinson", high="NAME", low="Low", kind="volatility"),
}


def columns(random: Random) -> Iterator[Column]:
    """Every name in every role in every table, in an order of its own for each seed, again and again."""
    while True:
        every = [Column(name, role, table) for name, role, table in product(NAMES, ROLES, TABLES)]
        random.shuffle(every)
        yield from every


def read_column(column: Column, folder: Path) -> None:
    """Train once on the study, keep the model and forecast with it; each step may refuse."""
    study = deepcopy(STUDY)
    del study["space"]
    study["models"]["gru"] |= {"learning_rate": 0.01, "init": "torch"}  # so that the model is worth keeping
    ROLES[column.role](study["data"], column.name)
    content = _table(column)
    source = "prices.parquet" if content.startswith(b"PAR1") else "prices.csv"
    study["data"]["source"] = str(folder / source)
    (folder / source).write_bytes(content)
    path = folder / "study.json"
    path.write_text(json.dumps(study))
    outcome = rerun(path)
    save_trained_model(outcome, path, folder / "model", onnx=False)
    predict(folder / "model", str(folder / source)).frame()


def _table(column: Column) -> bytes:
    frame = pd.read_csv(io.BytesIO(table_on("dates")))
    header, rows = list(frame), list(frame.itertuples(index=False, name=None))
    copies = {"missing": 0, "twice": 2}.get(column.table, 1)
    if column.role == "time" and copies:  # the times themselves take the name
        header[0], copies = column.name, copies - 1
    elif copies == 1 and column.name in header:
        copies = 0
    added = ("Date" if column.role == "time" else "High",) * copies
    header += [column.name] * copies
    rows = [(*row, *(row[("Date", "Close", "High").index(name)] for name in added)) for row in rows]
    if column.table == "parquet" and len(set(header)) == len(header):  # pyarrow writes no name twice
        content = io.BytesIO()
        pd.DataFrame(rows, columns=header).to_parquet(content)
        return content.getvalue()
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()
