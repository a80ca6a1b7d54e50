"""Judges what was measured: whether the losses agree, which goals are met, and the table of it all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, median, variance

from benchmarks.peer_loops.catalogue import EXPERT
from benchmarks.peer_loops.work import Configuration

LIMIT = 4.0
"""Standard errors that two means may differ by. Twelve configurations of ten competitors are 120 comparisons;
at the 33 degrees of freedom of a pooled deviation chance alone passes the limit in one of 2,900.
"""
WILDEST = 3.0
"""Times the expert's scatter; AutoGRU, which draws each batch anew, was seen at twice."""

Values = Mapping[Configuration, Sequence[float]]
"""Validation losses of the best epoch, of one configuration under several seeds."""


@dataclass(frozen=True)
class TrialCost:
    """One trial: its configuration, its loss, and what it took its process in CPU seconds."""

    configuration: Configuration
    value: float
    cpu: float


@dataclass(frozen=True)
class Round:
    """One run of a competitor; times in seconds, `others` in cores."""

    wall: float
    cpu: float
    search_wall: float
    search_cpu: float
    others: float
    trials: tuple[TrialCost, ...]

    def cpu_at(self, units: int) -> float:
        """CPU seconds of this size's median trial; a mean would hold what the first trial alone pays."""
        return median(trial.cpu for trial in self.trials if trial.configuration.units == units)

    def __str__(self) -> str:
        search = f"search {self.search_wall:.1f} s, CPU {self.search_cpu:.1f} s"
        return f"{search}; whole {self.wall:.1f} s, CPU {self.cpu:.1f} s; others {self.others:.2f}"

    @property
    def per_hour(self) -> float:
        """Trials per hour of the search alone."""
        return 3600 * len(self.trials) / self.search_wall


Rounds = Mapping[str, Sequence[Round]]
"""What was measured of each competitor, by name; the nth rounds of all were run in turn."""


@dataclass(frozen=True)
class Goal:
    """What Ballast is to reach: so many times the other's figure, which is CPU time per trial where `units`
    are given, and else trials per hour of the search alone.
    """

    who: str
    than: str
    times: float
    units: int | None = None

    def reached(self, rounds: Rounds) -> float | None:
        """The median over the rounds of what was reached; None where one of the two did not run."""
        if self.who not in rounds or self.than not in rounds:
            return None
        return median(map(self._ratio, rounds[self.who], rounds[self.than]))

    def told(self, rounds: Rounds) -> str:
        """One line with the verdict."""
        what = "trials per hour" if self.units is None else f"CPU time per trial of {self.units} units"
        reached = self.reached(rounds)
        if reached is None:
            verdict = "not judged, one of them did not run"
        else:
            verdict = f"{reached:.2f}, {'met' if reached >= self.times else 'MISSED'}"
        return f"goal: {self.who} {self.times:g} times better than {self.than} in {what}: {verdict}"

    def _ratio(self, mine: Round, theirs: Round) -> float:
        if self.units is None:
            return mine.per_hour / theirs.per_hour
        return theirs.cpu_at(self.units) / mine.cpu_at(self.units)


GOALS = (
    Goal("ballast, 1 worker", EXPERT, 3.0, units=16),
    Goal("ballast, 1 worker", EXPERT, 3.0, units=32),
    Goal("ballast, 1 worker", EXPERT, 2.0, units=64),
    Goal("ballast, 2 workers", "lightning", 6.0),
    Goal("ballast, 2 workers", "dataloader", 6.0),
    Goal("ballast, 2 workers", "autogru", 10.0),
    Goal("ballast, 2 workers", "ballast, 1 worker", 1.75),
)
"""As they were set before anything was measured; they are never changed here."""


def values_of(rounds: Sequence[Round]) -> Values:
    """The losses of each configuration, over the rounds."""
    found: dict[Configuration, list[float]] = {}
    for trial in (trial for each in rounds for trial in each.trials):
        found.setdefault(trial.configuration, []).append(trial.value)
    return found


def noise(values: Values) -> dict[float, float]:
    """Standard deviation over seeds by learning rate, pooled over the sizes: it falls as the rate grows.

    Nothing where each configuration has one value alone.
    """
    several = {each: v for each, v in values.items() if len(v) > 1}
    rates = dict.fromkeys(each.learning_rate for each in several)
    return {
        rate: sqrt(fmean(variance(v) for each, v in several.items() if each.learning_rate == rate))
        for rate in rates
    }


def distance(found: Values, reference: Values) -> float:
    """The largest difference of a configuration's mean loss from the reference's, in standard errors.

    A competitor may scatter more than the reference does, up to `WILDEST` times; it is never taken to scatter
    less, for a few rounds tell too little of that. Infinite where other configurations were trained.
    """
    if found.keys() != reference.keys():
        return float("inf")
    known, own = noise(reference), noise(found)
    gaps = []
    for each, values in found.items():
        theirs = known[each.learning_rate]
        mine = min(max(own.get(each.learning_rate, 0.0), theirs), WILDEST * theirs)
        error = sqrt(mine**2 / len(values) + theirs**2 / len(reference[each]))
        gaps.append(abs(fmean(values) - fmean(reference[each])) / error)
    return max(gaps)


def table(rounds: Rounds, distances: Mapping[str, float]) -> str:
    """A line per competitor: medians over its rounds; ratios are those of each round to the expert's."""
    sizes = sorted({trial.configuration.units for trial in next(iter(rounds.values()))[0].trials})
    heads = ["whole s", "CPU s", "search s", "ratio", "CPU s", "ratio"]
    heads += [f"CPU/{units}" for units in sizes] + ["trials/h", "whole/h", "others", "losses"]
    lines = [f"{'':<22}" + "".join(f"{head:>10}" for head in heads)]
    for name, runs in rounds.items():
        cells = [
            _median(runs, "wall"),
            _median(runs, "cpu"),
            _median(runs, "search_wall"),
            _ratio(rounds, name, "search_wall"),
            _median(runs, "search_cpu"),
            _ratio(rounds, name, "search_cpu"),
            *(f"{median(each.cpu_at(units) for each in runs):.3f}" for units in sizes),
            f"{median(each.per_hour for each in runs):.0f}",
            f"{median(3600 * len(each.trials) / each.wall for each in runs):.0f}",
            f"{median(each.others for each in runs):.2f}",
            f"{distances[name]:.1f} se" if name in distances else "-",
        ]
        lines.append(f"{name:<22}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines)


def _median(runs: Sequence[Round], figure: str) -> str:
    return f"{median(getattr(each, figure) for each in runs):.1f}"


def _ratio(rounds: Rounds, name: str, figure: str) -> str:
    """Paired, round by round."""
    if EXPERT not in rounds:
        return "-"
    pairs = zip(rounds[name], rounds[EXPERT], strict=True)
    return f"{median(getattr(mine, figure) / getattr(theirs, figure) for mine, theirs in pairs):.2f}"
