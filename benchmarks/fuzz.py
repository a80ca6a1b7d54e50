"""Feeds bad inputs to the configuration loader and the table reader, and counts what is not a sentence.

    python -m benchmarks.fuzz [--inputs 10000] [--seed 0]

Half of them are configurations, half tables. Prints a table, and each fault with the first inputs that ended
so; ends with 1 where there is any.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from benchmarks.fuzzing.configurations import CONFIGURATIONS, read_configuration
from benchmarks.fuzzing.judge import PATIENCE_S, Ending, ending_of
from benchmarks.fuzzing.tables import TABLES, read_and_audit

KINDS: tuple[tuple[str, st.SearchStrategy[Any], Callable[[Any, Path], None]], ...] = (
    ("configurations", CONFIGURATIONS, read_configuration),
    ("tables", TABLES, read_and_audit),
)


@dataclass
class Tally:
    """How the inputs of one kind ended."""

    endings: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[Any]] = field(default_factory=dict)
    slowest_s: float = 0.0

    def add(self, ending: Ending, item: Any, seconds: float) -> None:
        """Count one input; of each fault the first three are kept."""
        self.endings[ending.kind] += 1
        self.slowest_s = max(self.slowest_s, seconds)
        if ending.fault is not None:
            kept = self.faults.setdefault(ending.fault, [])
            kept += [item] if len(kept) < 3 else []


def feed(
    strategy: st.SearchStrategy[Any], read: Callable[[Any, Path], None], inputs: int, start: int
) -> Tally:
    """Draw the inputs and read each in an empty folder of its own."""
    tally = Tally()

    @seed(start)
    @settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def take(item: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.monotonic()
            ending = ending_of(lambda: read(item, Path(folder)))
            tally.add(ending, item, time.monotonic() - begun)

    take()
    return tally


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{'inputs':16} {'read':>8} {'refused':>8} {'faults':>8} {'slowest':>9}   (seed {options.seed})")
    tallies = []
    for name, strategy, read in KINDS:
        tally = feed(strategy, read, options.inputs // len(KINDS), options.seed)
        counts = tally.endings
        print(
            f"{name:16} {counts['read']:8} {counts['refused']:8} {counts['fault']:8} {tally.slowest_s:7.2f} s"
        )
        for fault, items in sorted(tally.faults.items()):
            print(f"  {fault}\n" + "\n".join(f"    {item!r}"[:400] for item in items), flush=True)
        tallies.append(tally)
    failed = any(tally.faults for tally in tallies)
    print(f"goal: no traceback, no hang of {PATIENCE_S:g} s, no flood: {'MISSED' if failed else 'reached'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
