"""Whether the answers are right on data whose answer is known: honest data, leaks, nulls, signals.

    python -m benchmarks.honest_questions [--part a …] [--quick] [--seed S] [--output FILE]

(a) Honest kinds of data at horizons of 1 to 63 rows: how many studies are blocked or quarantined. (b) Leaks
at the same horizons: which are flagged, which lift the skill on test rows, which *hold*. (c) Data whose best
rival is optimal: how often `verify` says that a GRU beats the strongest rival. (d) Test losses of naive
forecasts, rivals and GRU on three real series. (e) Power, beside least squares on the same regressors.

Prints the tables and the goals; ends with 1 where a goal is missed. With --output each task is a line of JSON
in that file as soon as it is done; a run that broke off goes on from there. One core, about 40 minutes;
--quick takes a few tasks of each part.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.honest_questions import part_a, part_b, part_c, part_d, part_e
from benchmarks.honest_questions.part import Done, Goal, Part, add, recorded

PARTS: dict[str, Part] = {
    part.letter: part for part in (part_a.PART, part_b.PART, part_c.PART, part_d.PART, part_e.PART)
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is left to do and print the tables; 0 where the goals are reached."""
    asked = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    known = recorded(asked.output, asked.seed)
    goals: list[Goal] = []
    for letter in asked.part or PARTS:
        part, began = PARTS[letter], time.perf_counter()
        done = []
        for task in part.tasks(asked.quick):
            if task not in known and asked.recorded:
                continue
            if task not in known:
                known[task] = Done(task, part.run(task, asked.seed))
                print(f"{time.perf_counter() - began:6.0f} s {task.shown}", file=sys.stderr, flush=True)
                if asked.output is not None:
                    add(asked.output, known[task], asked.seed)
            done.append(known[task])
        print(f"({letter}) {part.title}, seed {asked.seed}\n\n{part.tables(done)}\n", flush=True)
        goals += part.goals(done)
    print("Goals")
    for goal in goals:
        print(f"  {'reached' if goal.reached else 'MISSED '}  {goal.told}")
    return 0 if all(goal.reached for goal in goals) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks.honest_questions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--part", action="append", choices=PARTS, help="this part alone; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a few tasks of each part")
    parser.add_argument("--seed", type=int, default=0, help="of data and training")
    parser.add_argument("--recorded", action="store_true", help="run nothing: tables of what --output holds")
    parser.add_argument("--output", type=Path, help="a line of JSON for each task; taken up again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
