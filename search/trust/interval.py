"""How sure the skill of one forecast is: a confidence interval by the stationary bootstrap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.trust.resampling import block_length, drawn_rows, in_parts, paired_rows

_LEAST_ERROR = 1e-3
"""A draw's standard error below this share of the sample's own comes from a draw of next to one row alone."""


@dataclass(frozen=True)
class Interval:
    """Skill lies between `low` and `high` with confidence `level`; `block` is its blocks' mean rows."""

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
) -> Interval:
    """Confidence interval of skill = 1 − mean(losses) / mean(baseline_losses), both (n,) on the same rows.

    Symmetric bootstrap-t: skill ± q · se, q being the `level` quantile of |skill* − skill| / se* over
    `draws` draws of the stationary bootstrap in which both series are drawn together, with blocks of
    `resampling.block_length` rows for the loss differential. Hall (1988, "On symmetric bootstrap confidence
    intervals"); Götze & Künsch (1996, "Second-order correctness of the blockwise bootstrap for stationary
    observations") for dependent rows. The standard error is the delta method's, see `_skills_and_errors`.

    Among percentile, basic, BCa, one-sided and symmetric bootstrap-t this one covered best where rows are
    few, dependent and heavy-tailed; `python -m benchmarks.coverage` prints its figures.

    Raises ValueError for fewer than 20 rows or 3 · horizon, series of different length, numbers that are not
    finite, a baseline without loss in all or nearly all rows, or a `level` outside 0 … 1.
    """
    model, baseline = paired_rows(losses, baseline_losses)
    if model.ndim != 1:
        raise ValueError(f"losses have shape {model.shape}; give those of one forecast, (n,)")
    if not 0 < level < 1:
        raise ValueError(f"level is {level:g}; give a share between 0 and 1, for example 0.95")
    block = block_length(baseline - model, horizon)
    width = block + 1
    skill, error = (float(part[0]) for part in _skills_and_errors(model[None], baseline[None], width))
    if error == 0:
        return Interval(skill, skill, level, block)
    taken = drawn_rows(len(model), block, draws=draws, seed=seed)
    distances = []
    for rows in in_parts(taken, draws, len(model)):
        with np.errstate(divide="ignore", invalid="ignore"):
            skills, errors = _skills_and_errors(model[rows], baseline[rows], width)
        distances.append(np.abs(skills - skill) / np.maximum(errors, _LEAST_ERROR * error))
    reach = float(np.quantile(np.concatenate(distances), level)) * error
    if not np.isfinite(reach):
        raise ValueError(
            f"baseline_losses are 0 in {np.mean(baseline == 0):.0%} of the rows, some draws have no other; "
            "give rows in which the target varies"
        )
    return Interval(skill - reach, skill + reach, level, block)


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
