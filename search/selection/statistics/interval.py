"""A confidence interval for the skill of one forecast."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.standard_error import standard_error_of_mean
from search.selection.statistics.stationary_bootstrap import (
    MIN_HORIZONS,
    batches_of_draws,
    block_length,
    bootstrap_rows,
    require_paired_rows,
)

_MIN_ERROR_SHARE = 1e-3
"""The smallest standard error of a draw, as a share of the sample's own: below it, a draw has hardly more
than one distinct row."""


@dataclass(frozen=True)
class SkillInterval:
    """Skill lies between `low` and `high` with confidence `level`.

    `block` is how many rows count as one independent observation: the mean length of the bootstrap's blocks,
    or if rows overlap, the rows per degree of freedom.
    """

    low: float
    high: float
    level: float
    block: int


def skill_interval(
    losses: NDArray[np.floating],
    baseline_losses: NDArray[np.floating],
    *,
    level: float = 0.95,
    horizon: int = 1,
    seed: int = 0,
    draws: int = 2000,
) -> SkillInterval:
    """Confidence interval of skill = 1 − mean(losses) / mean(baseline_losses), both (n,) on the same rows.

    Rows that do not overlap (`horizon` 1) get a symmetric bootstrap-t, see `_bootstrap`. Overlapping ones get
    skill ± q · e / mean(baseline_losses): e is the standard error of the mean of baseline_losses − losses
    (`standard_error_of_mean`), q Student's quantile for its degrees of freedom. Such an interval lies wholly
    above 0 exactly if Diebold–Mariano rejects. The bootstrap studentises with the delta method at the
    estimated skill. Its error is too small if few rows are independent, because chance then moves the mean
    loss of the baseline as well. Rows that do not overlap are seldom so few, and for them the bootstrap has
    more power.

    `python -m benchmarks.coverage` and `python -m benchmarks.overlap` print the figures.

    Raises ValueError for fewer rows than `min_interval_rows`, series of different length, numbers that are
    not finite, a baseline without loss in all or nearly all rows, or a `level` that is not between 0 and 1.
    """
    model, baseline = require_paired_rows(losses, baseline_losses)
    if model.ndim != 1:
        raise ValueError(f"losses have shape {model.shape}; give those of one forecast, (n,)")
    if not 0 < level < 1:
        raise ValueError(f"level is {level:g}; give a share between 0 and 1, for example 0.95")
    if not 1 <= horizon <= len(model) / MIN_HORIZONS:
        raise ValueError(
            f"horizon is {horizon} with {len(model)} rows; give 1 to {len(model) // MIN_HORIZONS}, a "
            "quarter of them"
        )
    if horizon > 1:
        return fixed_smoothing_interval(model, baseline, level, horizon)
    return _bootstrap(model, baseline, level, seed, draws)


def fixed_smoothing_interval(
    model: NDArray[np.float64], baseline: NDArray[np.float64], level: float, horizon: int
) -> SkillInterval:
    """The interval of overlapping rows, from losses (n,) of at least `min_interval_rows`; see
    `skill_interval`.

    It takes no draws, and so suits a figure of many groups of rows.
    """
    from scipy.stats import t as student

    mean = standard_error_of_mean(baseline - model, horizon)
    skill = 1 - float(model.mean() / baseline.mean())
    reach = float(student.ppf((1 + level) / 2, mean.degrees_of_freedom)) * mean.error / float(baseline.mean())
    return SkillInterval(skill - reach, skill + reach, level, math.ceil(len(model) / mean.degrees_of_freedom))


def _bootstrap(
    model: NDArray[np.float64], baseline: NDArray[np.float64], level: float, seed: int, draws: int
) -> SkillInterval:
    """Symmetric bootstrap-t of losses (n,) whose rows do not overlap.

    skill ± q · se, q being the `level` quantile of |skill* − skill| / se* over `draws` draws of the
    stationary bootstrap in which both series are drawn together, with blocks of the `block_length` of the
    loss differential. Hall (1988, "On symmetric bootstrap confidence intervals"); Götze & Künsch
    (1996, "Second-order correctness of the blockwise bootstrap for stationary observations") for dependent
    rows. The standard error is the delta method's, see `_skills_and_errors`. Among percentile, basic, BCa,
    one-sided and symmetric bootstrap-t this one covered best.
    """
    block = block_length(baseline - model, 1)
    width = block + 1
    skill, error = (float(part[0]) for part in _skills_and_errors(model[None], baseline[None], width))
    if error == 0:
        return SkillInterval(skill, skill, level, block)
    taken = bootstrap_rows(len(model), block, draws=draws, seed=seed)
    distances = []
    for rows in batches_of_draws(taken, draws, len(model)):
        with np.errstate(divide="ignore", invalid="ignore"):
            skills, errors = _skills_and_errors(model[rows], baseline[rows], width)
        distances.append(np.abs(skills - skill) / np.maximum(errors, _MIN_ERROR_SHARE * error))
    reach = float(np.quantile(np.concatenate(distances), level)) * error
    if not np.isfinite(reach):
        raise ValueError(
            f"baseline_losses are 0 in {np.mean(baseline == 0):.0%} of the rows, some draws have no other; "
            "give rows in which the target varies"
        )
    return SkillInterval(skill - reach, skill + reach, level, block)


def _skills_and_errors(
    losses: NDArray[np.float64], baseline_losses: NDArray[np.float64], width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Skill of each draw and its standard error, both (draws,), from losses (draws, n).

    The delta method: skill moves with its rows' influence ((1 − skill) · baseline − loss) / mean baseline,
    whose long-run variance has Bartlett's weights 1 − k / width (Newey & West 1987, "A simple, positive
    semi-definite, heteroskedasticity and autocorrelation consistent covariance matrix"). Their weighted sum
    of products is the sum of squares of all sums over `width` neighbours, zeros being added at both ends: n
    steps for any width.
    """
    n = losses.shape[1]
    mean = baseline_losses.mean(axis=1, keepdims=True)
    skill = 1 - losses.mean(axis=1, keepdims=True) / mean
    influence = ((1 - skill) * baseline_losses - losses) / mean  # (draws, n), each row sums to 0
    sums = np.pad(influence.cumsum(axis=1), ((0, 0), (width, width - 1)))  # (draws, n + 2 · width − 1)
    squares = (sums[:, width:] - sums[:, :-width]) ** 2
    return skill[:, 0], np.sqrt(squares.sum(axis=1) / width) / n
