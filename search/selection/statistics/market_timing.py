"""Does the sign of a forecast earn more than a position that needs no forecast? Deflated by all trials."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.sharpe import (
    expected_max_sharpe,
    probabilistic_sharpe,
    sharpe_ratio,
    skew_and_kurtosis,
)
from search.selection.statistics.stationary_bootstrap import MIN_BOOTSTRAP_ROWS, require_finite_rows


@dataclass(frozen=True)
class MarketTiming:
    """What the chosen trial's position earns beyond a benchmark's, on the rows where the two differ.

    `differing` of `rows` rows are such, and `trials` trials have 20 of them or more. `sharpe` is the Sharpe
    ratio of the difference per differing row, `expected_max_sharpe` what the best of `trials` positions
    without
    any information is expected to reach, and `probability` (0 … 1) the deflated Sharpe ratio: that the true
    ratio exceeds it. All three are None where the chosen trial has fewer than 20 differing rows: there is
    nothing to tell then.
    """

    differing: int
    rows: int
    trials: int
    sharpe: float | None = None
    expected_maximum: float | None = None
    probability: float | None = None


def market_timing(
    positions: NDArray[np.floating],
    benchmark: NDArray[np.floating],
    target: NDArray[np.floating],
    best: int,
    horizon: int = 1,
) -> MarketTiming:
    """Timing of the trial in column `best` of `positions` (n, K), against the position `benchmark` (n,).

    A position is 1, 0 or −1, and earns its product with `target` (n,), a return in its own unit. Where
    returns drift, a position that is always long earns the drift without any forecast, and the deflated
    Sharpe ratio certifies it: all trials are long, their ratios do not vary, and nothing is deflated. The
    difference (position − benchmark) · target has no such share. For a position without information it has
    the mean (mean position − benchmark) · drift, which is never positive where the benchmark holds the
    drift's sign.

    Rows where the two positions agree have a difference of 0 and tell nothing; they are left out, as a few
    rows that differ among many zeros look skewed, and so too sure.

    Without information, ratio · √k of a trial that differs in k rows has the variance 1, and of trials whose
    differences have the mean correlation ρ these scores vary among each other by 1 − ρ. The expected maximum
    (False Strategy theorem: Bailey & López de Prado 2014, "The deflated Sharpe ratio", eq. 1) is taken of
    that variance and the number of trials with 20 differing rows or more, and divided by the chosen one's √k.
    The paper takes the variance that the trials' ratios were found to have. That is the same without
    information; with it, the trials that know something raise the variance and hide each other. Timing as
    what a position adds to one that is held throughout: Henriksson & Merton (1981, "On market timing and
    investment performance").

    Of overlapping returns over `horizon` > 1 rows every horizon-th is kept. Raises ValueError for other
    shapes, numbers that are not finite, horizon < 1.
    """
    held, returns = require_finite_rows("positions", positions, 1), require_finite_rows("target", target, 1)
    naive = require_finite_rows("benchmark", benchmark, 1)
    if held.ndim != 2 or not held.shape[:1] == returns.shape == naive.shape:
        raise ValueError(
            f"positions have shape {held.shape}, benchmark {naive.shape} and target {returns.shape}; give "
            "(n, trials), (n,) and (n,)"
        )
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}; give 1 or more rows")
    gaps = (held - naive[:, None])[::horizon]
    gains = gaps * returns[::horizon, None]  # (m, K), 0 where the positions agree
    there = gaps != 0
    usable = [trial for trial in range(gains.shape[1]) if _tells(gains[there[:, trial], trial])]
    chosen = gains[there[:, best], best]
    if best not in usable:
        return MarketTiming(len(chosen), len(gaps), len(usable))
    luck = expected_max_sharpe(len(usable), 1 - _mean_correlation(gains[:, usable])) / math.sqrt(len(chosen))
    ratio = sharpe_ratio(chosen)
    probability = probabilistic_sharpe(ratio, luck, len(chosen), *skew_and_kurtosis(chosen))
    return MarketTiming(len(chosen), len(gaps), len(usable), ratio, luck, probability)


def _mean_correlation(gains: NDArray[np.float64]) -> float:
    """Mean correlation (0 … 1) of the columns of `gains` (m, K) with each other; 0 for a single one.

    About zero, which is their mean without information.
    """
    trials = gains.shape[1]
    if trials == 1:
        return 0.0
    units = gains / np.sqrt(np.square(gains).sum(axis=0))
    pairs = (
        float(np.square(units.sum(axis=1)).sum()) - trials
    )  # sum of all correlations but those with itself
    return float(min(max(pairs / (trials * (trials - 1)), 0.0), 1.0))


def _tells(gains: NDArray[np.float64]) -> bool:
    """Whether these are enough, and vary, so that they have a Sharpe ratio."""
    return len(gains) >= MIN_BOOTSTRAP_ROWS and float(np.ptp(gains)) > 0
