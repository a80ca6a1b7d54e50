"""What one network for many series gains and costs, in four parts.

    python -m benchmarks.panel [--part a b c d] [--trials 4] [--seeds 2] [--peer PYTHON]

(a) Twenty US stocks, volatility over five days: the pooled GRU, its rivals fitted to each stock and to all,
and a GRU for each stock, on rows that no search has seen; five stocks are held back whole. (b) AutoGRU of
NeuralForecast on the same rows, with as many trials; PYTHON is that of an environment with the extra `peers`.
(c) `benchmarks.panel_scale`: what 500 series cost. (d) `benchmarks.panel_leaks`: leaks in one series and all.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.panel_peer import PEER, add_peer, speed
from benchmarks.panel_stocks import Options, add_separate, scored_stocks, table

SCRIPTS = {"c": "benchmarks.panel_scale", "d": "benchmarks.panel_leaks"}


def main(arguments: Sequence[str]) -> int:
    """Print the parts that are asked for; 1 if a script of one of them misses its goal."""
    parser = argparse.ArgumentParser(prog="benchmarks.panel", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", nargs="+", choices="abcd", default=["a", "b", "c", "d"])
    parser.add_argument("--trials", type=int, default=4, help="of each search")
    parser.add_argument("--seeds", type=int, default=2, help="trainings with fresh seeds")
    parser.add_argument("--peer", help="the Python of an environment with NeuralForecast; none: no part b")
    parser.add_argument("--folder", type=Path, help="keeps the studies; else they are thrown away")
    asked, failed = parser.parse_args(arguments), False
    with tempfile.TemporaryDirectory() as made:
        options = Options(asked.trials, asked.seeds, asked.folder or Path(made))
        options.folder.mkdir(exist_ok=True)
        if {"a", "b"} & {*asked.part}:
            _print_stocks(options, asked.part, asked.peer)
    for part in asked.part:
        if part in SCRIPTS:
            failed |= subprocess.run([sys.executable, "-m", SCRIPTS[part]], check=False).returncode != 0
    return int(failed)


def _print_stocks(options: Options, parts: Sequence[str], peer: str | None) -> None:
    scored = scored_stocks(options)
    if "b" in parts and peer is not None:
        add_peer(peer, scored, options)
    if "a" in parts:
        add_separate(scored, options)
    print(f"\n{table(scored)}")
    for name, seconds in scored.seconds.items():
        print(f"{name}: {seconds:.0f} s for searches and trainings")
    if PEER in scored.losses:
        print(speed(scored, options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
