"""Plants leaks into real series and counts what finds them; then what clean studies are accused of.

    python -m benchmarks.leak_matrix [--quick] [--seed S]

Prints both tables and the goals of docs/leaks.md; ends with 1 where a goal is missed. `--quick` plants into
the S&P 500 alone, and trains only where `check` blocks nothing.
"""

import argparse
import sys
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from benchmarks.honest_questions.ballast import skill_on_test
from benchmarks.leaks.catalogue import EVERYWHERE, SP500_ONLY
from benchmarks.leaks.controls import KINDS, REAL, SIMULATED, real_controls
from benchmarks.leaks.leak import Leak
from benchmarks.leaks.studies import Study, real_study
from benchmarks.leaks.table import LEGEND, Case, goals, header, row, summary
from benchmarks.leaks.trials import Trials, check, run_trials

TRIALS = 2


def plant(leak: Leak, study: Study, seed: int) -> Study:
    """The study with the leak in it; the same seed gives the same table."""
    return leak.plant(study, np.random.default_rng([seed, zlib.crc32(leak.name.encode())]))


def run_case(leak: Leak, study: Study, clean: Trials, clean_test: float, seed: int, *, quick: bool) -> Case:
    """Plant, check and train; `clean_test` is the skill of the clean study on its test rows.

    Raises RuntimeError where the table cannot be prepared: nothing was shown.
    """
    planted = plant(leak, study, seed)
    checked = check(planted)
    if checked.data is None:
        raise RuntimeError(f"{leak.name} in {study.name}: {checked.blocking[0].message}")
    if quick and checked.blocking:
        return Case(leak, study.name, checked, None, clean)
    trials = run_trials(planted, checked, number=1 if quick else TRIALS, seed=seed)
    return Case(
        leak, study.name, checked, trials, clean, test_lift=skill_on_test(planted, seed=seed) - clean_test
    )


def run_leaks(seed: int, *, quick: bool) -> list[Case]:
    """All cases, a line printed for each leak."""
    studies = [real_study(series, kind) for series in REAL[: 1 if quick else None] for kind in KINDS]
    clean = {study.name: _clean_trials(study, seed, quick=quick) for study in studies}
    clean_test = {study.name: skill_on_test(study, seed=seed) for study in studies}
    print(header([study.name for study in studies]))
    cases = []
    for leak in EVERYWHERE if quick else (*EVERYWHERE, *SP500_ONLY):
        hosts = studies if leak in EVERYWHERE else studies[: len(KINDS)]
        of_leak = [
            run_case(leak, study, clean[study.name], clean_test[study.name], seed, quick=quick)
            for study in hosts
        ]
        print(row(leak, of_leak), flush=True)
        cases += of_leak
    return cases


def _clean_trials(study: Study, seed: int, *, quick: bool) -> Trials:
    return run_trials(study, check(study), number=1 if quick else TRIALS, seed=seed)  # they ship clean


def clean_studies(seed: int, *, quick: bool) -> Iterator[tuple[Study, bool]]:
    """Clean studies, and whether each is to be trained as well."""
    draws = range(1 if quick else 3)
    for draw in draws:
        for number, simulate in enumerate(SIMULATED):
            yield simulate(np.random.default_rng([seed, draw, number])), draw == 0
    for number, study in enumerate(real_controls()):
        if not quick or number % 6 == 0:
            yield study, False


def run_controls(seed: int, *, quick: bool) -> tuple[int, int, int]:
    """How many clean studies were blocked, how many there are, and how many had a suspicious trial."""
    blocked = total = accused = 0
    for study, trained in clean_studies(seed, quick=quick):
        checked = check(study)
        total += 1
        blocked += bool(checked.blocking)
        for finding in (*checked.blocking, *checked.warnings):
            said = f"{finding.severity}: {finding.code} {finding.where} {finding.value or 0:.3g}"
            print(f"  {study.name:28} {said}")
        if trained and checked.data is not None:
            trials = run_trials(study, checked, number=1, seed=seed)
            accused += trials.suspicious
            print(f"  {study.name:28} trained: {', '.join(trials.verdicts)}, skill {trials.reached:+.3f}")
    return blocked, total, accused


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything and judge it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two minutes: the S&P 500, fewer trials")
    parser.add_argument("--seed", type=int, default=0, help="of planting, simulation and training")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"Planted leaks, seed {asked.seed}{', quick' if asked.quick else ''}\n\n{LEGEND}\n")
    cases = run_leaks(asked.seed, quick=asked.quick)
    print(f"\n{summary(cases)}\n\nClean studies, what was said of them and how some were trained\n")
    blocked, total, accused = run_controls(asked.seed, quick=asked.quick)
    print("\nGoals")
    reached = goals(cases, blocked, total, accused)
    for told, is_reached in reached:
        print(f"  {'reached' if is_reached else 'MISSED '}  {told}")
    return 0 if all(is_reached for _, is_reached in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
