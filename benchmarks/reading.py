"""Measures the reading of tables: CPU time and memory of read_table beside those of pyarrow.

    python benchmarks/reading.py [--before FOLDER]

`--before` names a checkout of another version, which reads the minute bars once. Each figure is the least
of three runs, each in a process of its own; memory is the growth of the peak over that of the imports.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
MILLION = 1_000_000
MINUTES_OF_A_YEAR = 525_600
RUNS = 3
COLUMNS = ("open", "high", "low", "close", "volume")

_MEASURED = """
import sys, time
from pathlib import Path
import numpy, pandas, pyarrow.csv, pyarrow.parquet
path, reader = sys.argv[1], sys.argv[2]
names = {columns!r}
if reader == "ballast":
    from trainer.config import DataConfig
    from trainer.data.source import read_table
    features = [{{"name": name, "column": name}} for name in names]
    config = DataConfig.model_validate({{
        "source": path, "time": "time", "features": tuple(features),
        "target": {{"column": "close", "transform": "log_return", "kind": "return"}},
        "split": {{"fractions": {{"train": 0.6, "validation": 0.2}}}},
    }})
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
before = peak()
start = time.process_time()
if reader == "ballast":
    table = read_table(config, folder=Path())
elif path.endswith(".parquet"):
    table = pyarrow.parquet.read_table(path)
else:
    table = pyarrow.csv.read_csv(path)
seconds = time.process_time() - start
print(seconds, (peak() - before) / 1024)
"""


def write_tables(folder: Path) -> list[Path]:
    """A million rows of six columns as CSV and Parquet, and a year of minute bars as CSV."""
    random = np.random.default_rng(7)
    paths = []
    for name, rows, suffixes in (
        ("million", MILLION, (".csv", ".parquet")),
        ("minutes", MINUTES_OF_A_YEAR, (".csv",)),
    ):
        times = pd.date_range("2023-01-01", periods=rows, freq="min")
        close = 100 * np.exp(np.cumsum(1e-4 * random.standard_normal(rows)))
        prices = {column: (close * (1 + 1e-3 * random.random(rows))).round(4) for column in COLUMNS[:4]}
        frame = pd.DataFrame({"time": times, **prices, "volume": random.integers(1, 10**6, rows)})
        for suffix in suffixes:
            path = folder / f"{name}{suffix}"
            frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
            paths.append(path)
    return paths


def measure(path: Path, reader: str, root: Path, runs: int) -> tuple[float, float]:
    """CPU seconds and MiB of peak memory beyond the imports, the least of several runs each."""
    script = _MEASURED.format(columns=COLUMNS)
    environment = {**os.environ, "PYTHONPATH": str(root)}
    seconds, memory = [], []
    for _ in range(runs):
        run = subprocess.run(
            [sys.executable, "-c", script, str(path), reader],
            env=environment,
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        one, other = run.stdout.split()
        seconds.append(float(one))
        memory.append(float(other))
    return min(seconds), min(memory)


def main() -> None:
    """Print a table with a line for each file and reader."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--before", type=Path, help="a checkout of another version")
    before = parser.parse_args().before
    readers = [("pyarrow", ROOT), ("ballast", ROOT), *([("ballast", before.resolve())] if before else [])]
    print(f"{'file':16} {'reader':10} {'CPU s':>8} {'ratio':>6} {'MiB':>8} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for path in write_tables(Path(folder)):
            base: tuple[float, float] | None = None
            for reader, root in readers:
                if root != ROOT and "minutes" not in path.name:
                    continue
                seconds, memory = measure(path, reader, root, RUNS if root == ROOT else 1)
                base = base or (seconds, memory)
                name = reader if root == ROOT else "before"
                print(
                    f"{path.name:16} {name:10} {seconds:8.2f} {seconds / base[0]:6.1f} {memory:8.0f} "
                    f"{memory / max(base[1], 1):6.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
