"""Does the model beat the strongest of several fitted rivals on the same rows? Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.conclusion import bootstrap_draws
from search.selection.statistics.diebold_mariano import DieboldMariano, diebold_mariano
from search.selection.statistics.interval import SkillInterval, skill_interval
from search.selection.statistics.stationary_bootstrap import rows_text

_EXACT_SHARE = 1e-12
"""Share of the model's loss below which a rival counts as exact, apart from rounding."""


class RivalVerdict(StrEnum):
    """Whether the model forecasts better than the strongest rival.

    the interval lies above 0, and Diebold–Mariano says "better" against every rival ──► YES
    the interval lies below 0, or the rival makes no error and the model does ──► NO
    any other ──► CANNOT_TELL
    """

    YES = "yes"
    NO = "no"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class RivalComparison:
    """A comparison with the rival `name`, whose mean `loss` is the lowest on these rows.

    `skill` is 1 − loss of the model / loss of the rival; None if the rival makes no error. `interval` is its
    confidence interval, at a level that accounts for the number of rivals; None if the rival has errors in no
    row or in too few. `comparisons` has a Diebold–Mariano test against each rival.
    """

    name: str
    loss: float
    skill: float | None
    interval: SkillInterval | None
    verdict: RivalVerdict
    reason: str
    comparisons: Mapping[str, DieboldMariano]


def compare_with_strongest_rival(
    losses: NDArray[np.floating],
    rivals: Mapping[str, NDArray[np.floating]],
    *,
    horizon: int = 1,
    level: float = 0.95,
    seed: int = 0,
    draws: int | None = None,
    panel_rows: int | None = None,
) -> RivalComparison:
    """Compare `losses` (n,) with those of each of m ≥ 1 `rivals`, name to (n,), on the same rows.

    The strongest rival is chosen on the rows that also judge it, so its loss is partly luck. Two rules keep
    the errors below α = 1 − `level`:

    - The interval of skill has the level 1 − α/m. The m intervals then hold at once (Bonferroni's
      inequality), and so does the one that was chosen. This matters for NO: the luckiest of m rivals looks
      better than the model even if all are equally good.
    - YES needs a one-sided p ≤ α/2 against every rival, as one side of the interval has. Such an intersection
      of tests has that size without any correction (Berger 1982, "Multiparameter hypothesis testing and
      acceptance sampling"). At a horizon of 1 the bootstrapped interval alone lies above 0 too often if both
      forecasts have large errors of their own.

    `horizon` is in rows. Of a panel the n losses are those of its moments, `horizon` is in moments, and
    `panel_rows` is the number of its rows. `draws` is the number of bootstrap draws, by default enough for
    the level. The same arguments give the same answer. Raises ValueError for no rivals and what
    `diebold_mariano` refuses.
    """
    if not rivals:
        raise ValueError("there are no rivals; give the losses of at least one")
    name = min(rivals, key=lambda each: float(np.mean(rivals[each])))
    loss, value = float(np.mean(rivals[name])), float(np.mean(losses))
    strict = 1 - (1 - level) / len(rivals)
    comparisons = {each: diebold_mariano(losses, theirs, horizon=horizon) for each, theirs in rivals.items()}
    rows = rows_text(len(losses), horizon, panel_rows)
    if loss <= _EXACT_SHARE * value:
        verdict = RivalVerdict.NO if value > 0 else RivalVerdict.CANNOT_TELL
        does = "the model does" if value > 0 else "neither does the model"
        reason = f"{name} makes no error on {rows}, and {does}"
        return RivalComparison(name, loss, None, None, verdict, reason, comparisons)
    skill = 1 - value / loss
    draws = bootstrap_draws(strict) if draws is None else draws
    try:
        interval = skill_interval(losses, rivals[name], level=strict, horizon=horizon, seed=seed, draws=draws)
    except ValueError as error:
        reason = f"the skill over {name} on {rows} is {skill:+.4f}, and it has no interval: {error}"
        return RivalComparison(name, loss, skill, None, RivalVerdict.CANNOT_TELL, reason, comparisons)
    doubtful = [each for each, test in comparisons.items() if test.p_better > (1 - level) / 2]
    verdict, reason = _judge(name, rows, skill, interval, comparisons, doubtful)
    return RivalComparison(name, loss, skill, interval, verdict, reason, comparisons)


def _judge(
    name: str,
    rows: str,
    skill: float,
    interval: SkillInterval,
    comparisons: Mapping[str, DieboldMariano],
    doubtful: list[str],
) -> tuple[RivalVerdict, str]:
    """The verdict, and its reason in one sentence without a full stop; `doubtful` are the rivals that the
    model does not surely beat.
    """
    among = f"the strongest of {len(comparisons)} rivals" if len(comparisons) > 1 else "the only rival"
    found = (
        f"the skill over {name}, {among}, on {rows} is {skill:+.4f}, with {100 * interval.level:.4g} % "
        f"confidence between {interval.low:+.4f} and {interval.high:+.4f}"
    )
    if interval.high < 0:
        return RivalVerdict.NO, f"{found}: {name} forecasts better than the model"
    if interval.low <= 0:
        return RivalVerdict.CANNOT_TELL, f"{found}: these rows do not show which of them is better"
    if doubtful:
        worst = max(doubtful, key=lambda each: comparisons[each].p_better)
        p = comparisons[worst].p_better
        doubt = f"it is not sure that the model beats {worst} (Diebold–Mariano p = {p:.3f})"
        return RivalVerdict.CANNOT_TELL, f"{found}, but {doubt}"
    return RivalVerdict.YES, f"{found}, and the model beats every rival"
