"""Measures what a large panel costs: its reading and preparation, an epoch, and two workers that share it.

    python -m benchmarks.panel_scale [--series 500] [--days 5000] [--features 20]

The panel is made up: a long Parquet file, by date, of float64 numbers. Each part runs in its own process;
seconds are of CPU. The time of an epoch is that of windows drawn from all over the panel, beside that of the
windows of one series, in turns on one core; the least of five turns counts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SEQ_LEN, HIDDEN, BATCH = 22, 32, 64
TURNS, WINDOWS = 5, 19_200
KEY, IDENTITY = b"k" * 32, "0" * 64
MOST_SECONDS, ROOM_MB, MOST_RATIO = 60, 500, 1.2
"""The goals: CPU seconds of the preparation; megabytes beside three times the float32 arrays; the time of a
window of the panel in that of one series."""


def main() -> None:
    """Make a panel and a single series, run each part, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("series", 500), ("days", 5000), ("features", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part is not None:
        name, folder = asked.part
        print(json.dumps(PARTS[name](Path(folder), asked.features)))
        return
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if _print_table(asked, Path(folder)) else 1)


def _print_table(asked: argparse.Namespace, folder: Path) -> bool:
    """Print the table; whether every goal is met."""
    rows = asked.series * asked.days
    arrays = 4 * rows * (asked.features + 1) / 1e6
    for name, series in (("panel", asked.series), ("one", 1)):
        write_panel(folder / f"{name}.parquet", series, asked.days, asked.features)

    def run(part: str) -> Any:
        # -m: beside the script lies coverage.py, which Numba would take for the package of that name.
        command = [sys.executable, "-m", "benchmarks.panel_scale", "--part", part, str(folder)]
        command += ["--features", str(asked.features)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, stdout=subprocess.PIPE, check=True, text=True, env=environment, cwd=ROOT
        )
        return json.loads(done.stdout)

    print(f"{asked.series} series x {asked.days} days x {asked.features} features: {rows:,} rows")
    print(f"float32 arrays {arrays:.0f} MB, source {(folder / 'panel.parquet').stat().st_size / 1e6:.0f} MB")
    met = True
    for name in ("panel", "one"):
        stages = run(f"prepare-{name}")
        if name == "panel":
            seconds = sum(stage["seconds"] for stage in stages)
            for stage in stages:
                print(f"  {stage['name']:<9} {stage['seconds']:7.1f} s CPU, peak {stage['peak']:6.0f} MB")
            print(f"preparation {seconds:.1f} s CPU (goal {MOST_SECONDS})")
            peak, most = max(stage["peak"] for stage in stages), 3 * arrays + ROOM_MB
            print(f"peak {peak:.0f} MB (goal {most:.0f})")
            met = seconds <= MOST_SECONDS and peak <= most
    print(f"file of prepared folds {(folder / 'panel.folds').stat().st_size / 1e6:.0f} MB")
    epoch = run("epoch")
    print(
        f"a window of an epoch: one series {epoch['one']:.1f} us, panel {epoch['panel']:.1f} us, ratio "
        f"{epoch['panel'] / epoch['one']:.2f} (goal {MOST_RATIO})"
    )
    shared = run("share")
    print(
        f"two workers that have trained: {shared['shared']:.0f} MB of the folds in memory once, "
        f"{shared['private']:.0f} MB of them copied by a worker"
    )
    return met and epoch["panel"] <= MOST_RATIO * epoch["one"]


def write_panel(path: Path, series: int, days: int, features: int) -> None:
    """A long table of noise, all series of a date one after the other."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    random = np.random.default_rng(series)
    dates = pd.bdate_range("2000-01-03", periods=days).to_numpy().astype("datetime64[D]")
    names = pa.array([f"S{number:04}" for number in range(series)])
    schema = pa.schema(
        [
            ("Date", pa.date32()),
            ("Ticker", pa.string()),
            *((name, pa.float64()) for name in columns(features)),
        ]
    )
    with parquet.ParquetWriter(path, schema) as writer:
        for part in np.array_split(dates, max(1, days // 250)):
            count = len(part) * series
            cells = [pa.array(random.standard_normal(count)) for _ in range(features)]
            returns = 0.01 * random.standard_normal(count)
            keys = [
                pa.array(np.repeat(part, series)),
                names.take(pa.array(np.tile(np.arange(series), len(part)))),
            ]
            writer.write_table(pa.table([*keys, *cells, pa.array(returns)], schema=schema))


def columns(features: int) -> list[str]:
    """The number columns of the table: the features, and the return that is forecast."""
    return [*(f"f{number:02}" for number in range(features)), "ret"]


def config_of(name: str, features: int) -> Any:
    """The data section of a study of the table `name`."""
    from trainer.config import DataConfig

    return DataConfig.model_validate(
        {
            "source": f"{name}.parquet",
            "time": "Date",
            "series": "Ticker",
            "sort": True,
            "features": tuple(columns(features)[:-1]),
            "target": {"column": "ret", "kind": "return", "already_shifted": False},
            "seq_len": SEQ_LEN,
            "split": {"fractions": {"train": 0.6, "validation": 0.2}},
        }
    )


def prepare(name: str) -> Callable[[Path, int], Any]:
    """Read and prepare the table `name`, and write its folds, as a study does."""

    def run(folder: Path, features: int) -> Any:
        import pandas  # noqa: F401

        from search.data.prepared_folds import write_folds
        from trainer.data.source import read_table
        from trainer.data.windows import prepare_folds

        config, told = config_of(name, features), []

        def stage(called: str, began: float) -> float:
            told.append({"name": called, "seconds": process_time() - began, "peak": peak_mb()})
            return process_time()

        began = stage("imports", 0.0)
        table = read_table(config, folder=folder)
        began = stage("reading", began)
        folds = prepare_folds(config, table)
        began = stage("preparing", began)
        write_folds(folder / f"{name}.folds", IDENTITY, folds, KEY)
        stage("writing", began)
        return told

    return run


def epoch(folder: Path, features: int) -> Any:
    """Microseconds of a window of an epoch, of the panel and of one series."""
    import numpy as np
    import torch

    torch.set_num_threads(1)
    trial = {name: _Epochs(folder, name, features) for name in ("panel", "one")}
    for each in trial.values():
        each.run()
    times: dict[str, list[float]] = {name: [] for name in trial}
    for _ in range(TURNS):
        for name, each in trial.items():
            began = process_time()
            windows = each.run()
            times[name].append((process_time() - began) * 1e6 / windows)
    return {name: float(np.min(each)) for name, each in times.items()}


class _Epochs:
    """Epochs over at most `WINDOWS` training rows, which lie all over the panel."""

    def __init__(self, folder: Path, name: str, features: int) -> None:
        from dataclasses import replace

        import numpy as np
        import torch

        from trainer.config import TrialConfig
        from trainer.training.batches import Batches
        from trainer.training.learner import Learner

        config = TrialConfig.model_validate(
            {
                "data": config_of(name, features),
                "models": {"gru": {"hidden_size": HIDDEN, "batch_size": BATCH}},
                "training": {"kernel": "fused"},
            }
        )
        (data,) = _mapped(folder, name)
        few = np.sort(np.random.default_rng(1).permutation(data.train)[:WINDOWS])
        cpu = torch.device("cpu")
        self._learner = Learner(features, config, cpu)
        self._batches = Batches(replace(data, train=few), cpu)

    def run(self) -> int:
        """Train until `WINDOWS` windows are seen; their number."""
        windows = 0
        while windows < WINDOWS:
            for batch in self._batches.shuffled(BATCH):
                self._learner.backward(batch)
                self._learner.apply()
                windows += len(batch.rows)
        return windows


def share(folder: Path, features: int) -> Any:
    """Megabytes of the file of folds in the memory of two workers: shared, and copied by one of them."""
    begin = (
        "import sys; from benchmarks import panel_scale as own; from pathlib import Path; import torch; "
        "each = own._Epochs(Path(sys.argv[1]), 'panel', int(sys.argv[2])); each.run(); "
        "print('ready', flush=True); sys.stdin.readline(); print(own.mapped_mb('panel.folds'))"
    )
    command = [sys.executable, "-c", begin, str(folder), str(features)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(2)
    ]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    sizes = [json.loads(worker.communicate("\n")[0].splitlines()[-1]) for worker in workers]
    return {key: max(size[key] for size in sizes) for key in ("shared", "private")}


def mapped_mb(name: str) -> str:
    """What this process has in memory of the mapped file `name`, in MB as JSON: shared, and copied."""
    shared = private = 0
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            inside = words[-1].endswith(name)
        elif inside and words[0] in ("Shared_Clean:", "Private_Clean:"):
            shared += int(words[1])
        elif inside and words[0] in ("Shared_Dirty:", "Private_Dirty:"):
            private += int(words[1])
    return json.dumps({"shared": shared * 1024 / 1e6, "private": private * 1024 / 1e6})


def peak_mb() -> float:
    """The peak of this process's memory so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def _mapped(folder: Path, name: str) -> Any:
    from search.data.prepared_folds import map_folds

    folds = map_folds(folder / f"{name}.folds", IDENTITY, KEY)
    assert folds is not None, "they were written"
    return folds


PARTS: dict[str, Callable[[Path, int], Any]] = {
    "prepare-panel": prepare("panel"),
    "prepare-one": prepare("one"),
    "epoch": epoch,
    "share": share,
}


if __name__ == "__main__":
    main()
