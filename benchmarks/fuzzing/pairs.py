"""Two settings at once: every pair of keys of a study, each with a value that is good, on the edge or bad."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any, Literal, get_args, get_origin

from benchmarks.fuzzing.clocks import CLOCKS, MOMENTS, table_on
from search.config.dimensions import not_searchable
from search.config.leaves import Leaf
from search.config.resolve import resolve
from search.config.schema import ALIASES, LEAVES, TRIAL_LEAVES
from search.config.space import to_distributions
from search.data.study_data import load_study_data
from search.record.row_mapping import setting_rows
from search.sampling.samplers import make_sampler

STUDY: dict[str, Any] = {
    "study": {"name": "fuzzed", "trials": 1, "pruner": "none"},
    "data": {
        "source": "prices.csv",
        "time": "Date",
        "features": [
            {"name": "ret", "column": "Close", "transform": "log_return"},
            {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"},
        ],
        "target": {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": "volatility"},
        "seq_len": 3,
        "split": {"train_until": "2001-06-01", "validation_until": "2001-08-01"},
    },
    "models": {"gru": {"batch_size": 16, "hidden_size": 4}},
    "training": {"epochs": 1, "patience": 1},
    "storage": {"patience": 0},
    "tracking": {"dashboard": False},
    "space": {"models.gru.learning_rate": {"low": 1e-4, "high": 1e-3, "log": True}},
}
"""A study that holds; its dates cut any of the tables of `clocks`."""

KEYS = (*LEAVES, *ALIASES, *(f"space.{key}" for key in (*TRIAL_LEAVES, *ALIASES) if not not_searchable(key)))
_EDGES = (0, 1, -1, 2, 0.5, 1.0, -0.0, 1e-9, 5e-324, 1e308, 2**31, 2**53, 2**63, 10**17)
_WRONG: tuple[Any, ...] = (None, True, "text", "", 1.5, [], {}, [1], {"a": 1}, [[]], "1", "true", "null")
_HOSTILE: tuple[Any, ...] = (
    "x" * 5_000, "\x00", "a\nb", "\x1b[2J", "\u202e", "../x", "~", "%s", "{}", "$HOME", "😀", "\ud83d",
    "9" * 300 + "h",
    "sample:x", "sample:", "sqlite:///", "cuda:99", "http://", float("inf"), float("nan"), -float("inf"),
    10**400,
    [{}] * 50, {"low": 1, "high": 0}, {"choices": []}, [None, None], list(range(500)),
)  # fmt: skip
_TEXTS: dict[str, tuple[Any, ...]] = {
    "data.source": ("prices.csv", "prices", ".", "missing.csv", "PRICES.CSV", "sample:sp500", "./prices.csv"),
    "data.time": ("Date", "Close", "date", " Date", "High"),
    "data.target.column": ("Close", "Date", "ret", "High"),
    "data.target.of": ("ret", "vol", "Close", "Date"),
    "data.target.high": ("High", "Date", "Low", "Close"),
    "data.target.low": ("Low", "Date", "High", "Close"),
    "data.split.train_until": MOMENTS,
    "data.split.validation_until": MOMENTS,
    "data.split.fractions": ({"train": 0.5, "validation": 0.25}, {"train": 0.9, "validation": 0.1},
    {"train": 1e-9}),
    "data.features": (
        ["Close"], ["Date"], ["Close", "Close"], ["Close", "High", "Low"], [{"name": "a", "of": "a"}], [""],
        [{"name": "target", "column": "Close", "transform": "rolling_std", "window": 2}],
        [{"name": "a", "column": "Close", "transform": "lag", "window": 10**9}, {"name": "b", "of": "a"}],
        [{"name": "a", "column": "Close", "transform": "log_return", "may_lead": True}],
    ),
    "study.enqueue": ([{"models.gru.learning_rate": 2e-4}], [{}], [{"training.epochs": 1}], [{"data": 1}]),
    "study.timeout": ("30m", "0s", "1h1h", "1e3", 1e-9),
    "storage.url": ("sqlite:///x.db", "sqlite://", "x", "postgresql://h/d"),
    "tracking.mlflow.uri": ("http://h", "x", "file:///tmp/x"),
}  # fmt: skip
"""Values that mean something for a key whose type alone says little."""


@dataclass(frozen=True)
class Pair:
    """Two settings of a study, on one of the tables."""

    sets: tuple[str, str]
    clock: str


def pairs(random: Random) -> Iterator[Pair]:
    """Every pair of keys once, in an order of its own for each seed, and then again with other values."""
    while True:
        both = list(combinations(KEYS, 2))
        random.shuffle(both)
        for keys in both:
            one, other = (f"{key}={_yaml(_value(key, random))}" for key in keys)
            yield Pair((one, other), random.choice(CLOCKS))


def _yaml(value: Any) -> str:
    if isinstance(value, float):
        return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(str(value), repr(value))
    return json.dumps(value)


def _value(key: str, random: Random) -> Any:
    if key.startswith("space."):
        return _dimension(key.removeprefix("space."), random)
    leaf = LEAVES[ALIASES.get(key, key)]
    chance = random.random()
    if chance < 0.25:
        return random.choice(_WRONG if chance < 0.12 else _HOSTILE)
    return _edge(leaf, random) if chance < 0.4 else _good(leaf, random)


def _good(leaf: Leaf, random: Random) -> Any:
    if leaf.key in _TEXTS:
        return random.choice(_TEXTS[leaf.key])
    literals = list(_literals(leaf.field.annotation))
    if literals:
        return random.choice(literals)
    if bool in leaf.types:
        return random.choice((True, False))
    if leaf.types & {int, float}:
        return random.choice((1, 2, 3, 5) if int in leaf.types else (0.001, 0.1, 0.5, 1.0, 2.0))
    return "text" if leaf.required else leaf.default


def _edge(leaf: Leaf, random: Random) -> Any:
    bounds = [
        bound + step
        for each in leaf.field.metadata
        for name in ("ge", "gt", "le", "lt")
        if isinstance(bound := getattr(each, name, None), int | float)
        for step in (-1, 0, 1, 1e-9)
    ]
    return random.choice([*bounds, *_EDGES])


def _literals(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for part in get_args(annotation):
            yield from _literals(part)


def _dimension(key: str, random: Random) -> Any:
    leaf = LEAVES[ALIASES.get(key, key)]
    some = [_good(leaf, random) if random.random() < 0.7 else _edge(leaf, random) for _ in range(3)]
    match random.randrange(5):
        case 0:
            return {"choices": some[: random.randrange(1, 4)]}
        case 1:
            return random.choice((*_WRONG, *_HOSTILE))
        case 2:
            return {"low": some[0], "high": some[1], "step": some[2]}
        case _:
            return {"low": some[0], "high": some[1], "log": random.choice((True, False))}


def read_pair(pair: Pair, folder: Path) -> None:
    """Resolve the study, and load its data as `run` does."""
    path = folder / "study.json"
    path.write_text(json.dumps(STUDY))
    (folder / "prices.csv").write_bytes(table_on(pair.clock))
    resolved = resolve(path, pair.sets)
    resolved.fingerprints()
    setting_rows("fuzzed", resolved.settings.values())
    resolved.trial({key: dimension.nearest(0.0) for key, dimension in resolved.space.items()})
    to_distributions(resolved.space)
    make_sampler(resolved.file.study, resolved.space, 0)
    load_study_data(resolved).facts()
