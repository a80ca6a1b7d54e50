"""How high the ceiling of believable skill in returns may be: what honest and what leaking studies reach.

    python -m benchmarks.ceiling [--seed S] [--horizons 5 21 63]

Honest kinds: the highest validation skill of any epoch of two GRUs. Leaks: the skill of the audit's ridge
regression, over the best naive forecast. Prints for several ceilings how many of either lie above them.
"""

import argparse
import math
from collections.abc import Callable, Sequence

import torch

from benchmarks.honest_questions.honest import HONEST
from benchmarks.honest_questions.leaking import RETURNS, host
from benchmarks.honest_questions.part import Task
from benchmarks.leaks.leak import Random
from benchmarks.leaks.studies import Study
from trainer.audit.leaks.leak_probe import LeakProbe
from trainer.config import TrialConfig
from trainer.data.windows import prepare_last_fold
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_losses
from trainer.rivals.skill import best_baseline, noise_floor, skill_ceiling
from trainer.training.loop import fit

CAPS = (0.05, 0.1, 0.15, 0.2, 0.3)
HORIZONS = (1, 5, 10, 21, 63)
_TRIALS, _EPOCHS = 20, 15
"""Of the formula without a cap, which is shown beside the others."""
_GRUS = ({"learning_rate": 3e-3, "weight_decay": 1e-3}, {"learning_rate": 1e-2})


def highest_of_grus(study: Study, seed: int) -> float:
    """Highest validation skill of any epoch over the best naive forecast, with nothing stopped."""
    data = prepare_last_fold(study.config(), study.table())
    reached = []
    for gru in _GRUS:
        config = TrialConfig.model_validate(
            {
                "data": study.config(),
                "models": {"gru": {"hidden_size": 16, "batch_size": 64, **gru}},
                "training": {"epochs": 8, "patience": 8},
            }
        )
        baseline = best_baseline(baseline_losses(data, data.validation, MSE))
        done = fit(config, data, baseline=baseline, ceiling=math.inf, seed=seed)
        reached += [epoch.skill for epoch in done.epochs]
    return max(reached)


def of_ridge(study: Study, seed: int) -> float:
    """Skill of the audit's ridge regression on all features; 0 where there are too few rows."""
    probe = LeakProbe.of(prepare_last_fold(study.config(), study.table()))
    return 0.0 if probe is None else probe.skill(range(len(study.features)))


def honest_studies(horizon: int, seed: int) -> dict[str, Study]:
    """Every honest kind that forecasts a return."""
    studies = {name: make(Task("a", name, horizon).random(seed), horizon) for name, make in HONEST.items()}
    return {name: study for name, study in studies.items() if study.target["kind"] == "return"}


def leaking_studies(horizon: int, seed: int) -> dict[str, Study]:
    """Every leak of returns, planted into a real series."""

    def random(name: str) -> Random:
        return Task("b", name, horizon).random(seed)

    return {name: leak.plant(host("return", horizon), random(name)) for name, leak in RETURNS.items()}


def show(told: str, studies: dict[str, Study], reach: Callable[[Study, int], float], seed: int) -> None:
    """A line for one horizon: the two highest, and how many lie above each ceiling."""
    skills = {name: reach(study, seed) for name, study in studies.items()}
    first, second = sorted(skills, key=lambda name: -skills[name])[:2]
    above = "".join(f"{sum(skill > cap for skill in skills.values()):>7}" for cap in CAPS)
    print(f"{told}{len(skills):>5}{above}   {first} {skills[first]:+.3f}, {second} {skills[second]:+.3f}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="of simulation, planting and training")
    parser.add_argument("--horizons", type=int, nargs="+", default=HORIZONS, help="rows ahead")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print("Ceilings of 600 validation rows: as it is, and 3 noise floors of 20 trials of 15 epochs")
    for horizon in asked.horizons:
        now = skill_ceiling("return", rows=600, horizon=horizon, max_skill=None)
        print(f"  h = {horizon:<3}{now:>7.3f}{3 * noise_floor(_TRIALS * _EPOCHS, 600, horizon):>7.3f}")
    print("\nStudies above a ceiling of" + " " * 8 + "all" + "".join(f"{cap:>7}" for cap in CAPS))
    for horizon in asked.horizons:
        show(
            f"  honest,  h = {horizon:<19}", honest_studies(horizon, asked.seed), highest_of_grus, asked.seed
        )
        show(f"  leaking, h = {horizon:<19}", leaking_studies(horizon, asked.seed), of_ridge, asked.seed)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
