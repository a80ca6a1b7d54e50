"""How often the statistics of `search/trust` are right on series whose truth is known.

Run it with `python -m benchmarks.coverage` (about two minutes on one core; `--repeats N` series per line, 250
if not given). It prints three tables: how often the 95 % interval of skill covers the true skill; how often
the Diebold–Mariano test finds a difference between equally good forecasts (size) and between the model and
the baseline (power), at 5 %; how often the best of useless trials rises above the floor of luck. It exits
with 1 where an interval covers less than 85 %, or more than 12.5 % of the useless studies rise above the
measured floor: that is some four binomial errors of 250 repeats from what is wanted, and fewer repeats may
miss it. `benchmarks.overlap` measures sizes at longer horizons and on fewer rows.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.diebold_mariano import diebold_mariano
from search.selection.statistics.interval import skill_interval
from search.selection.statistics.reality_check import measured_noise_floor
from trainer.rivals.skill import noise_floor

Series = NDArray[np.float64]

ROWS = (80, 200, 500, 1000)
DRAWS = 499
WARM_UP = 300
"""Rows until a process has forgotten how it began."""

LEAST_COVERAGE = 0.85
MOST_ABOVE_FLOOR = 0.125


@dataclass(frozen=True)
class Sample:
    """Errors (repeats, n) of a model, of another that is exactly as good, and of the baseline."""

    model: Series
    equal: Series
    baseline: Series


@dataclass(frozen=True)
class Process:
    """A kind of series: its draw from (repeats, n, generator), its true skill, the horizon of its target."""

    name: str
    draw: Callable[[int, int, np.random.Generator], Sample]
    skill: float
    horizon: int = 1


def persistent(repeats: int, n: int, memory: float, rng: np.random.Generator) -> Series:
    """Gaussian AR(1) series (repeats, n) of variance 1."""
    state = rng.standard_normal(repeats)
    rows = np.empty((repeats, n))
    for t in range(n):
        state = memory * state + np.sqrt(1 - memory**2) * rng.standard_normal(repeats)
        rows[:, t] = state
    return rows


def fat(shape: tuple[int, int], rng: np.random.Generator) -> Series:
    """Student's t with 4 degrees of freedom, scaled to variance 1."""
    return np.asarray(rng.standard_t(4, shape)) / math.sqrt(2)


def garch(repeats: int, n: int, rng: np.random.Generator) -> Series:
    """GARCH(1, 1) series (repeats, n), α = 0.1, β = 0.85, of t(6) shocks and variance 1."""
    shocks = np.asarray(rng.standard_t(6, (repeats, n + WARM_UP))) * math.sqrt(4 / 6)
    rows, variance = np.empty_like(shocks), np.ones(repeats)
    for t in range(n + WARM_UP):
        rows[:, t] = np.sqrt(variance) * shocks[:, t]
        variance = 0.05 + 0.1 * rows[:, t] ** 2 + 0.85 * variance
    return rows[:, WARM_UP:]


def returns_of(noise: Series, signal: Series, slips: Sequence[Series]) -> Sample:
    """Target = signal + noise; forecasts know the signal but for a slip each, the baseline says 0."""
    return Sample(noise - slips[0], noise - slips[1], noise + signal)


def fat_returns(repeats: int, n: int, rng: np.random.Generator) -> Sample:
    """Independent heavy-tailed returns."""
    signal, *slips = rng.standard_normal((3, repeats, n))
    return returns_of(fat((repeats, n), rng), 0.15 * signal, [0.05 * slip for slip in slips])


def clustered_returns(repeats: int, n: int, rng: np.random.Generator) -> Sample:
    """Returns in clusters of volatility, with a signal and slips that persist."""
    signal, *slips = (persistent(repeats, n, 0.9, rng) for _ in range(3))
    return returns_of(garch(repeats, n, rng), 0.15 * signal, [0.05 * slip for slip in slips])


def persistent_errors(repeats: int, n: int, rng: np.random.Generator) -> Sample:
    """As of volatility: what forecasts miss stays missed for a while; the model's 0.2, the baseline's 0.3."""
    misses = [persistent(repeats, n, 0.9, rng) for _ in range(3)]
    noise = fat((repeats, n), rng)
    return Sample(noise - 0.2 * misses[0], noise - 0.2 * misses[1], noise - 0.3 * misses[2])


def overlapping_returns(horizon: int, repeats: int, n: int, rng: np.random.Generator) -> Sample:
    """Returns over `horizon` rows, in each row anew."""
    shocks = fat((repeats, n + horizon - 1), rng)
    noise = sum(shocks[:, ahead : n + ahead] for ahead in range(horizon)) / np.sqrt(horizon)
    signal, *slips = (persistent(repeats, n, 0.95, rng) for _ in range(3))
    return returns_of(np.asarray(noise), 0.2 * signal, [0.1 * slip for slip in slips])


PROCESSES = (
    Process("returns, t(4)", fat_returns, 1 - 1.0025 / 1.0225),
    Process("returns, GARCH t(6)", clustered_returns, 1 - 1.0025 / 1.0225),
    Process("persistent errors, t(4)", persistent_errors, 1 - 1.04 / 1.09),
    *(
        Process(f"returns over {h} rows, t(4)", partial(overlapping_returns, h), 1 - 1.01 / 1.04, horizon=h)
        for h in (5, 10, 20)
    ),
)


def main(arguments: Sequence[str]) -> int:
    """Print the tables; 1 where an interval covers too little or the floor is too low."""
    parser = argparse.ArgumentParser(prog="benchmarks.coverage", description=__doc__)
    parser.add_argument("--repeats", type=int, default=250, help="series per line")
    repeats = parser.parse_args(arguments).repeats
    covered = show_coverage(repeats)
    show_comparison(4 * repeats)
    above = show_floor(repeats)
    return 1 if covered < LEAST_COVERAGE or above > MOST_ABOVE_FLOOR else 0


def show_coverage(repeats: int) -> float:
    """Print how often the 95 % interval covers; the least share over all lines."""
    print(f"95 % interval of skill, {repeats} series a line, {DRAWS} draws")
    print("| series | rows | true skill | covers | too high | too low | median width |")
    print("|---|---|---|---|---|---|---|")
    least = 1.0
    for process in PROCESSES:
        for n in ROWS:
            low, high = bounds(process, n, repeats)
            above, below = float(np.mean(low > process.skill)), float(np.mean(high < process.skill))
            least = min(least, 1 - above - below)
            print(
                f"| {process.name} | {n} | {process.skill:.3f} | {1 - above - below:.1%} | {above:.1%} "
                f"| {below:.1%} | {np.median(high - low):.3f} |",
                flush=True,
            )
    return least


def bounds(process: Process, n: int, repeats: int) -> tuple[Series, Series]:
    """Lower and upper bounds, both (repeats,), of the intervals of as many samples of n rows."""
    sample = process.draw(repeats, n, np.random.default_rng([n, process.horizon]))
    intervals = [
        skill_interval(model**2, baseline**2, horizon=process.horizon, draws=DRAWS, seed=seed)
        for seed, (model, baseline) in enumerate(zip(sample.model, sample.baseline, strict=True))
    ]
    return np.array([each.low for each in intervals]), np.array([each.high for each in intervals])


def show_comparison(repeats: int) -> None:
    """Print size and power of the Diebold–Mariano test."""
    print(f"\nDiebold–Mariano at 5 %, {repeats} series a line")
    print("| series | rows | size, two-sided | size, model better | power, model better |")
    print("|---|---|---|---|---|")
    for process in PROCESSES:
        for n in ROWS:
            sample = process.draw(repeats, n, np.random.default_rng([n, process.horizon, 1]))
            rows = list(zip(sample.model**2, sample.equal**2, sample.baseline**2, strict=True))
            null = [diebold_mariano(model, equal, horizon=process.horizon) for model, equal, _ in rows]
            real = [diebold_mariano(model, baseline, horizon=process.horizon) for model, _, baseline in rows]
            print(
                f"| {process.name} | {n} | {np.mean([test.p_two_sided < 0.05 for test in null]):.1%} "
                f"| {np.mean([test.p_better < 0.05 for test in null]):.1%} "
                f"| {np.mean([test.p_better < 0.05 for test in real]):.1%} |",
                flush=True,
            )


def show_floor(studies: int) -> float:
    """Print how often luck alone is above the floors; the highest share above the measured one."""
    print(f"\nBest of useless trials on 500 rows of t(4) returns, {studies} studies a line")
    print(
        "| trials | size of a forecast | median floor, measured | formula | above measured | above formula |"
    )
    print("|---|---|---|---|---|---|")
    most = 0.0
    for trials in (10, 100):
        for size in (0.02, 0.05, 0.2):
            best, floors = useless_studies(trials, size, studies)
            formula = noise_floor(trials, 500, 1)
            above = float(np.mean(best > floors))
            most = max(most, above)
            print(
                f"| {trials} | {size} | {np.median(floors):.4f} | {formula:.4f} | {above:.1%} "
                f"| {np.mean(best > formula):.1%} |",
                flush=True,
            )
    return most


def useless_studies(trials: int, size: float, studies: int) -> tuple[Series, Series]:
    """Best skill and measured floor, both (studies,), of `trials` forecasts of standard deviation `size`."""
    rng = np.random.default_rng([trials, round(1000 * size)])
    best, floors = np.empty(studies), np.empty(studies)
    for study in range(studies):
        target = fat((500, 1), rng)
        losses, baseline = (target - size * rng.standard_normal((500, trials))) ** 2, target[:, 0] ** 2
        best[study] = 1 - losses.mean(axis=0).min() / baseline.mean()
        floors[study] = measured_noise_floor(losses, baseline, seed=study, draws=DRAWS)
    return best, floors


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
