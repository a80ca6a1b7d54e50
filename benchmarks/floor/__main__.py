"""The floor of an epoch of training on this machine, and how far above it Ballast and a plain loop are.

Run it with `python -m benchmarks.floor`; it takes about two minutes. It measures, on one thread and in turns,
what this machine can do in a second, and what one epoch costs: 2,048 windows of 30 steps and 5 features,
batches of 32, one layer, forward, backward, clipping, AdamW. Everything is CPU time, and the best of all
rounds. It exits with 1 where Ballast's compiled kernel is further above the floor than the goal says.
`--profile` tells instead where the time of a step goes.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence

from benchmarks.floor.counts import Work, count
from benchmarks.floor.epochs import EXPERT, KERNELS, epoch_tasks
from benchmarks.floor.floors import Floors, floors
from benchmarks.floor.profile import show_profile
from benchmarks.floor.rates import Key, Rates, rate_tasks, read_rates
from benchmarks.floor.timing import best, one_thread

UNITS = (16, 32, 64, 128)
JUDGED = (64, 128)
GOAL = 2.5
"""Times the arithmetic floor that an epoch of the compiled kernel may take."""
ROUNDS = 7


def main(arguments: Sequence[str]) -> int:
    """Print the tables and the answer; 0 where the goal is reached."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.floor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", action="store_true", help="where the time of a step goes")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"turns of each measurement (default: {ROUNDS})"
    )
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: at least 1 is needed")
    works = {units: Work(units) for units in UNITS}
    with one_thread():
        if options.profile:
            show_profile(works, options.rounds)
            return 0
        return judge(works, options.rounds)


def judge(works: Mapping[int, Work], rounds: int) -> int:
    """Measure rates and epochs in the same rounds, tell both, and say whether the goal is reached."""
    epochs = {
        ("epoch", str(units), who): task
        for units, work in works.items()
        for who, task in epoch_tasks(work).items()
    }
    seconds = best({**rate_tasks(works), **epochs}, rounds)
    found = read_rates(seconds, works)
    lowest = {units: floors(work, found) for units, work in works.items()}
    show_counts(works)
    show_rates(found)
    show_floors(lowest)
    show_epochs(lowest, seconds)
    reached, told = answer(lowest, seconds)
    print(f"\n{told}")
    return 0 if reached else 1


def answer(lowest: Mapping[int, Floors], seconds: Mapping[Key, float]) -> tuple[bool, str]:
    """Whether the compiled kernel's epochs are near enough to the arithmetic floor, and by how much."""
    ratios = {units: seconds["epoch", str(units), "fused"] / lowest[units].arithmetic for units in JUDGED}
    reached = max(ratios.values()) <= GOAL
    told = ", ".join(f"{ratio:.2f} at {units} units" for units, ratio in ratios.items())
    said = "reached" if reached else "missed"
    return reached, f"goal: fused within {GOAL} times the arithmetic floor: {told}: {said}"


def show_counts(works: Mapping[int, Work]) -> None:
    """What one epoch must do."""
    print("One epoch must do, at the least, in millions (flops: a multiply-add is two):")
    print(f"{'units':>5} {'flops of products':>18} {'activations':>12} {'flops by element':>17} {'bytes':>8}")
    for units, work in works.items():
        told = count(work)
        print(
            f"{units:>5} {told.product_flops / 1e6:>18,.0f} {told.activations / 1e6:>12,.1f} "
            f"{told.element_flops / 1e6:>17,.0f} {told.bytes / 1e6:>8,.0f}"
        )
    print("flops by element: gates with their activations written out, clipping, AdamW")


def show_rates(found: Rates) -> None:
    """What this machine does in a second."""
    print("\nThis machine on one thread, the best of all ways, in thousand millions a second:")
    print(f"{'flops of a large product':<44} {found.product / 1e9:>6.1f}")
    print(f"{'flops by element, in a rational tanh':<44} {found.element / 1e9:>6.1f}")
    print(f"{'bytes of arrays that stay in the caches':<44} {found.cached / 1e9:>6.1f}")
    print(f"{'bytes of arrays in memory':<44} {found.memory / 1e9:>6.1f}")


def show_floors(lowest: Mapping[int, Floors]) -> None:
    """CPU milliseconds of an epoch under each definition."""
    print("\nFloors of an epoch, CPU ms:")
    print("arithmetic = max(flops of products / rate of a large product, bytes / rate in the caches)")
    print(
        "sum: of these two; memory: bytes from memory; own shapes: products at the rates of their own shapes;"
    )
    print("by element: flops of products / rate of a large product + flops by element / their rate")
    print(f"{'units':>5} {'arithmetic':>11} {'sum':>8} {'memory':>8} {'own shapes':>11} {'by element':>11}")
    for units, floor in lowest.items():
        print(
            f"{units:>5} {1e3 * floor.arithmetic:>11.2f} {1e3 * floor.both:>8.2f} {1e3 * floor.memory:>8.2f} "
            f"{1e3 * floor.own_shapes:>11.2f} {1e3 * floor.elements:>11.2f}"
        )


def show_epochs(lowest: Mapping[int, Floors], seconds: Mapping[Key, float]) -> None:
    """CPU milliseconds of a measured epoch, times the arithmetic floor, and against the expert's loop."""
    names = (EXPERT, *KERNELS)
    print("\nOne epoch, CPU ms (times the arithmetic floor), and how much faster fused is than the expert's:")
    print(f"{'units':>5}" + "".join(f"{name:>18}" for name in names) + f"{'faster':>9}")
    for units, floor in lowest.items():
        taken = {name: seconds["epoch", str(units), name] for name in names}
        cells = "".join(f"{f'{1e3 * t:.1f} ({t / floor.arithmetic:.2f})':>18}" for t in taken.values())
        print(f"{units:>5}{cells}{taken[EXPERT] / taken['fused']:>9.2f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
