"""Trials per hour of Ballast beside what its users would write or pick instead: one table, and the goals.

Run it with `python -m benchmarks.peers` on a machine that does nothing else (twenty minutes on two cores;
`--only NAME ...` for some, `--rounds N`, `--json FILE`). Everybody trains the same twelve configurations, 16,
32 and 64 units at four learning rates, on the same rows of the S&P 500: five features, windows of 30 days,
batches of 32, three epochs, mean squared error of the standardised target, Adam, gradients clipped to a norm
of 1, PyTorch's own initialisation, a linear head, on the CPU. Each run is a process of its own; in a round
all take turns, and who begins changes. A round has a seed of its own.

What is compared: the whole process, from start to end with all that it starts, and the search alone, from
the start of its first trial to the end of its last. Both are measured from outside, by the same clocks for
all (`peer_loops/stopwatch.py`); competitors tell when each trial began and ended, and what came of it. The
CPU time of a trial is that of its process until its next trial begins, and a size's is that of its median
trial.

The competitors:

- `expert`: a hand-written loop with all that an expert knows: windows resident in memory, one thread, fused
  Adam, no number read back in an epoch. Also as two processes that share the study.
- `dataloader`: a hand-written loop as in PyTorch's and Optuna's tutorials, with PyTorch's own threads.
- `lightning`: with Optuna's pruning callback, as in Optuna's example, and with PyTorch's threads set to one.
- `autogru`: NeuralForecast on its Optuna backend.
- `ray`: Tune with OptunaSearch and two actors, each of which trains with the expert's loop; actors are new
  for each trial, which is the default, or reused.
- `ballast`: the command `ballast run`, guard, record on SQLite and publishing on, with one and two workers,
  and with `training.kernel: torch`. It reads, audits and prepares the data by itself, the others find them
  ready. What it compiles once per machine is compiled before the first round.

Where they differ from what their documentation shows, and from each other:

- Nothing is pruned, so that all do the same work: the pruner is asked after each epoch and says no.
- The hand-written loops and Lightning keep their study on SQLite, as Ballast does, AutoGRU and Ray Tune in
  memory, as they do by default. SQLite costs 3 % of an expert's trial.
- Progress bars are off. All else is left as it comes: Lightning logs, checkpoints, prints a summary of the
  model and tries the validation first; AutoGRU logs and prints, does not checkpoint, and trains the best
  configuration once more when the search is over, which is in its whole process and not in its search; Ray
  logs, saves the state of the search and starts its dashboard where that is installed.
- The hand-written loops and Lightning validate in batches larger than those of training, which is cheaper.
- AutoGRU forecasts the next value of its own series, so that one of its five inputs is that series, not
  clipped to three standard deviations; it draws each batch anew, not from an order of the epoch, and its
  last batch is not short. Its twelve points are a grid, in an order of its own.

Losses must agree, or the comparison is void: the expert's loop trains every configuration with twelve more
seeds, and a competitor's mean loss of each configuration, over its rounds, must lie within four standard
errors of the expert's mean. The error counts the scatter over seeds of both, pooled over the configurations
of one learning rate. A first rule, fixed before losses were compared, took the expert's scatter for
everybody's; it was given up when AutoGRU was seen to scatter twice as much. Steps must be equal to the step.

`others` is how many cores were busy with other things meanwhile. On a machine that is not quiet, those who
start a thread per core are much slower than they should be, and ratios to them flatter Ballast.

It exits with 1 where a goal is missed, the comparison is void, or a competitor is left out because its
packages are not installed.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks.peer_loops import judge
from benchmarks.peer_loops.catalogue import EXPERTS, INSTALL, PEERS, Peer
from benchmarks.peer_loops.judge import GOALS, Round, TrialCost
from benchmarks.peer_loops.stopwatch import Measured, measure
from benchmarks.peer_loops.work import FULL, Configuration, Trained, Work, read, steps_per_epoch, write
from trainer.kernels.self_test import compile_kernel

ROOT = Path(__file__).parents[1]
ROUNDS = 3
SEEDS = range(100, 112)
"""Of the runs that show how far losses scatter."""
QUIET = 0.15
"""Cores; what others take beyond it is told."""


def main(arguments: Sequence[str]) -> int:
    """Print the table and the verdicts; 0 where the losses agree and every goal that was judged is met."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [peer.name for peer in PEERS]
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="NAME", help="some of: " + "; ".join(names)
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all that was measured")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: at least 1 is needed")
    asked = [peer for peer in PEERS if options.only is None or peer.name in options.only]
    left_out = {peer.name: peer.missing() for peer in asked if peer.missing()}
    for name, missing in left_out.items():
        print(f"{name} is left out, without {' and '.join(missing)}; {INSTALL}")
    peers = [peer for peer in asked if peer.name not in left_out]
    if not peers:
        return 1
    compile_kernel()
    with tempfile.TemporaryDirectory(prefix="ballast-peers-") as folder:
        write(FULL, Path(folder))
        reference = judge.values_of([run(EXPERTS, Path(folder), seed) for seed in SEEDS])
        rounds = take_turns(peers, Path(folder), options.rounds)
    distances = {name: judge.distance(judge.values_of(runs), reference) for name, runs in rounds.items()}
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(rounds, reference, distances), indent=1))
    print(judge.table(rounds, distances))
    return 0 if told(rounds, distances, reference) and not left_out else 1


def take_turns(peers: Sequence[Peer], work: Path, rounds: int) -> dict[str, list[Round]]:
    """Run everybody in turn, so many times; who begins changes from round to round."""
    found: dict[str, list[Round]] = {peer.name: [] for peer in peers}
    for number in range(rounds):
        for at in range(len(peers)):
            peer = peers[(number * len(peers) // rounds + at) % len(peers)]
            done = run(peer, work, seed=number)
            found[peer.name].append(done)
            print(f"round {number + 1}, {peer.name}: {done}", flush=True)
    return found


def run(peer: Peer, work: Path, seed: int) -> Round:
    """One run of one competitor, in a folder of its own that holds a copy of the work.

    Raises CommandFailed, and RuntimeError where other work was done than was asked for.
    """
    with folder_with(work) as folder:
        measured = measure(peer.command(folder, seed), folder, {**os.environ, "PYTHONPATH": str(ROOT)})
        trained = peer.trained(folder, seed, measured)
        expected, rows = read(folder)
    check(peer.name, trained, expected, steps_per_epoch(expected, rows))
    return round_of(trained, measured)


@contextmanager
def folder_with(work: Path) -> Iterator[Path]:
    """A new folder with the work in it, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="ballast-peer-", ignore_cleanup_errors=True) as name:
        for file in ("work.json", "rows.npz"):
            shutil.copy(work / file, name)
        yield Path(name)


def check(name: str, trained: Sequence[Trained], work: Work, steps: int) -> None:
    """RuntimeError where configurations, epochs or optimiser steps are not those of the work."""
    done = {Configuration(each.units, each.learning_rate) for each in trained}
    if done != set(work.configurations) or len(trained) != len(work.configurations):
        raise RuntimeError(f"{name} trained {sorted(map(str, done))}, not the configurations asked for")
    for each in trained:
        if len(each.losses) != work.epochs or each.steps != work.epochs * steps:
            raise RuntimeError(
                f"{name} made {each.steps} steps in {len(each.losses)} epochs of {each.units} units, "
                f"not {work.epochs * steps} in {work.epochs}"
            )


def round_of(trained: Sequence[Trained], measured: Measured) -> Round:
    """What a run took: of the search, and of each trial until the next of the same process began."""
    began, ended = min(each.began for each in trained), max(each.ended for each in trained)
    trials = []
    for each in trained:
        later = [other.began for other in trained if other.pid == each.pid and other.began > each.began]
        cpu = measured.samples.between(each.began, min(later, default=each.ended), each.pid)
        trials.append(TrialCost(Configuration(each.units, each.learning_rate), min(each.losses), cpu))
    return Round(
        wall=measured.wall,
        cpu=measured.cpu,
        search_wall=ended - began,
        search_cpu=measured.samples.between(began, ended),
        others=measured.others,
        trials=tuple(trials),
    )


def told(rounds: judge.Rounds, distances: Mapping[str, float], reference: judge.Values) -> bool:
    """Print the verdicts; whether the losses agree and no goal was missed."""
    scatter = "; ".join(f"{sd:.4f} at {rate:g}" for rate, sd in judge.noise(reference).items())
    print(f"losses scatter over seeds by a standard deviation of {scatter}")
    strangers = [name for name, each in distances.items() if not each <= judge.LIMIT]
    for name in strangers:
        print(f"void: the losses of {name} differ by {distances[name]:.1f} standard errors")
    busy = {name: median(each.others for each in runs) for name, runs in rounds.items()}
    for name in (name for name, cores in busy.items() if cores > QUIET):
        print(f"not quiet: others took {busy[name]:.2f} cores while {name} ran")
    for goal in GOALS:
        print(goal.told(rounds))
    reached = [(goal.reached(rounds), goal.times) for goal in GOALS]
    return not strangers and all(each is None or each >= times for each, times in reached)


def as_json(
    rounds: judge.Rounds, reference: judge.Values, distances: Mapping[str, float]
) -> dict[str, object]:
    """All that was measured."""
    return {
        "rounds": {name: [asdict(each) for each in runs] for name, runs in rounds.items()},
        "reference": [{**asdict(each), "losses": list(values)} for each, values in reference.items()],
        "distances": dict(distances),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
