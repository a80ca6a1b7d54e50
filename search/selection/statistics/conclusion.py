"""Whether a configuration's skill holds on unseen rows: the answer and its reason. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from search.selection.statistics.diebold_mariano import DieboldMariano
from search.selection.statistics.interval import SkillInterval
from search.selection.statistics.stationary_bootstrap import rows_text

BASE_CONFIDENCE = 0.95
"""Confidence level of the interval for the first configuration that the test rows judge."""

MIN_SEEDS = 3
"""The interval covers the scatter of rows, not of seeds: a single training may be lucky."""


class SkillVerdict(StrEnum):
    """The answer of a verification.

    more than half of the seeds were stopped by the guard ──► DOES_NOT_HOLD
    skill above the ceiling of what is believable ──► CANNOT_TELL
    all of the interval above 0, better than every naive forecast, three seeds or more ──► HOLDS
    all of the interval below 0, or not above 0 and all below the claimed lower bound ──► DOES_NOT_HOLD
    any other ──► CANNOT_TELL
    """

    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Conclusion:
    """An answer, and its reason in one sentence."""

    verdict: SkillVerdict
    reason: str


@dataclass(frozen=True)
class ConclusionInput:
    """The results of a configuration on the test rows.

    `skill` is the skill of the mean loss over the seeds, relative to `baseline`, the naive forecast that is
    best on the test rows; `interval` is its confidence interval. Both are None if the guard stopped every
    seed. `comparisons` has a test against every naive forecast. `validation_lower_bound` is
    the lower bound of `validation_skill`, or that skill itself if there is none: the skill of the luckiest of
    many trials is expected to be too high.
    """

    baseline: str
    skill: float | None
    interval: SkillInterval | None
    comparisons: Mapping[str, DieboldMariano]
    validation_skill: float
    validation_lower_bound: float
    ceiling: float
    seeds: int
    seeds_stopped: int
    """The number of seeds whose training the guard stopped."""
    rows: int
    """Test rows; of a panel, the moments at which it has some."""
    horizon: int = 1
    """Rows that a target spans; of a panel, moments."""
    panel_rows: int | None = None
    """Test rows of a panel; None for a single series."""


def confidence_level(number: int, candidates: float = 1.0) -> float:
    """The level of the interval for the `number`-th configuration, from 1, that the same test rows judge.

    1 − 0.05 / (number² · candidates); 0.95 for the first one on rows that no search has seen. The error that
    is allowed shrinks from one configuration to the next, so that the sum over any number of them stays below
    0.05 · π² / 6 = 0.082 (Bonferroni's inequality).

    `candidates` ≥ 1 is the number of configurations, this one included, that a search on these rows has
    chosen from. The best of them may be merely the luckiest, so they share one allowed error (again
    Bonferroni's inequality). A trial that was judged on a share of the rows counts as √share; `python -m
    benchmarks.same_rows` prints how often the best of useless trials then passes.
    """
    return 1 - (1 - BASE_CONFIDENCE) / (number**2 * candidates)


def bootstrap_draws(level: float) -> int:
    """Number of bootstrap draws, so that about 20 lie beyond the level; 2,000 to 100,000."""
    return min(max(2000, round(20 / (1 - level))), 100_000)


def conclude(claim: ConclusionInput) -> Conclusion:
    """Return the verdict with its reason; see `SkillVerdict`."""
    if 2 * claim.seeds_stopped > claim.seeds or claim.skill is None or claim.interval is None:
        return Conclusion(
            SkillVerdict.DOES_NOT_HOLD,
            f"the guard stopped {claim.seeds_stopped} of {claim.seeds} trainings with fresh seeds: "
            "what it learnt once it does not learn again",
        )
    low, high, level = claim.interval.low, claim.interval.high, claim.interval.level
    rows = rows_text(claim.rows, claim.horizon, claim.panel_rows)
    reached = f"the skill over {claim.baseline} on {rows} is {claim.skill:+.4f}"
    between = f"with {100 * level:.4g} % confidence between {low:+.4f} and {high:+.4f}"
    if claim.skill > claim.ceiling:
        return Conclusion(
            SkillVerdict.CANNOT_TELL,
            f"{reached}, above the ceiling of {claim.ceiling:.4f} for what is believable: look for a leak "
            "before believing it",
        )
    if low > 0:
        return _better(claim, f"{reached}, {between}")
    if high <= 0:
        return Conclusion(
            SkillVerdict.DOES_NOT_HOLD,
            f"{reached}, {between}: {claim.baseline} forecasts better than the model",
        )
    if claim.validation_skill <= 0:
        shown = f"{claim.validation_skill:+.4f}"
        why = f"validation showed no skill ({shown}), and the test rows show none that is sure"
        return Conclusion(SkillVerdict.DOES_NOT_HOLD, f"{reached}, {between}: {why}")
    if high < claim.validation_lower_bound:
        bound = f"{claim.validation_lower_bound:+.4f}"
        why = f"less than the {bound} that validation was sure of, and perhaps nothing"
        return Conclusion(SkillVerdict.DOES_NOT_HOLD, f"{reached}, {between}: {why}")
    why = "that may be no skill at all, or as much as validation was sure of; more rows would tell"
    return Conclusion(SkillVerdict.CANNOT_TELL, f"{reached}, {between}: {why}")


def _better(claim: ConclusionInput, found: str) -> Conclusion:
    """The answer if the interval lies above 0: the other naive forecasts must be beaten too."""
    level = 1 - BASE_CONFIDENCE
    doubtful = {name: test.p_better for name, test in claim.comparisons.items() if test.p_better > level}
    if doubtful:
        name = max(doubtful, key=lambda name: doubtful[name])
        why = f"but that it beats {name} is not sure (Diebold–Mariano p = {doubtful[name]:.3f})"
        return Conclusion(SkillVerdict.CANNOT_TELL, f"{found}, {why}")
    if claim.seeds - claim.seeds_stopped < MIN_SEEDS:
        why = f"but it is that of {claim.seeds - claim.seeds_stopped} seeds alone; ask for more with --seeds"
        return Conclusion(SkillVerdict.CANNOT_TELL, f"{found}, {why}")
    stopped = (
        f"; the guard stopped {claim.seeds_stopped} of {claim.seeds} seeds" if claim.seeds_stopped else ""
    )
    return Conclusion(SkillVerdict.HOLDS, f"{found}, and it beats every naive forecast{stopped}")
