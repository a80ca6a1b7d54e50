"""Skill over a reference in groups of rows, such as years, each with its interval. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.interval import SkillInterval, fixed_smoothing_interval
from search.selection.statistics.stationary_bootstrap import MIN_BOOTSTRAP_ROWS, min_interval_rows


@dataclass(frozen=True)
class GroupedSkill:
    """Skill on the `rows` rows of a group; `interval` is None if they are too few for one."""

    name: str
    rows: int
    skill: float
    interval: SkillInterval | None


def skill_by_group(
    losses: NDArray[np.floating],
    reference_losses: NDArray[np.floating],
    groups: NDArray[np.integer],
    names: Sequence[str],
    horizon: int,
) -> list[GroupedSkill]:
    """Skill 1 − loss / loss of the reference in each group, with its 95 % interval; `names` are in the order
    of their numbers in `groups` (n,), and −1 is no group.

    Losses (n,) are in time order, and the rows of a group are taken as one series, also where others lie
    between them. The interval is that of overlapping rows, `fixed_smoothing_interval`. Groups with fewer than
    20 rows are left out: their skill is mostly noise. So are those in which the reference has no loss.
    """
    found = []
    for number, name in enumerate(names):
        own = groups == number
        model, reference = losses[own].astype(np.float64), reference_losses[own].astype(np.float64)
        if len(model) < MIN_BOOTSTRAP_ROWS or reference.mean() <= 0:
            continue
        is_enough = len(model) >= min_interval_rows(horizon)
        interval = fixed_smoothing_interval(model, reference, 0.95, horizon) if is_enough else None
        skill = 1 - float(model.mean() / reference.mean())
        found.append(GroupedSkill(name, len(model), skill, interval))
    return found
