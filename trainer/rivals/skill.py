"""Skill over the best naive forecast, and the largest believable skill. Pure functions, quick to import."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from trainer.errors import DataError

if TYPE_CHECKING:
    from trainer.config import TargetKind

RETURN_CEILING = 0.05
LARGEST_RETURN_CEILING = 0.15
VOLATILITY_CEILING = 0.3
"""Ceilings of believable skill over the best naive forecast; docs/guard.md gives the reasons. The ceiling of
returns rises with the horizon up to the largest: fewer independent rows give more skill by chance."""


@dataclass(frozen=True)
class Baseline:
    """A naive forecast and its mean loss on the standardised target."""

    name: str
    loss: float


@dataclass(frozen=True)
class EffectiveRows:
    """What the rows of a panel are worth.

    `rows` of `series` series lie at `times` distinct times. `uncorrelated` is how many rows without any
    correlation between series would let a useless forecast show as much skill by chance. `horizon` is how
    many moments a target spans.
    """

    series: int
    rows: int
    times: int
    uncorrelated: float
    horizon: int

    @property
    def independent(self) -> float:
        """How many independent rows these are worth: overlapping targets count once."""
        return self.uncorrelated / self.horizon

    def to_json(self) -> dict[str, float]:
        """All figures by name."""
        return {**asdict(self), "independent": self.independent}

    @property
    def text(self) -> str:
        """`7,000 rows of 4 series at 1,800 times, worth about 2,300 independent rows`."""
        return (
            f"{self.rows:,} rows of {self.series:,} series at {self.times:,} times, worth about "
            f"{_rounded(self.independent):,} independent rows"
        )


def best_baseline(losses: Mapping[str, float]) -> Baseline:
    """The naive forecast with the lowest loss. Raises DataError if it is perfect: skill over it is
    undefined.
    """
    name = min(losses, key=lambda name: losses[name])
    if losses[name] <= 0:
        raise DataError(
            f"the naive forecast {name!r} has loss {losses[name]:g}, so skill has no meaning; choose a "
            "target that varies in the validation rows"
        )
    return Baseline(name, losses[name])


def skill(loss: float, baseline_loss: float) -> float:
    """1 − loss / baseline_loss; 1 is perfect, 0 no better than the baseline. `baseline_loss` > 0."""
    return 1 - loss / baseline_loss


def noise_floor(attempts: int, rows: float, horizon: int) -> float:
    """Skill that the best of K = `attempts` ≥ 1 useless forecasts shows by chance: Φ⁻¹(0.95^(1/K))² / (n/h).

    The 95 % quantile of the largest of K standard normal z, squared as a share of variance over the n/h
    independent rows. K counts every validation loss that the best was picked from: a trial's value is the
    best of its epochs, so that each epoch counts. Of a panel, `rows` is `EffectiveRows.uncorrelated` and
    `horizon` counts moments. This is Šidák's bound; losses of one trial correlate, so
    that the true floor is lower.
    """
    z = NormalDist().inv_cdf(math.pow(0.95, 1 / attempts))
    return z**2 / (rows / horizon)


def skill_by_chance(rows: float, horizon: int) -> float:
    """Skill that a useless forecast reaches on `rows` validation rows once in twenty: noise_floor(1, …)."""
    return noise_floor(1, rows, horizon)


def skill_ceiling(kind: "TargetKind", *, rows: float, horizon: int, max_skill: float | None) -> float:
    """Skill above which a trial is suspicious, for `rows` validation rows. `max_skill`, if given, is used.

    Returns: three times `skill_by_chance`, but at least 0.05 and at most 0.15. Volatility: 0.3 over HAR. Any
    other kind has no default and raises DataError. The numbers of trials and epochs do not count, because
    more attempts do not make a result more believable.
    """
    if max_skill is not None:
        return max_skill
    match kind:
        case "return":
            return min(max(RETURN_CEILING, 3 * skill_by_chance(rows, horizon)), LARGEST_RETURN_CEILING)
        case "volatility":
            return VOLATILITY_CEILING
        case "other":
            raise DataError(
                "guard.max_skill is null, and a target of kind 'other' has no usual ceiling of skill; set "
                "guard.max_skill, for example --set guard.max_skill=0.3"
            )


def _rounded(count: float) -> int:
    """To two digits that count: 2,347 is 2,300."""
    return int(float(f"{count:.2g}")) if count >= 100 else round(count)
