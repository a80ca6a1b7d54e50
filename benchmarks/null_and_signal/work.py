"""Data sets over processes, and the record of what is done, from which a broken run goes on."""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

from benchmarks.null_and_signal.series import Group, data_set
from benchmarks.null_and_signal.study import Outcome, outcome

Task = tuple[Group, int]


def outcome_of(task: Task, *, seed: int, trials: int) -> Outcome:
    """What comes of one data set."""
    return outcome(data_set(*task, seed), seed, trials)


def outcomes(tasks: Sequence[Task], *, seed: int, trials: int, workers: int) -> Iterator[Outcome]:
    """What comes of each data set, as they are done: on processes only their order depends."""
    work = partial(outcome_of, seed=seed, trials=trials)
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin) as pool:
        for done in as_completed([pool.submit(work, task) for task in tasks]):
            yield done.result()


def _begin() -> None:
    """One thread each; and an end with the parent, for which an executor's workers would wait for ever."""
    import torch

    torch.set_num_threads(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def recorded(path: Path, *, seed: int, trials: int) -> dict[Task, Outcome]:
    """What a run of this seed and budget that broke off has left."""
    lines = path.read_text().splitlines() if path.exists() else []
    found = [Outcome.from_json(json.loads(line)) for line in lines]
    return {(o.group, o.number): o for o in found if (o.seed, o.trials) == (seed, trials)}


def add(path: Path, found: Outcome) -> None:
    """Put one data set on record, in one write: a line is there whole or not at all."""
    with path.open("a") as file:
        file.write(json.dumps(found.to_json()) + "\n")
