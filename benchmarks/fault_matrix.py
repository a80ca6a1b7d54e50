"""The fault matrix: every planted fault at every moment, one trial each of one real study for each kernel.

Run it with `python -m benchmarks.fault_matrix` (under two minutes on one core; `--quick`: every fault, three
moments). It exits with 1 if a fault changed a result unseen or crashed a trial, if a number that is not
finite got anywhere but into the finding itself, if a bit moved in a skipped step, or a verdict is not the
design's.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from benchmarks.faults import scan
from benchmarks.faults.catalogue import FAULTS, cases
from benchmarks.faults.refused import Refusal, audited, clamped
from benchmarks.faults.study import Struck, on_record, resolved_study, steps_per_epoch, struck_study
from search.data.study_data import load_study_data
from search.study.studies import OpenStudy
from storage.verdicts import Verdict

KERNELS = ("torch", "fused")
_ROW = "{:<34} {:<12} {:<20} {:>5} {:>9}  {:<24} {:<26} {}"


def main(arguments: Sequence[str]) -> int:
    """Run the matrix and print it; 1 where the goal is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.fault_matrix", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three moments instead of seven")
    parser.add_argument("--seed", type=int, default=0, help="of the study")
    asked = parser.parse_args(arguments)
    wrong, outcomes = 0, []
    for kernel in KERNELS:
        print(f"training.kernel = {kernel}\n")
        with tempfile.TemporaryDirectory() as folder:
            amiss, struck = matrix(Path(folder), asked.seed, kernel, quick=asked.quick)
        wrong += amiss
        outcomes.append(struck)
        print()
    differing = [
        name(one) for one, other in zip(*outcomes, strict=True) if what_came(one) != what_came(other)
    ]
    print(f"told, done or judged otherwise by one kernel than by the other: {len(differing)}")
    for case in differing:
        print(f"    {case}")
    return 1 if wrong or differing else 0


def what_came(row: Struck) -> tuple[str, ...]:
    """All of a row of the table but the value of its finding, whose last digits are rounding."""
    finding, step, _, named = found(row)
    return finding, step, named, row.handled or "UNSEEN", verdict(row)


def matrix(folder: Path, seed: int, kernel: str, *, quick: bool) -> tuple[int, list[Struck]]:
    """Print the table and the counts; how many things are not as they should be, and the cases in order."""
    steps = steps_per_epoch(load_study_data(resolved_study(folder, seed)))
    planted = cases(steps, quick=quick)
    sets = (f"study.trials={len(planted)}", f"training.kernel={kernel}")
    resolved = resolved_study(folder, seed, *sets)
    with struck_study(resolved, load_study_data(resolved), folder, planted) as study:
        struck = on_record(study, planted)
        print(_ROW.format(*["fault", "moment", "finding", "step", "value", "named", "done", "verdict"]))
        order = {fault.name: place for place, fault in enumerate(FAULTS)}
        struck.sort(key=lambda row: order.get(row.case.fault.name, len(order)))
        for row in struck:
            print(told(row))
        refusals = [*clamped(folder), *audited(folder)]
        for refusal in refusals:
            print(f"{refusal.fault:<34} {'before':<12} {refusal.told or 'UNSEEN'}; {refusal.outcome}")
        return summary(struck, refusals, [*nonfinite(study, struck, folder)]), struck


def told(row: Struck) -> str:
    """One line of the table: the first finding, all that was done, and the verdict."""
    case = row.case
    return _ROW.format(case.fault.name, case.moment.name, *found(row), row.handled or "UNSEEN", verdict(row))


def found(row: Struck) -> tuple[str, str, str, str]:
    """Of the first finding: its kind, its step, its value, and what it names."""
    if not row.findings:
        return "-", "-", "-", "-"
    first = row.findings[0]
    return (
        str(first.kind),
        "epoch" if first.step is None else str(first.step),
        f"{first.value:.3g}",
        first.parameter or (first.cell or "-").removesuffix("T00:00:00.000000000"),
    )


def verdict(row: Struck) -> str:
    """The verdict, with the reason of a failed one, and a mark where it is not the design's."""
    reasons = f": {', '.join(row.trial.reasons)}" if row.trial.verdict is Verdict.FAILED else ""
    return f"{row.trial.verdict}{reasons}{'' if row.as_designed else ' NOT AS DESIGNED'}"


def nonfinite(study: OpenStudy, struck: Sequence[Struck], folder: Path) -> Iterator[str]:
    """Where a number that is not finite was left: results, record, Optuna, exports, accepted learners."""
    for row in struck:
        name = f"{row.case.fault.name}, {row.case.moment.name}"
        if row.case.result is not None:
            yield from scan.in_result(row.case.result, name)
        if row.trial.verdict is Verdict.ACCEPTED and not row.case.sane_at_end:
            yield f"{name}: the optimiser of an accepted trial"
    yield from chain(scan.in_record(study), scan.in_optuna(study), scan.in_exports(study, folder))


def summary(struck: Sequence[Struck], refusals: Sequence[Refusal], places: Sequence[str]) -> int:
    """Print the counts and what is wrong; how many things are."""
    skipped = sum(len(row.case.skipped) for row in struck)
    rewound = sum(len(row.case.rewound) for row in struck)
    verdicts = Counter(str(row.trial.verdict) for row in struck)
    without = Counter(row.handled for row in struck if row.handled and not row.findings)
    wrong = {
        "unseen": [name(row) for row in struck if row.handled is None]
        + [refusal.fault for refusal in refusals if refusal.told is None],
        "crashed": [name(row) for row in struck if row.crashed],
        "victim or rows not named": [name(row) for row in struck if not row.located],
        "verdict not as designed": [name(row) for row in struck if not row.as_designed],
        "bits moved by a skipped step or missed by a rewind": [name(row) for row in struck if not row.intact],
        "numbers that are not finite": list(places),
    }
    print(f"\n{len(struck)} trials: {', '.join(f'{n} {v}' for v, n in verdicts.most_common())}")
    print(f"found by the guard: {sum(bool(row.findings) for row in struck)}")
    print(f"without a finding: {', '.join(f'{n} {what}' for what, n in without.most_common())}")
    print(f"skipped steps: {skipped}, rewinds: {rewound}; before any trial: {len(refusals)}")
    for what, where in wrong.items():
        print(f"{what}: {len(where)}")
        for place, count in Counter(where).items():
            print(f"    {place}" + (f" ({count} times)" if count > 1 else ""))
    return sum(map(len, wrong.values()))


def name(row: Struck) -> str:
    """A case in words."""
    return f"{row.case.fault.name}, {row.case.moment.name}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
