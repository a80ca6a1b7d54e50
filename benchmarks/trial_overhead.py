"""What a trial costs outside its training, what a worker costs before its first, and what a second one gives.

Run it with `python -m benchmarks.trial_overhead`; it takes about six minutes and exits with 1 where a goal
is missed. CPU time is what counts, for other users of the machine change it little; wall time stands beside.

1. Trials of a study of S&P 500 volatility run in this process, with all that a study has by default. After
   each epoch they wait until a third of TRIAL_S has passed, so that publishing, which takes a share of the
   time, does all that it does for a trial of that length.
2. Processes start: with what a worker imports, and as a worker that has one short trial to do.
3. The same study runs with one worker and with two, in turns: trials per hour from the start of the first
   trial to the end of the last. Two that share one core with somebody else fall short through no fault of
   theirs, which the CPU time of a trial beside it shows.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import search.workers.loop
from benchmarks.market import SP500
from benchmarks.parts_of_a_trial import COUNTED, Cost, Ledger, Part, on_the_clock
from search.config.resolve import resolve
from search.data.study_data import load_study_data, recall_study_data, store_study_folds
from search.study.studies import OpenStudy, open_study
from search.watching.publishing import study_publisher
from search.workers.progress import NoProgress
from storage import query
from storage.engine import open_store
from trainer.training.result import EpochReport

TRIAL_S, GOAL_SHARE, GOAL_TWO = 3.0, 0.05, 1.75
"""The goals: search, record and publishing take at most this share of a trial of so many seconds, and two
workers do at least so many times the trials of one."""
EPOCHS = 3
WARM_UP, TRIALS = 15, 30
"""Trials before the first that is measured, so that the sampler has something to learn from, and trials: as
many as a short study has, for they share what a process's first picture imports."""
ROUNDS, TRIALS_OF_A_ROUND, EPOCHS_OF_A_ROUND = 3, 30, 6
NAME = "overhead"
FILE: dict[str, Any] = {
    "study": {"name": NAME},
    "data": SP500,
    "models": {"gru": {"batch_size": 32, "hidden_size": 64}},
    "training": {"epochs": EPOCHS, "patience": 100},
    "space": {
        "models.gru.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "models.gru.weight_decay": {"low": 1e-6, "high": 1e-2, "log": True},
        "models.gru.dropout": {"low": 0.0, "high": 0.4},
    },
}


class Paced(NoProgress):
    """Makes epochs last, from the first trial after the warm-up on, and then begins the account anew."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._begun, self._until = ledger, 0, 0.0

    def trial_began(self, number: int, epochs: int) -> None:
        """Count it."""
        self._begun += 1
        if self._begun == WARM_UP + 1:
            self._ledger.clear()
        self._until = time.monotonic()

    def epoch_passed(self, number: int, report: EpochReport) -> None:
        """Wait until the epoch has lasted long enough."""
        self._until += TRIAL_S / EPOCHS
        if self._begun > WARM_UP:
            time.sleep(max(0.0, self._until - time.monotonic()))


WAITING: Part = ("waiting", "", Paced, "epoch_passed")


@contextmanager
def begun(folder: Path, trials: int) -> Iterator[OpenStudy]:
    """The study in a new store, without trials."""
    store = open_store(f"sqlite:///{folder / 'study.db'}")
    resolved = resolve(_file(folder), [f"study.trials={trials}"])
    try:
        yield open_study(resolved, load_study_data(resolved), store)
    finally:
        store.close()


def _file(folder: Path) -> Path:
    path = folder / "study.yaml"
    path.write_text(json.dumps(FILE))
    return path


def trials_by_part(folder: Path) -> bool:
    """Print what each part of a trial costs, and whether search, record and publishing reach their goal."""
    with (
        begun(folder, WARM_UP + TRIALS) as study,
        on_the_clock(WAITING) as ledger,
        study_publisher.publish_while_running(study.store, study.name),
    ):
        search.workers.loop.run_worker(study, Paced(ledger), lambda: False)
    print(f"{'a trial of ' + str(EPOCHS) + ' epochs, outside its training':46} {'CPU ms':>8} {'wall ms':>8}")
    for kind in COUNTED:
        costs = [(part, Cost(*spent)) for (of, part), spent in ledger.spent.items() if of == kind]
        print(f"{kind:46} {_told(Cost(*map(sum, zip(*(cost for _, cost in costs), strict=True))))}")
        for part, cost in costs:
            print(f"    {part:42} {_told(cost)}")
    seconds = sum(cpu for (kind, _), (cpu, _) in ledger.spent.items() if kind in COUNTED) / TRIALS
    print(
        f"together {1e3 * seconds:.0f} ms, of {TRIAL_S:g} s {seconds / TRIAL_S:.1%} (goal: {GOAL_SHARE:.0%})"
    )
    return seconds <= GOAL_SHARE * TRIAL_S


def _told(cost: Cost) -> str:
    return f"{1e3 * cost.cpu / TRIALS:8.1f} {1e3 * cost.wall / TRIALS:8.1f}"


def start_of_a_worker(folder: Path) -> None:
    """Print what a worker costs before its first trial, and what it would without what others prepared."""
    print(f"\n{'the start of a worker':46} {'CPU s':>8} {'wall s':>8}")
    for name, code in (
        ("import torch, for comparison", "import torch"),
        ("imports, but those of a trial", "import search.workers.progress, search.workers.join"),
        ("imports", "import search.workers.progress, search.workers.join, trainer.training.loop"),
    ):
        _tell(name, [_process("-c", code) for _ in range(ROUNDS)])
    with begun(folder, trials=1) as study:
        row = query.study(study.store, NAME)
        store_study_folds(study.resolved, study.data, study.files, study.key)
        _tell("data, as another process has prepared it", [
            _here(lambda: recall_study_data(study.resolved, row, study.files)) for _ in range(ROUNDS)
        ])  # fmt: skip
        _tell(
            "data, read, audited and prepared",
            [_here(lambda: load_study_data(study.resolved)) for _ in range(ROUNDS)],
        )
        worker = ("-m", "search.cli", "worker", NAME, "--json", "--store", study.store.url)
        _tell("a worker with one trial of 3 epochs to do", [_process(*worker)])


def _tell(name: str, costs: list[Cost]) -> None:
    cpu, wall = (statistics.median(clock) for clock in zip(*costs, strict=True))
    print(f"{name:46} {cpu:8.2f} {wall:8.2f}", flush=True)


def _process(*words: str) -> Cost:
    """Of a Python process and of those that it starts."""

    def run() -> None:
        quiet = subprocess.DEVNULL
        subprocess.run([sys.executable, *words], check=True, stdout=quiet, stderr=quiet)

    return _here(run, resource.RUSAGE_CHILDREN)


def _here(act: Callable[[], Any], whose: int = resource.RUSAGE_SELF) -> Cost:
    before, began = resource.getrusage(whose), time.perf_counter()
    act()
    after, wall = resource.getrusage(whose), time.perf_counter() - began
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)


def two_against_one(folder: Path) -> bool:
    """Print the trials per hour of one worker and of two, and whether the second is worth its keep."""
    print(f"\n{'':10} {'trials per hour':>18} {'':8} {'CPU s a trial':>15}")
    print(f"{'round':10} {'one worker':>10} {'two':>7} {'ratio':>8} {'one worker':>15} {'two':>6}")
    ratios = []
    for number in range(ROUNDS):
        turns = (1, 2) if number % 2 == 0 else (2, 1)
        told = {workers: rate(folder / f"{number}-{workers}", workers) for workers in turns}
        (one, cpu_of_one), (two, cpu_of_two) = told[1], told[2]
        ratios.append(two / one)
        print(
            f"{number + 1:<10} {one:10.0f} {two:7.0f} {ratios[-1]:8.2f} {cpu_of_one:15.2f} {cpu_of_two:6.2f}",
            flush=True,
        )
    ratio = statistics.median(ratios)
    print(f"median: {ratio:.2f} times the trials of one (goal: {GOAL_TWO})")
    return ratio >= GOAL_TWO


def rate(folder: Path, workers: int) -> tuple[float, float]:
    """Trials per hour of a new study that is run by the command, and CPU seconds per trial of the whole."""
    folder.mkdir()
    url = f"sqlite:///{folder / 'study.db'}"
    sets = (f"study.trials={TRIALS_OF_A_ROUND}", f"training.epochs={EPOCHS_OF_A_ROUND}", "study.pruner=none")
    cost = _process(
        *("-m", "search.cli", "run", str(_file(folder)), "--workers", str(workers), "--store", url, "--json"),
        *(word for one in sets for word in ("--set", one)),
    )
    store = open_store(url)
    trials = query.trials(store, NAME)
    store.close()
    ends = [trial.finished_at for trial in trials if trial.finished_at is not None]
    seconds = (max(ends) - min(trial.started_at for trial in trials)).total_seconds()
    return 3600 * len(trials) / seconds, cost.cpu / len(trials)


def main() -> int:
    """Print the tables; 0 where the goals are reached."""
    with tempfile.TemporaryDirectory() as folder:
        rooms = [Path(folder) / name for name in ("parts", "start", "two")]
        for room in rooms:
            room.mkdir()
        is_small = trials_by_part(rooms[0])
        start_of_a_worker(rooms[1])
        is_worth_it = two_against_one(rooms[2])
    reached = is_small and is_worth_it
    print(f"\ngoals: {'reached' if reached else 'missed'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
