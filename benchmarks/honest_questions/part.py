"""What the parts of the benchmark have in common: their tasks, what came of each, and the goals."""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Task:
    """One data set of a part."""

    part: str
    kind: str
    horizon: int
    draw: int = 0

    @property
    def shown(self) -> str:
        """For the line of progress."""
        return f"({self.part}) {self.kind}, h = {self.horizon}, draw {self.draw}"

    def random(self, seed: int) -> np.random.Generator:
        """The generator of its data: the same arguments, the same numbers."""
        return np.random.default_rng([seed, zlib.crc32(self.kind.encode()), self.horizon, self.draw])

    def training_seed(self, seed: int) -> int:
        """The seed of its study."""
        return zlib.crc32(f"{seed} {self}".encode())


@dataclass(frozen=True)
class Done:
    """What came of a task; `found` is as the part's own `run` returned it."""

    task: Task
    found: Mapping[str, Any]


@dataclass(frozen=True)
class Goal:
    """A goal with its figure."""

    told: str
    reached: bool


@dataclass(frozen=True)
class Part:
    """A part: `run` gives JSON for a task and a seed; `tables` and `goals` read what all of them gave."""

    letter: str
    title: str
    tasks: Callable[[bool], Sequence[Task]]
    """All tasks, or the few of a quick run."""
    run: Callable[[Task, int], Mapping[str, Any]]
    tables: Callable[[Sequence[Done]], str]
    goals: Callable[[Sequence[Done]], Sequence[Goal]]


def recorded(path: Path | None, seed: int) -> dict[Task, Done]:
    """What a run of this seed that broke off has left."""
    if path is None or not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    found = [Done(Task(**line["task"]), line["found"]) for line in lines if line["seed"] == seed]
    return {done.task: done for done in found}


def add(path: Path, done: Done, seed: int) -> None:
    """Put one task on record, in one write: a line is there whole or not at all."""
    line = {"seed": seed, "task": asdict(done.task), "found": done.found}
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def by_kind(done: Sequence[Done]) -> Iterator[tuple[str, list[Done]]]:
    """The tasks of each kind, in the order in which kinds come."""
    for kind in dict.fromkeys(each.task.kind for each in done):
        yield kind, [each for each in done if each.task.kind == kind]
