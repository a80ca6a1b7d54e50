"""Is the sampler led astray? Trials spent where training diverges or data leaks, by what Optuna is told.

Run it with `python -m benchmarks.sampler_safety` (about eight minutes on one core; `--quick`: half a minute).
It exits with 1 where a goal is missed. `--rules` compares what GP and CMA-ES could be told instead.

A synthetic trial stands for the GRU, so that one costs milliseconds. What decides is Ballast's own:
verdicts are told by `search.study.backend.conclude_trial`, samplers and pruners are those of a study file,
an offending value is not reported. The space is [0, 1]³ with an unstable region (30 %), where the loss
turns to NaN after an epoch or a few, and a leaking one (15 %), where it turns too good. Two landscapes:
behind a `wall` in one setting, and beyond an `edge` that two settings make together and that the honest
optimum lies close to, as good learning rates do. Without the trap, the same ground is honest.
"""

import argparse
import math
import statistics
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import cast

import numpy as np
import optuna
from optuna.trial import TrialState

from search.config.schema import PrunerName, SamplerName, StudySection
from search.config.space import Dimension, FloatRange
from search.sampling.pruners import make_pruner
from search.sampling.samplers import make_sampler
from search.sampling.tell import TellMessage, silence_optuna_warnings, tell
from search.seeds import trial_seed
from search.store_files import StudyFiles
from search.study.backend import StudyBackend, StudyRules, conclude_trial
from search.verdict import Judgement
from storage.engine import Store
from storage.verdicts import Verdict
from trainer.rivals.skill import VOLATILITY_CEILING, skill

MODEL_BASED: tuple[SamplerName, ...] = ("tpe", "cmaes", "gp")
TRIALS: Mapping[SamplerName, int] = {"random": 200, "tpe": 200, "cmaes": 200, "gp": 60}
"""GP takes a hundred times as long over a suggestion and is meant for small budgets."""
SEEDS, QUICK_SEEDS = range(10), range(2)
GOAL = 0.25
"""Ballast's share of trials in a region, over that of random search."""

SPACE: Mapping[str, Dimension] = {name: FloatRange(0.0, 1.0) for name in ("rate", "width", "window")}
EPOCHS = 10
NOISE = 0.01
"""Standard deviation of a final loss between seeds, about that of GRUs on the S&P 500's volatility."""
START, TRAIN_MEAN, BASELINE, LOWEST, LEAKED = 1.1, 1.0, 0.85, 0.75, 0.05
"""Losses: of the first epoch, the training mean, the best naive forecast, the honest optimum, a leak."""
CURVATURE = (1.6, 0.6, 0.3)

Point = tuple[float, ...]


class Region(StrEnum):
    """Where a trial is, besides honest ground."""

    UNSTABLE = "unstable"
    LEAKING = "leaking"


class Way(StrEnum):
    """What is done about a trial that is found out.

    BALLAST         the guard speaks before the report, `conclude_trial` tells
    FAIL_ON_NAN     NaN ends as FAIL; nobody looks for leaks, so that their losses are reported, and win
    REPORT          what was found is reported, then the trial is pruned
    """

    BALLAST = "Ballast"
    FAIL_ON_NAN = "FAIL on NaN"
    REPORT = "report, prune"


@dataclass(frozen=True)
class Landscape:
    """Honest losses around an optimum, and the trap in it."""

    name: str
    optimum: Point
    unstable: Callable[[Point], bool]

    def region(self, point: Point) -> Region | None:
        """Where a point lies; None on honest ground."""
        if self.unstable(point):
            return Region.UNSTABLE
        return Region.LEAKING if point[2] > 0.85 else None

    def regret(self, point: Point) -> float:
        """What the honest loss of a point is above the lowest."""
        return sum(c * (x - best) ** 2 for c, x, best in zip(CURVATURE, point, self.optimum, strict=True))


WALL = Landscape("wall", (0.5, 0.45, 0.5), lambda point: point[0] > 0.7)
EDGE = Landscape("edge", (0.6, 0.45, 0.5), lambda point: point[0] + 0.5 * point[1] > 0.95)


@dataclass(frozen=True)
class Rule:
    """What a sampler that learns from COMPLETE alone could be told instead of what `conclude_trial` tells.

    `penalty` is the factor on the worst honest loss; `unpromising_hidden` tells a trial that the pruner
    stopped as PRUNED, which such a sampler never hears of.
    """

    penalty: float
    unpromising_hidden: bool = False


@dataclass(frozen=True)
class Plan:
    """One kind of study; `rule` None is what Ballast does."""

    sampler: SamplerName
    way: Way = Way.BALLAST
    landscape: Landscape = WALL
    trapped: bool = True
    pruner: PrunerName = "median"
    rule: Rule | None = None


@dataclass(frozen=True)
class Trial:
    """A trial that ended; `value` is its best reported loss."""

    point: Point
    region: Region | None
    verdict: Verdict
    value: float


@dataclass(frozen=True)
class Summary:
    """Over all seeds: shares of trials, regret of each study's best accepted trial, studies a leak won."""

    shares: Mapping[Region, float]
    unpromising: float
    regrets: tuple[float, ...]
    led_astray: int

    @property
    def regret(self) -> float:
        """The mean over the studies."""
        return statistics.fmean(self.regrets)


def losses(landscape: Landscape, point: Point, region: Region | None, seed: int) -> Iterator[float]:
    """Validation loss of each epoch; in a region it turns in one of the epochs 1 to 4."""
    rng = np.random.default_rng(seed)
    end = LOWEST + landscape.regret(point) + NOISE * rng.standard_normal()
    turn = int(rng.integers(1, 5))
    for epoch in range(EPOCHS):
        if region is not None and epoch >= turn:
            yield math.nan if region is Region.UNSTABLE else LEAKED
        else:
            yield end + (START - LOWEST) * math.exp(-epoch / 2) + 0.2 * NOISE * rng.standard_normal()


def look(loss: float) -> Verdict | None:
    """What a guard says of a loss, by its finiteness and by the ceiling of skill; None: nothing."""
    if not math.isfinite(loss):
        return Verdict.UNSTABLE
    return Verdict.SUSPICIOUS if skill(loss, BASELINE) > VOLATILITY_CEILING else None


def train(trial: optuna.Trial, curve: Iterator[float], way: Way) -> tuple[Verdict, float]:
    """Report epoch by epoch, as `search.workers.objective` does; returns the verdict and the best reported
    loss."""
    best = math.inf
    for epoch, loss in enumerate(curve):
        found = look(loss)
        if way is Way.FAIL_ON_NAN and found is Verdict.SUSPICIOUS:
            found = None
        if found is not None:
            if way is Way.REPORT:
                trial.report(loss, epoch)
            return found, best
        best = min(best, loss)
        trial.report(loss, epoch)
        if trial.should_prune():
            return Verdict.UNPROMISING, best
    return Verdict.ACCEPTED, best


def end(study: StudyBackend, trial: optuna.Trial, verdict: Verdict, value: float, plan: Plan) -> None:
    """Tell Optuna in the way of the plan."""
    found_out = verdict in (Verdict.UNSTABLE, Verdict.SUSPICIOUS)
    if found_out and plan.way is not Way.BALLAST:
        study.optuna.tell(trial, state=TrialState.PRUNED if plan.way is Way.REPORT else TrialState.FAIL)
    elif found_out and plan.rule is not None:
        tell(study.optuna, trial, TellMessage(TrialState.COMPLETE, plan.rule.penalty * worst(study), 1.0))
    elif verdict is Verdict.UNPROMISING and plan.rule is not None and plan.rule.unpromising_hidden:
        tell(study.optuna, trial, TellMessage(TrialState.PRUNED, None, -1.0))
    else:
        conclude_trial(study, trial, Judgement(verdict, (), str(verdict)), None if found_out else value)


def worst(study: StudyBackend) -> float:
    """The largest honest loss told, and at least that of the training mean."""
    told = study.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    honest = [t.value for t in told if t.value is not None and not any(c > 0 for c in t.constraints.values())]
    return max([TRAIN_MEAN, *honest])


def open_study(plan: Plan, seed: int) -> StudyBackend:
    """A study in memory with what `conclude_trial` asks of one: there is no file, no table and no record."""
    section = StudySection(name="safety", sampler=plan.sampler, pruner=plan.pruner, seed=seed)
    study = optuna.create_study(pruner=make_pruner(section, EPOCHS))
    rules = StudyRules(plan.sampler, section.retries, seed, TRAIN_MEAN)
    return StudyBackend(cast(Store, None), study, rules, StudyFiles(Path()))


def run_study(plan: Plan, seed: int, trials: int) -> list[Trial]:
    """One study, trial by trial."""
    study, done = open_study(plan, seed), []
    section = StudySection(name="safety", sampler=plan.sampler, seed=seed)
    for number in range(trials):
        with silence_optuna_warnings():
            study.optuna.sampler = make_sampler(section, SPACE, number)
            trial = study.optuna.ask()
            point = tuple(trial.suggest_float(name, 0.0, 1.0) for name in SPACE)
        region = plan.landscape.region(point)
        curve = losses(plan.landscape, point, region if plan.trapped else None, trial_seed(seed, number))
        verdict, value = train(trial, curve, plan.way)
        end(study, trial, verdict, value, plan)
        done.append(Trial(point, region, verdict, value))
    return done


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The accepted trial of lowest value: what a study hands out."""
    accepted = [trial for trial in trials if trial.verdict is Verdict.ACCEPTED]
    return min(accepted, key=lambda trial: trial.value, default=None)


def summarise(plan: Plan, seeds: Sequence[int], trials: int) -> Summary:
    """Run the studies of all seeds."""
    studies = [run_study(plan, seed, trials) for seed in seeds]
    everything = [trial for study in studies for trial in study]
    winners = [best for study in studies if (best := best_of(study)) is not None]
    return Summary(
        shares={region: sum(t.region is region for t in everything) / len(everything) for region in Region},
        unpromising=sum(t.verdict is Verdict.UNPROMISING for t in everything) / len(everything),
        regrets=tuple(plan.landscape.regret(best.point) for best in winners),
        led_astray=sum(plan.trapped and best.region is not None for best in winners),
    )


HEADER = (
    f"{'landscape':<9} {'sampler':<7} {'told':<24} {'trials':>9} {'unstable':>8} {'leaking':>8} "
    f"{'pruned':>6} {'regret':>7} {'worst':>7} {'won by a leak':>13} "
)


def row(plan: Plan, told: str, summary: Summary, seeds: Sequence[int], trials: int) -> str:
    """One line of a table."""
    shares = " ".join(f"{summary.shares[region]:>8.1%}" for region in Region)
    return (
        f"{plan.landscape.name:<9} {plan.sampler:<7} {told:<24} {f'{len(seeds)}×{trials}':>9} {shares} "
        f"{summary.unpromising:>6.0%} {summary.regret:>7.4f} {max(summary.regrets):>7.4f} "
        f"{f'{summary.led_astray} of {len(seeds)}':>13}"
    )


def measure(plan: Plan, told: str, seeds: Sequence[int], trials: int) -> Summary:
    """Run a plan and print its row."""
    summary = summarise(plan, seeds, trials)
    print(row(plan, told, summary, seeds, trials), flush=True)
    return summary


def compare(sampler: SamplerName, random: Summary, seeds: Sequence[int], trials: int) -> list[str]:
    """Print the rows of a sampler behind the wall; returns the goals that it misses, in words."""
    others = [Plan(sampler, way) for way in (Way.FAIL_ON_NAN, Way.REPORT)]
    ballast = measure(Plan(sampler), str(Way.BALLAST), seeds, trials)
    for plan in others:
        measure(plan, str(plan.way), seeds, trials)
    free = measure(Plan(sampler, trapped=False), "nothing, there is no trap", seeds, trials)
    return missed(sampler, ballast, random, free)


def missed(sampler: SamplerName, ballast: Summary, random: Summary, free: Summary) -> list[str]:
    """The goals that a sampler misses: a region's share against random's, the regret against no trap's.

    A sampler that stands still visits no trap either: its regret must not be above that of random search.
    """
    found = [
        f"{sampler}: {ballast.shares[region] / random.shares[region]:.2f} of random's share is {region}"
        for region in Region
        if ballast.shares[region] > GOAL * random.shares[region]
    ]
    if ballast.regret > free.regret + NOISE:
        found.append(
            f"{sampler}: the optimum is {ballast.regret:.4f} off, without the trap {free.regret:.4f}"
        )
    if ballast.regret > random.regret + NOISE:
        found.append(
            f"{sampler}: the optimum is {ballast.regret:.4f} off, by random search {random.regret:.4f}"
        )
    return found


RULES: tuple[tuple[str, PrunerName, Rule | None], ...] = (
    ("as Ballast does", "median", None),
    ("penalty 1.01×, no pruner", "none", Rule(1.01)),
    ("penalty 2×, no pruner", "none", Rule(2.0)),
    ("penalty 5×, no pruner", "none", Rule(5.0)),
    ("1.01×, pruned as PRUNED", "median", Rule(1.01, unpromising_hidden=True)),
    ("2×, pruned as PRUNED", "median", Rule(2.0, unpromising_hidden=True)),
)


def compare_rules(seeds: Sequence[int]) -> None:
    """Print what GP and CMA-ES make of other penalties, and of hearing or not of pruned trials."""
    for sampler in ("cmaes", "gp"):
        for told, pruner, rule in RULES:
            measure(Plan(sampler, pruner=pruner, rule=rule), told, seeds, TRIALS[sampler])


def compare_ways(samplers: Sequence[SamplerName], seeds: Sequence[int]) -> list[str]:
    """Print both landscapes; returns the goals that are missed behind the wall."""
    budgets = sorted({TRIALS[name] for name in samplers}, reverse=True)
    random = {trials: measure(Plan("random"), "random search", seeds, trials) for trials in budgets}
    found = [goal for name in samplers for goal in compare(name, random[TRIALS[name]], seeds, TRIALS[name])]
    measure(Plan("random", landscape=EDGE), "random search", seeds, TRIALS["random"])
    for sampler in samplers:
        if sampler != "gp":  # it would take as long again
            measure(Plan(sampler, landscape=EDGE), str(Way.BALLAST), seeds, TRIALS[sampler])
            free = Plan(sampler, landscape=EDGE, trapped=False)
            measure(free, "nothing, there is no trap", seeds, TRIALS[sampler])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and the verdict; 0 where every goal is reached."""
    parser = argparse.ArgumentParser(
        description="Trials that a sampler spends in a trap, by what it is told."
    )
    parser.add_argument("--quick", action="store_true", help="two seeds, without GP")
    parser.add_argument("--rules", action="store_true", help="other rules for GP and CMA-ES; sets no goal")
    asked = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seeds = QUICK_SEEDS if asked.quick else SEEDS[:3] if asked.rules else SEEDS
    print(f"study seeds {seeds.start} to {seeds.stop - 1}, {EPOCHS} epochs a trial, noise {NOISE} of a loss")
    print(HEADER)
    with warnings.catch_warnings():
        # What the other ways report on purpose; Ballast reports no NaN.
        warnings.filterwarnings("ignore", message=".*nan is not acceptable")
        if asked.rules:
            compare_rules(seeds)
            return 0
        found = compare_ways(MODEL_BASED[:2] if asked.quick else MODEL_BASED, seeds)
    print("unstable, leaking: shares of all trials; regret: honest loss of the winner above the lowest, mean")
    goal = (
        f"goal: behind the wall at most {GOAL:g} of random's share, the optimum as near as random and no trap"
    )
    print(f"{goal}: {'missed' if found else 'reached'}", *found, sep="\n  ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
