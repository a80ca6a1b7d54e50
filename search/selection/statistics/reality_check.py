"""How much skill luck alone shows in a study, measured on its own losses, and whether the best trial has
more.
"""

import math

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.stationary_bootstrap import (
    block_length,
    bootstrap_means,
    require_paired_rows,
)


def measured_noise_floor(
    losses: NDArray[np.floating],
    baseline_losses: NDArray[np.floating],
    *,
    level: float = 0.95,
    horizon: int = 1,
    seed: int = 0,
    draws: int = 2000,
) -> float:
    """Skill that the best of the trials reaches by luck alone with probability 1 − `level`.

    `losses` are (n, K), lower is better, and `baseline_losses` (n,) on the same rows. The result is a
    quantile over draws of the stationary bootstrap: the `level` quantile of the largest mean gain of a trial
    over the baseline, recentred as if no trial beat the baseline, as a share of the mean baseline loss. White
    (2000, "A reality check for data snooping", section 2), recentred as in Hansen (2005), see
    `_recentred_means`. The formula `trainer.rivals.skill.noise_floor` uses K and n only; this measure also
    depends on how similar the trials are, how volatile their forecasts and how heavy the tails of their
    losses. The block length is that of the best trial's gain. Memory: about draws × K numbers of 8 bytes.

    Raises ValueError for fewer than 20 rows or 3 · horizon, other shapes, numbers that are not finite, a
    baseline without loss, or a `level` that is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level:g}; give a share between 0 and 1, for example 0.95")
    gains, mean, drawn = _gains(losses, baseline_losses, horizon, seed, draws)
    largest = _recentred_means(mean, drawn, len(gains)).max(axis=1)  # (draws,)
    return max(0.0, float(np.quantile(largest, level))) / float(np.mean(baseline_losses))


def superior_predictive_ability(
    losses: NDArray[np.floating],
    baseline_losses: NDArray[np.floating],
    *,
    horizon: int = 1,
    seed: int = 0,
    draws: int = 2000,
) -> float:
    """P value (0 … 1) of the best of `losses` (n, K) against the baseline, if luck alone is at work.

    The null is that no trial beats `baseline_losses` (n,): Hansen (2005, "A test for superior predictive
    ability", the consistent p value), with every gain in units of its own standard error over the draws.
    `arch.bootstrap.SPA` does not divide by that error, so one volatile trial hides a good one; the tests
    compare with it on gains that are already divided. A trial whose losses are the baseline's own has no
    error and counts as 0.

    Raises ValueError as `measured_noise_floor` does.
    """
    gains, mean, drawn = _gains(losses, baseline_losses, horizon, seed, draws)
    error = drawn.std(axis=0)  # (K,), of the mean
    unit = np.where(error > 0, error, np.inf)
    by_luck = (_recentred_means(mean, drawn, len(gains)) / unit).max(axis=1)  # (draws,)
    observed = max(0.0, float((mean / unit).max()))
    return float(np.mean(by_luck > observed)) if observed > 0 else 1.0


def _recentred_means(mean: NDArray[np.float64], drawn: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Mean gains of each draw, (draws, K), as if no trial beat the baseline.

    Hansen (2005, section 3): the gains of each trial are shifted to mean 0, except for trials that are worse
    than the baseline by more than √(2 ln ln n) standard errors. White shifts all of them; a study's worst
    trials, whose losses vary most, would then set its floor. Shapes: mean (K,), drawn (draws, K).
    """
    hopeless = mean < -math.sqrt(2 * math.log(math.log(n))) * drawn.std(axis=0)
    return drawn - np.where(hopeless, 0.0, mean)


def _gains(
    losses: NDArray[np.floating], baseline_losses: NDArray[np.floating], horizon: int, seed: int, draws: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Gains over the baseline (n, K), their means (K,), and the means of each draw (draws, K)."""
    trials, baseline = require_paired_rows(losses, baseline_losses)
    if trials.ndim != 2:
        raise ValueError(f"losses have shape {trials.shape}; give (n, trials)")
    gains = baseline[:, None] - trials
    mean = gains.mean(axis=0)
    block = block_length(gains[:, mean.argmax()], horizon)
    return gains, mean, bootstrap_means(gains, block, draws=draws, seed=seed)
