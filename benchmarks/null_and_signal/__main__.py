"""Who claims skill where there is none, and who finds it where it is: Ballast, an oracle, and the best loss.

    python -m benchmarks.null_and_signal [--only null|signal] [--sets N] [--trials K] [--output FILE] …

Each data set goes through a real study of small budget, `export` and `verify` with fresh seeds. Without
signal every claim is false. "best loss alone" claims skill where the study's best validation loss is below
that of the best naive forecast, which is chosen with hindsight as well; beside it the training mean is the
only naive forecast. "skill shown" is what `ballast status` says, by the noise floor; "luck" is the p value of
the whole study. The oracle forecasts the planted mean itself and is judged by the same rule on the same test
rows: what it misses, those rows cannot show. All of it, 40 and 40 data sets of 30 trials, takes a quarter to
half an hour on two cores. Ends with 1 where a goal is missed.

With --output each data set is a line of JSON in that file as soon as it is done; a run that broke off goes
on from there.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.null_and_signal.series import Group
from benchmarks.null_and_signal.study import Outcome
from benchmarks.null_and_signal.tables import reached, report
from benchmarks.null_and_signal.work import Task, add, outcomes, recorded

GROUPS: tuple[Group, ...] = ("null", "signal")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is left to do and print the tables; 0 where the goals are reached."""
    asked = _parser().parse_args(arguments)
    tasks: list[Task] = [
        (group, number) for group in GROUPS if asked.only in (None, group) for number in range(asked.sets)
    ]
    known = {} if asked.output is None else recorded(asked.output, seed=asked.seed, trials=asked.trials)
    done = {task: known[task] for task in tasks if task in known}
    left = [task for task in tasks if task not in done]
    for found in outcomes(left, seed=asked.seed, trials=asked.trials, workers=asked.workers):
        done[found.group, found.number] = found
        if asked.output is not None:
            add(asked.output, found)
        _tell(found, len(done), len(tasks))
    ordered = [done[task] for task in tasks]
    print(report(ordered))
    return 0 if reached(ordered) else 1


def _tell(found: Outcome, done: int, of: int) -> None:
    told = f"{found.group} {found.number} ({found.kind}, R² {found.r2:.1%}): {found.ballast.answer}"
    print(f"{done} of {of}: {told}; oracle: {found.oracle.answer}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks.null_and_signal", description="Claims without signal, and signals found."
    )
    parser.add_argument("--only", choices=GROUPS, help="one group of data sets")
    parser.add_argument("--sets", type=int, default=40, help="data sets in each group")
    parser.add_argument("--trials", type=int, default=30, help="trials of each study")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--seed", type=int, default=0, help="of data sets and studies")
    parser.add_argument("--output", type=Path, help="a line of JSON for each data set; taken up again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
