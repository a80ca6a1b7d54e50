"""Feeds bad inputs to the configuration loader, the table reader and every command, and counts what is no
sentence.

    python -m benchmarks.fuzz [--inputs 10000] [--seed 0] [--kind pairs]

Of a hundred inputs 45 are pairs of settings (10,000 hold every pair), 20 configurations, 15 tables, 10 column
names in a role and 10 command lines. Prints a table, and each fault with the first inputs that ended so; ends
with 1 where there is any.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from benchmarks.fuzzing.columns import columns, read_column
from benchmarks.fuzzing.commands import commands, read_command
from benchmarks.fuzzing.configurations import CONFIGURATIONS, read_configuration
from benchmarks.fuzzing.judge import PATIENCE_S, Ending, ending_of
from benchmarks.fuzzing.pairs import pairs, read_pair
from benchmarks.fuzzing.tables import TABLES, read_and_audit

Items = st.SearchStrategy[Any] | Callable[[Random], Iterator[Any]]
"""Inputs drawn by Hypothesis, or an endless series that goes through all of them in an order of its own."""


@dataclass(frozen=True)
class Kind:
    """Inputs of one kind, what is done with each, and the share of all inputs that they are."""

    items: Items
    read: Callable[[Any, Path], None]
    share: float
    patience_s: float = PATIENCE_S


KINDS: dict[str, Kind] = {
    "configurations": Kind(CONFIGURATIONS, read_configuration, 0.2),
    "tables": Kind(TABLES, read_and_audit, 0.15),
    "pairs": Kind(pairs, read_pair, 0.45, 4 * PATIENCE_S),
    "columns": Kind(columns, read_column, 0.1, 4 * PATIENCE_S),
    "commands": Kind(commands, read_command, 0.1, 6 * PATIENCE_S),
}


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


def feed(kind: Kind, inputs: int, start: int) -> Tally:
    """Draw the inputs from the seed `start` and read each in an empty folder of its own."""
    tally = Tally()

    def take(item: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.monotonic()
            ending = ending_of(lambda: kind.read(item, Path(folder)), kind.patience_s)
            tally.add(ending, item, time.monotonic() - begun)

    if isinstance(kind.items, st.SearchStrategy):
        _draw(kind.items, take, inputs, start)
    else:
        for item in islice(kind.items(Random(start)), inputs):
            take(item)
    return tally


def _draw(strategy: st.SearchStrategy[Any], take: Callable[[Any], None], inputs: int, start: int) -> None:
    @seed(start)
    @settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def one(item: Any) -> None:
        take(item)

    one()


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="all inputs of one kind")
    options = parser.parse_args()
    print(f"{'inputs':16} {'read':>8} {'refused':>8} {'faults':>8} {'slowest':>9}   (seed {options.seed})")
    faults = 0
    for name, kind in KINDS.items():
        if options.kind not in (None, name):
            continue
        inputs = options.inputs if options.kind else round(kind.share * options.inputs)
        tally = feed(kind, inputs, options.seed)
        counts = tally.endings
        print(
            f"{name:16} {counts['read']:8} {counts['refused']:8} {counts['fault']:8} {tally.slowest_s:7.2f} s"
        )
        for fault, items in sorted(tally.faults.items()):
            print(f"  {fault}\n" + "\n".join(f"    {item!r}"[:400] for item in items), flush=True)
        faults += counts["fault"]
    verdict = "MISSED" if faults else "reached"
    print(f"goal: no traceback, no hang, no flood, nothing lost: {faults} faults, {verdict}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
