"""What is gained by `when`: a space with conditions beside the same space flattened, for each sampler.

Run it with `python -m benchmarks.conditional_spaces` (about ten minutes on one core; `--quick`: a minute).

The loss is synthetic. It has two branches of its own settings and a depth that switches settings on; what is
idle has no effect. Flattened, every setting is searched in every trial, as in a study file without `when`.
Trials that repeat a configuration cost a study nothing, but they are no new information: they are counted.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from unittest.mock import patch

import optuna
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, TPESampler

from search.config.conditions import Condition, active_params
from search.config.schema import SamplerName, StudySection
from search.config.space import Choices, Dimension, FloatRange, IntRange
from search.sampling import ask
from search.sampling.configuration_ordinals import start_ordinals
from search.sampling.samplers import RecordingRandomSampler, make_sampler
from search.sampling.tell import silence_optuna_warnings
from search.seeds import sampler_seed

TRIALS: Mapping[SamplerName, int] = {
    "random": 100,
    "qmc": 100,
    "tpe": 100,
    "cmaes": 100,
    "gp": 50,
    "grid": 100,
}
"""GP takes a hundred times as long over a suggestion and is meant for small budgets."""
SEEDS, QUICK_SEEDS = 20, 3
STARTUP = 10
ROOM = 0.02
"""How much worse the median with conditions may be than any other way; random and qmc do not learn."""
CONDITIONS = "with conditions"

SPACE: dict[str, Dimension] = {
    "rate": FloatRange(1e-4, 1e-1, log=True),
    "depth": IntRange(1, 3),
    "dropout": FloatRange(0.0, 0.5, when=(Condition("depth", (2, 3)),)),
    "bridge": FloatRange(0.0, 1.0, when=(Condition("depth", (3,)),)),
    "kind": Choices(("plain", "gated")),
    "gain": FloatRange(0.0, 1.0, when=(Condition("kind", ("plain",)),)),
    "gate": FloatRange(0.0, 1.0, when=(Condition("kind", ("gated",)),)),
    "width": IntRange(1, 64, log=True, when=(Condition("kind", ("gated",)),)),
    "slope": FloatRange(-1.0, 1.0, when=(Condition("width", low=8),)),
}
STEPS: Mapping[str, Dimension] = {
    "rate": Choices((1e-3, 1e-2)),
    "dropout": Choices((0.1, 0.3)),
    "bridge": Choices((0.2, 0.7)),
    "gain": Choices((0.3, 0.6)),
    "gate": Choices((0.25, 0.75)),
    "width": Choices((4, 16)),
    "slope": Choices((-0.5, 0.3)),
}
"""The grid has these values of each range: 112 configurations, flattened 768."""


def loss(params: Mapping[str, Any]) -> float:
    """The loss of a configuration; 0 is the lowest. It reads the settings that are active alone."""
    value = 0.2 * (math.log10(params["rate"]) + 2.5) ** 2
    depth = params["depth"]
    value += {1: 0.5, 2: 0.25, 3: 0.0}[depth]
    if depth > 1:
        value += 2 * (params["dropout"] - {2: 0.1, 3: 0.3}[depth]) ** 2
    if depth == 3:
        value += (params["bridge"] - 0.7) ** 2
    if params["kind"] == "plain":
        return float(value + 0.3 + (params["gain"] - 0.6) ** 2)
    value += (params["gate"] - 0.25) ** 2 + 0.1 * (math.log2(params["width"]) - 4) ** 2
    return float(value + ((params["slope"] - 0.3) ** 2 if params["width"] >= 8 else 0.4))


def flattened(space: Mapping[str, Dimension]) -> dict[str, Dimension]:
    """The same dimensions without conditions."""
    return {key: replace(dimension, when=()) for key, dimension in space.items()}


def on_grid(space: Mapping[str, Dimension]) -> dict[str, Dimension]:
    """The same space with a few values of each range."""
    return {key: replace(STEPS.get(key, dimension), when=dimension.when) for key, dimension in space.items()}


Make = Callable[[StudySection, Mapping[str, Dimension], int], BaseSampler]


def as_optuna(section: StudySection, space: Mapping[str, Dimension], ordinal: int) -> BaseSampler:
    """GP, CMA-ES and TPE as Optuna makes them: the settings of every trial together, each other one alone."""
    seed = sampler_seed(section.seed, ordinal)
    at_random = RecordingRandomSampler(seed)
    options: Any = {"seed": seed, "n_startup_trials": section.startup_trials}
    with silence_optuna_warnings():
        if section.sampler == "tpe":
            return TPESampler(**options)
        kind = GPSampler if section.sampler == "gp" else CmaEsSampler
        return cast(
            BaseSampler,
            kind(independent_sampler=at_random, warn_independent_sampling=False, **options),
        )


@dataclass(frozen=True)
class Outcome:
    """Of one study: the lowest loss, and how many different configurations it tried."""

    best: float
    different: int


def search(
    sampler: SamplerName, space: Mapping[str, Dimension], trials: int, seed: int, make: Make
) -> Outcome:
    """Ask and tell one study."""
    study = optuna.create_study()
    start_ordinals(study)
    section = StudySection(name="synthetic", sampler=sampler, seed=seed, startup_trials=STARTUP)
    losses: dict[frozenset[tuple[str, Any]], float] = {}
    with patch.object(ask, "make_sampler", make):
        for _ in range(trials):
            trial = ask.ask(study, section, space, "me").trial
            active = active_params(SPACE, trial.params)
            value = losses[frozenset(active.items())] = loss(active)
            with silence_optuna_warnings():
                study.tell(trial, value)
    return Outcome(min(losses.values()), len(losses))


def compare(sampler: SamplerName, seeds: int) -> list[str]:
    """Print a row for each way, and return what is missed."""
    medians: dict[str, float] = {}
    for way, space, make in plans(sampler):
        found = [search(sampler, space, TRIALS[sampler], seed, make) for seed in range(seeds)]
        bests = sorted(outcome.best for outcome in found)
        medians[way] = statistics.median(bests)
        low, _, high = statistics.quantiles(bests, n=4)
        different = statistics.median(outcome.different for outcome in found)
        print(
            f"{sampler:8}{way:28}{seeds:>4}×{TRIALS[sampler]:<5}{medians[way]:>10.4f}"
            f"{low:>10.4f} … {high:.4f}{different:>12.0f}",
            flush=True,
        )
    own = medians[CONDITIONS]
    return [
        f"{sampler}: {own:.4f} with conditions, {other:.4f} {way}"
        for way, other in medians.items()
        if sampler not in ("random", "qmc") and own > other + ROOM
    ]


def plans(sampler: SamplerName) -> list[tuple[str, Mapping[str, Dimension], Make]]:
    """What is compared for a sampler."""
    space = on_grid(SPACE) if sampler == "grid" else SPACE
    found: list[tuple[str, Mapping[str, Dimension], Make]] = [
        ("flattened", flattened(space), make_sampler),
        (CONDITIONS, space, make_sampler),
    ]
    if sampler in ("tpe", "gp", "cmaes"):
        found.append(("with conditions, as Optuna", space, as_optuna))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SEEDS} seeds instead of {SEEDS}")
    parser.add_argument("--samplers", nargs="+", choices=[*TRIALS], default=[*TRIALS])
    options = parser.parse_args(arguments)
    seeds = QUICK_SEEDS if options.quick else SEEDS
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(f"{'sampler':8}{'space':28}{'studies':>10}{'median':>10}{'middle half':>19}{'different':>12}")
    missed = [problem for sampler in options.samplers for problem in compare(sampler, seeds)]
    print(
        f"goal: the median with conditions at most {ROOM} above every other of a sampler that learns, or "
        f"enumerates: {'missed' if missed else 'reached'}",
        *(f"  {problem}" for problem in missed),
        sep="\n",
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
