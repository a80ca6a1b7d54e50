"""(c) Nulls of the second question: the best rival is optimal, so that nothing can beat it but by chance."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.honest_questions.ballast import Answer, verified_alone
from benchmarks.honest_questions.hosts import HORIZONS, level_study, return_study, volatility_study
from benchmarks.honest_questions.part import Done, Goal, Part, Task, by_kind
from benchmarks.honest_questions.simulate import ar, before, days, har, hours, normal, prices
from benchmarks.leaks.leak import Random
from benchmarks.leaks.studies import Study
from benchmarks.null_and_signal.tables import share_interval

MOST_CLAIMED = 0.05
DRAWS = 10
"""Data sets of each kind at each horizon: 4 · 5 · 10 = 200 in all."""


def daily_har(random: Random, horizon: int) -> Study:
    """A log volatility that is a daily HAR: `har` is optimal."""
    frame = pd.DataFrame({"Date": days(), "logvol": har(random)})
    return volatility_study("HAR", frame, horizon)


def autoregression(random: Random, horizon: int) -> Study:
    """An AR(1), between 0.5 and 0.95: `ar` is optimal."""
    level = ar(random, float(random.uniform(0.5, 0.95)))
    return level_study("AR", pd.DataFrame({"Date": days(), "level": level}), horizon)


def season(random: Random, horizon: int) -> Study:
    """A log volatility of hours that is the time of day and noise: its mean of each hour is optimal."""
    dates = hours()
    level = 0.5 * np.sin(2 * np.pi * np.asarray(dates.hour) / 24) + 0.3 * normal(random)
    return volatility_study("season", pd.DataFrame({"Date": dates, "logvol": level}), horizon)


def linear(random: Random, horizon: int) -> Study:
    """Returns that are linear in a column of the day before, R² 0.03: `linear` is optimal."""
    told = normal(random)
    frame = prices(np.sqrt(0.03) * before(told) + np.sqrt(0.97) * normal(random)).assign(told=told)
    return return_study("linear", frame, horizon, "told")


NULLS: dict[str, Callable[[Random, int], Study]] = {
    "HAR": daily_har,
    "AR": autoregression,
    "season": season,
    "linear": linear,
}


def tasks(quick: bool) -> list[Task]:
    """Each kind at each horizon, several times."""
    horizons, draws = ((21,), 1) if quick else (HORIZONS, DRAWS)
    return [Task("c", kind, horizon, draw) for draw in range(draws) for kind in NULLS for horizon in horizons]


def run(task: Task, seed: int) -> Mapping[str, Any]:
    """Verify one configuration; nothing was chosen."""
    study = NULLS[task.kind](task.random(seed), task.horizon)
    return verified_alone(study, seed=task.training_seed(seed)).to_json()


def tables(done: Sequence[Done]) -> str:
    """Claims by kind and horizon."""
    horizons = sorted({each.task.horizon for each in done})
    lines = [
        "Claims over the strongest rival, of how many data sets (in brackets: over every naive forecast)",
        "",
        f"{'':10}" + "".join(f"h = {horizon:<12}" for horizon in horizons) + "strongest rival",
    ]
    for kind, of_kind in by_kind(done):
        cells = [_counts([d for d in of_kind if d.task.horizon == horizon]) for horizon in horizons]
        lines.append(f"{kind:10}" + "".join(f"{cell:16}" for cell in cells) + _strongest(of_kind))
    return "\n".join(lines)


def _counts(done: Sequence[Done]) -> str:
    found = [Answer.from_json(each.found).verified for each in done]
    over_strongest = sum(v is not None and v.beats_strongest for v in found)
    over_naive = sum(v is not None and v.holds for v in found)
    return f"{over_strongest} of {len(found)} ({over_naive})"


def _strongest(done: Sequence[Done]) -> str:
    """How often each rival was the strongest."""
    found = [Answer.from_json(each.found).verified for each in done]
    names = [v.strongest["name"] if v is not None and v.strongest else "none" for v in found]
    return ", ".join(f"{name} {count}" for name, count in pd.Series(names).value_counts().items())


def goals(done: Sequence[Done]) -> list[Goal]:
    """At most 5 % claim to beat the strongest rival, and every study that was verified has one."""
    found = [Answer.from_json(each.found).verified for each in done]
    verified = [v for v in found if v is not None]
    claims, asked = sum(v.beats_strongest for v in verified), sum(v.strongest is not None for v in verified)
    low, high = share_interval(claims, max(asked, 1))
    return [
        Goal(
            f"nulls that beat the strongest rival: {claims} of {asked} ({low:.1%} … {high:.1%}), goal 5%",
            claims <= MOST_CLAIMED * asked,
        ),
        Goal(
            f"nulls with a second answer: {asked} of {len(done)}, goal 95 % of them",
            asked >= (1 - MOST_CLAIMED) * len(done),
        ),
    ]


PART = Part("c", "Nulls of the second question", tasks, run, tables, goals)
