"""What a trial costs beside its training: Ballast whole beside bare Optuna, on the same kind of store.

Run it with `python -m benchmarks.store_throughput` (`--stores sqlite,postgresql`, `--workers 1,2,4,8`,
`--sizes 100,1000,10000`, `--trials 40`). Ballast's side is the real worker: claim, ask, suggest five
parameters, resolve, look for a cached trial, record, 20 epochs, judge, finish, tell. Only
`trainer.training.loop.fit` is replaced, by one that hands over 20 reports and trains nothing. Bare Optuna's
side is ask, suggest, 20 times report and should_prune, tell. Both use the same sampler (tpe) and pruner
(median), whose answers are computed and ignored, so that all trials are equally long; both find a study
with as many trials as the table says. `untuned` is Optuna on SQLite as it comes, with one worker.

The sides take turns in the same run, so that whatever else the machine does meets all of them; figures are
medians over the turns. Wall time is that of all workers together, CPU time that of the workers, without a
server's. It exits with 1 where Ballast takes more than 1.3 times Optuna's CPU time, or a command a second or
more.
"""

import argparse
import gc
import multiprocessing
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from benchmarks.postgres import PostgresServer
from benchmarks.throughput import sides
from benchmarks.throughput.sides import Side, Spent
from benchmarks.throughput.study import NAME, Subject, fill_ballast, fill_bare, subject

GOAL = 1.3
COMMAND_S = 1.0
TURNS = 5
_FORK = multiprocessing.get_context("fork")
_SERVER = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "128MB"}
_ROW = "{:<11} {:>6} {:>8}  {:<8} {:>8} {:>8} {:>11} {:>11} {:>8} {:>11}"


@dataclass(frozen=True)
class Cost:
    """What one trial took: milliseconds, statements, and transactions that wrote; medians over the turns."""

    wall: float
    cpu: float
    statements: float
    commits: float


class Place:
    """Stores of one kind, with studies of `size` trials in them; each is copied for whoever works on it."""

    def __init__(self, folder: Path, server: PostgresServer | None, of: Subject, size: int) -> None:
        self._folder, self._server, self._copies = folder, server, 0
        self.sides: dict[str, Side] = {"ballast": sides.ballast, "optuna": sides.tuned}
        fill_ballast(self._made("ballast"), of, size)
        fill_bare(self._made("optuna"), of, size, tuned=True)
        if server is None:
            self.sides["untuned"] = sides.untuned
            fill_bare(self._made("untuned"), of, size, tuned=False)

    def url(self, database: str) -> str:
        """Where a database is."""
        if self._server is None:
            return f"sqlite:///{self._folder / database}.db"
        return self._server.url(database)

    def _made(self, database: str) -> str:
        return self.url(database) if self._server is None else self._server.create(database)

    @contextmanager
    def copy(self, database: str) -> Iterator[str]:
        """A copy of a database, which is gone at the end."""
        self._copies += 1
        name = f"{database}_{self._copies}"
        if self._server is None:
            with closing(sqlite3.connect(self._folder / f"{database}.db")) as made:
                made.execute("VACUUM INTO ?", [str(self._folder / f"{name}.db")])
            yield self.url(name)
            for file in self._folder.glob(f"{name}.db*"):
                file.unlink()
        else:
            self._server.execute(f"CREATE DATABASE {name} TEMPLATE {database}")
            yield self.url(name)
            self._server.drop(name)


class WriterPool:
    """The workers of one side."""

    def __init__(self, side: Side, url: str, of: Subject, workers: int) -> None:
        ends = [_FORK.Pipe() for _ in range(workers)]
        self._pipes = [mine for mine, _ in ends]
        self._processes = [
            _FORK.Process(target=side, args=(url, of, theirs), daemon=True) for _, theirs in ends
        ]
        for process in self._processes:
            process.start()

    def turn(self, each: int) -> tuple[float, list[Spent]]:
        """Have every worker run as many trials; wall time in seconds, and what each worker spent."""
        began = time.perf_counter()
        for pipe in self._pipes:
            pipe.send(each)
        spent = [_answer(pipe, process) for pipe, process in zip(self._pipes, self._processes, strict=True)]
        return time.perf_counter() - began, spent

    def leave(self) -> None:
        """Let them go home."""
        for pipe in self._pipes:
            pipe.send(0)
        for process in self._processes:
            process.join()


def _answer(pipe: Connection, process: multiprocessing.process.BaseProcess) -> Spent:
    while not pipe.poll(1.0):
        if not process.is_alive():
            sys.exit("a worker of the benchmark has died; what it said stands above")
    spent: Spent = pipe.recv()
    return spent


def measure(place: Place, of: Subject, workers: int, trials: int) -> dict[str, Cost]:
    """The cost of a trial to each side; the first turn, in which workers read the study, does not count."""
    each = max(1, round(trials / (TURNS * workers)))
    names = [name for name in place.sides if name != "untuned" or workers == 1]
    taken: dict[str, list[Cost]] = {name: [] for name in names}
    with ExitStack() as stack:
        crews = {}
        for name in names:
            url = stack.enter_context(place.copy(name))
            crews[name] = WriterPool(place.sides[name], url, of, workers)
            crews[name].turn(2)
            gc.collect()
        for turn in range(TURNS):
            for position in range(len(names)):
                name = names[(turn + position) % len(names)]
                taken[name].append(_cost(*crews[name].turn(each), each * workers))
        for crew in crews.values():
            crew.leave()
    return {name: _median(costs) for name, costs in taken.items()}


def _cost(wall: float, spent: Sequence[Spent], trials: int) -> Cost:
    return Cost(
        wall=1e3 * wall / trials,
        cpu=1e3 * sum(one.cpu for one in spent) / trials,
        statements=sum(one.statements for one in spent) / trials,
        commits=sum(one.commits for one in spent) / trials,
    )


def _median(costs: Sequence[Cost]) -> Cost:
    names = (field.name for field in fields(Cost))
    return Cost(**{name: statistics.median(getattr(cost, name) for cost in costs) for name in names})


def commands(url: str) -> dict[str, float]:
    """Wall seconds of `status` and `trials` on a store, each the fastest of three processes."""
    taken = {}
    for arguments in (["status", NAME], ["trials", NAME], ["trials", NAME, "--json"]):
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "search.cli", *arguments, "--store", url],
                check=True,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.getcwd()},
            )
            seconds.append(time.perf_counter() - began)
        taken[" ".join(arguments)] = min(seconds)
    return taken


def show(kind: str, size: int, workers: int, costs: dict[str, Cost]) -> bool:
    """Print a line for each side; whether Ballast is within the goal."""
    bare = costs["optuna"]
    for name, cost in costs.items():
        times = [f"{cost.wall:.1f}", f"{cost.cpu:.1f}"]
        ratios = [f"{cost.wall / bare.wall:.2f}", f"{cost.cpu / bare.cpu:.2f}"]
        counts = [f"{cost.commits:.1f}", f"{cost.statements:.1f}"]
        print(_ROW.format(kind, size, workers, name, *times, *ratios, *counts), flush=True)
    return costs["ballast"].cpu <= GOAL * bare.cpu


def main(arguments: Sequence[str]) -> int:
    """Print the table and the verdict; 0 where every goal is reached."""
    parser = argparse.ArgumentParser(prog="benchmarks.store_throughput")
    parser.add_argument("--stores", default="sqlite,postgresql")
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--sizes", default="100,1000,10000")
    parser.add_argument("--trials", type=int, default=40, help="of each side in each cell")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Else the server would outlive it.
    torch.set_num_threads(1)  # The workers are forks of this process, and threads do not survive a fork.
    reached = True
    head = ("store", "trials", "workers", "side", "ms wall", "ms CPU", "ratio wall", "ratio CPU", "commits")
    print(_ROW.format(*head, "statements"))
    for kind in asked.stores.split(","):
        for size in map(int, asked.sizes.split(",")):
            with tempfile.TemporaryDirectory(prefix="ballast-throughput-") as name, ExitStack() as stack:
                server = None if kind == "sqlite" else stack.enter_context(PostgresServer(_SERVER))
                of = subject(Path(name))
                place = Place(Path(name), server, of, size)
                for workers in map(int, asked.workers.split(",")):
                    reached &= show(kind, size, workers, measure(place, of, workers, asked.trials))
                for command, seconds in commands(place.url("ballast")).items():
                    reached &= seconds < COMMAND_S
                    print(f"{kind:<11} {size:>6} {'':>8}  ballast {command}: {seconds:.2f} s", flush=True)
    goal = f"at most {GOAL} times Optuna's CPU time, and {COMMAND_S:g} s a command"
    print(f"goal: {goal}: {'reached' if reached else 'missed'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
