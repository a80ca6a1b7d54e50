"""The chaos bench: workers and stores are struck while a study runs, and nothing may be lost or doubled.

Run it with `python -m benchmarks.chaos --faults 200` (`--store postgresql`, `--kinds "SIGTERM,dead-lock"`,
`--seed S`). Processes, signals, servers and locks are real. Each kind strikes small studies, of which every
one goes on to its end and is then compared with what an undisturbed run would have left. It exits with 1
where a trial was lost, doubled or left running, where our record and Optuna's disagree, or where a value is
not, to the bit, that of the same configuration and seed undisturbed.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.chaos_faults.audit import WRONGS, Findings
from benchmarks.chaos_faults.kinds import KINDS, ChaosSetup, Kind, Outcome
from benchmarks.chaos_faults.study import Undisturbed
from benchmarks.postgres import PostgresServer

_ROW = "{:<40} {:>6} {:>7} {:>7} {:>8} {:>4} {:>7} {:>12} {:>13} {:>12} {:>7}"


def main(arguments: Sequence[str]) -> int:
    """Run the bench and print its table; 1 where the goal is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=200, help="how many, over all kinds")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--kinds", help="names, with commas between them; all if not given")
    asked = parser.parse_args(arguments)
    kinds = possible(KINDS if asked.kinds is None else chosen(asked.kinds), asked.store)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and so leave no worker and no server behind
    started = time.monotonic()
    with bench(asked.store, asked.seed) as place:
        print(_ROW.format("kind", "faults", "retried", "resumed", "unstable", *WRONGS, "seconds"))
        total = Outcome(Kind("all", 0), 0, Findings())
        for kind, faults in shares(kinds, asked.faults):
            began = time.monotonic()
            outcome = place.inflict(kind, faults)
            show(outcome, time.monotonic() - began)
            total.faults += outcome.faults
            total.findings.add(outcome.findings)
        show(total, time.monotonic() - started)
    return 1 if any(total.findings.wrong.values()) else 0


def chosen(names: str) -> list[Kind]:
    """The kinds of these names; SystemExit for one that is not there."""
    known = {kind.name: kind for kind in KINDS}
    wanted = [name.strip() for name in names.split(",")]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"there is no kind of fault {unknown[0]!r}; there are: {', '.join(known)}")
    return [known[name] for name in wanted]


def possible(kinds: Sequence[Kind], store: str) -> list[Kind]:
    """Those that can strike here; a line for each that cannot."""
    for kind in kinds:
        if reason := kind.why_not(store):
            print(f"left out: {kind.name}: {reason}")
    return [kind for kind in kinds if not kind.why_not(store)]


def shares(kinds: Sequence[Kind], faults: int) -> list[tuple[Kind, int]]:
    """How many faults each kind gets: its share by weight, at least one, the rest to the heaviest."""
    whole = sum(kind.weight for kind in kinds)
    each = {kind: max(1, faults * kind.weight // whole) for kind in kinds}
    heaviest = max(kinds, key=lambda kind: kind.weight)
    each[heaviest] = max(1, each[heaviest] + faults - sum(each.values()))
    return list(each.items())


@contextmanager
def bench(store: str, seed: int) -> Iterator[ChaosSetup]:
    """A bench on a store of this kind, in a folder that is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="ballast-chaos-") as folder:
        random = np.random.default_rng(seed)
        if store == "sqlite":
            yield ChaosSetup(Path(folder), None, random, Undisturbed())
            return
        with PostgresServer() as server:
            yield ChaosSetup(Path(folder), server, random, Undisturbed())


def show(outcome: Outcome, seconds: float) -> None:
    """One line of the table, and one for each thing that is wrong."""
    found = outcome.findings
    counts = [len(found.wrong[name]) for name in WRONGS]
    print(
        _ROW.format(
            outcome.kind.name,
            outcome.faults,
            found.retried,
            found.resumed,
            found.unstable,
            *counts,
            f"{seconds:.0f}",
        ),
        flush=True,
    )
    for name in WRONGS if outcome.kind.weight else ():
        for sentence in found.wrong[name]:
            print(f"    {name}: {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
