"""What a trial costs besides its training, early in a long study and late in it.

    python -m benchmarks.soak --trials 400
    python -m benchmarks.soak --trials 2000 --workers 2 --sampler random

Trains tiny models for one epoch each in a SQLite store of its own, and prints for the trials up to `--early`
and for the last ones: memory, open descriptors, bytes of the store, and CPU time by what it is spent on.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chaos_faults.study import prices
from benchmarks.parts_of_a_trial import Ledger, on_the_clock
from search.config.resolve import resolve
from search.data.study_data import load_study_data
from search.study.studies import join_study, open_study
from search.workers.loop import run_worker
from search.workers.progress import NoProgress, TrialEnd
from storage.engine import open_store

WINDOW = 50
"""Trials that a figure is the mean of."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TRAINING = "training"


@dataclass(frozen=True)
class Mark:
    """A worker at the end of a trial: what it has spent so far, by part, and what it holds."""

    trial: int
    spent: dict[tuple[str, str], float]
    memory: int
    descriptors: int
    store: int


class Marks(NoProgress):
    """Marks every trial's end."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self._ledger, self._folder = ledger, folder
        self.made: list[Mark] = []

    def trial_ended(self, end: TrialEnd) -> None:
        """Mark it."""
        spent = {part: own[0] for part, own in self._ledger.spent.items()}
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
        store = sum(file.stat().st_size for file in self._folder.glob("ballast.db*") if file.is_file())
        self.made.append(Mark(end.number, spent, memory, len(os.listdir("/proc/self/fd")), store))


def study_file(folder: Path, trials: int, sampler: str) -> Path:
    """Write a study of tiny trials and its data."""
    prices(200).to_csv(folder / "prices.csv", index=False)
    file: dict[str, Any] = {
        "study": {"name": "soak", "trials": trials, "sampler": sampler, "duplicates": "rerun"},
        "data": {
            "source": "prices.csv",
            "time": "Date",
            "features": [{"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"}],
            "target": {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": "volatility"},
            "seq_len": 3,
            "split": {"fractions": {"train": 0.5, "validation": 0.25}},
        },
        "models": {"gru": {"batch_size": 64, "hidden_size": 4}},
        "training": {"epochs": 1, "patience": 1},
        "storage": {"files": str(folder / "files")},
        "space": {
            "models.gru.learning_rate": {"low": 1e-3, "high": 1e-2, "log": True},
            "models.gru.dropout": {"low": 0.0, "high": 0.4},
        },
    }
    path = folder / "study.yaml"
    path.write_text(json.dumps(file), encoding="utf-8")
    return path


def work(folder: Path, index: int) -> list[Mark]:
    """Be one worker until the study has its trials."""
    resolved = resolve(folder / "study.yaml")
    store = open_store(f"sqlite:///{folder}/ballast.db")
    study = (open_study if index == 0 else join_study)(resolved, load_study_data(resolved), store)
    with on_the_clock() as ledger:
        marks = Marks(ledger, folder)
        run_worker(study, marks, lambda: False)
    store.close()
    return marks.made


def per_trial(workers: Sequence[list[Mark]], until: int) -> dict[tuple[str, str], float]:
    """Mean CPU milliseconds of the `WINDOW` trials up to number `until`, by part, over all workers."""
    spent: dict[tuple[str, str], float] = {}
    trials = 0
    for made in workers:
        window = [mark for mark in made if until - WINDOW <= mark.trial < until]
        trials += max(0, len(window) - 1)
        for part in window[-1].spent if window else ():
            spent[part] = spent.get(part, 0.0) + window[-1].spent[part] - window[0].spent[part]
    return {part: 1e3 * seconds / max(1, trials) for part, seconds in spent.items()}


def figures(workers: Sequence[list[Mark]], until: int) -> dict[str, float]:
    """What the study holds and a trial costs at trial number `until`, each by its name."""
    held = [max(before, key=lambda mark: mark.trial) for made in workers if (before := _before(made, until))]
    cost = per_trial(workers, until)
    outside = sum(spent for (kind, _), spent in cost.items() if kind != _TRAINING)
    return {
        "memory, MiB per worker": max(mark.memory for mark in held) / 2**20,
        "open descriptors": max(mark.descriptors for mark in held),
        "store, KiB per trial": max(mark.store for mark in held) / 2**10 / until,
        **{f"{kind}: {name}, CPU ms": spent for (kind, name), spent in cost.items()},
        "all outside training, CPU ms": outside,
        "training, CPU ms": sum(cost.values()) - outside,
    }


def table(workers: Sequence[list[Mark]], early: int, late: int) -> str:
    """The figures of both moments, and how many times the early one is the late one."""
    first, last = figures(workers, early), figures(workers, late)
    lines = [f"{'per trial':40}{f'at {early}':>12}{f'at {late}':>12}{'times':>8}"]
    for name, after in last.items():
        before = first.get(name, 0.0)
        lines.append(f"{name:40}{before:12.2f}{after:12.2f}{after / before if before else 0:8.1f}")
    return "\n".join(lines)


def _before(made: Sequence[Mark], until: int) -> list[Mark]:
    return [mark for mark in made if mark.trial < until]


def main() -> None:
    """Soak a study, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--early", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--sampler", default="random", help="tpe: with Optuna's own cost, which grows")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ballast-soak-") as name:
        folder = Path(name)
        resolved = resolve(study_file(folder, options.trials, options.sampler))
        store = open_store(f"sqlite:///{folder}/ballast.db")
        open_study(resolved, load_study_data(resolved), store)
        store.close()
        with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
            made = pool.starmap(work, [(folder, index) for index in range(options.workers)])
    print(f"{options.trials} trials, {options.workers} workers, sampler {options.sampler}, means of {WINDOW}")
    print(table(made, options.early, options.trials))


if __name__ == "__main__":
    main()
