"""Does the sign of a forecast earn more than a position without forecast? Deflated by all trials."""

import math
from collections.abc import Callable
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

    The positions differ in `differing` of `rows` rows, and `trials` trials have 20 differing rows or more.
    `sharpe` is the Sharpe ratio of the difference per differing row, `expected_maximum` the ratio that the
    best of `trials` positions without information is expected to reach, and `probability` (0 … 1) the
    deflated Sharpe ratio: the probability that the true ratio exceeds `expected_maximum`. All three are None
    if the chosen trial has fewer than 20 differing rows.
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
    by_moment: Callable[[NDArray[np.float64]], NDArray[np.float64]] = np.asarray,
) -> MarketTiming:
    """Timing of the trial in column `best` of `positions` (n, K), against the position `benchmark` (n,).

    A position is 1, 0 or −1, and earns its product with `target` (n,), a return in its own unit. If returns
    drift, a position that is always long earns the drift without any forecast, and the deflated Sharpe ratio
    confirms it: all trials are long, their ratios do not vary, and nothing is deflated. The difference
    (position − benchmark) · target does not contain the drift. For a position without information its mean is
    (mean position − benchmark) · drift, which is never positive if the benchmark has the drift's sign.

    Rows in which the two positions agree have a difference of 0 and no information; they are left out. A few
    non-zero rows among many zeros would look skewed and make the result look too certain.

    Without information, ratio · √k of a trial that differs in k rows has variance 1. Between trials whose
    differences have mean correlation ρ, the variance of these scores is 1 − ρ. The expected maximum (False
    Strategy theorem: Bailey & López de Prado 2014, "The deflated Sharpe ratio", eq. 1) is computed from that
    variance and the number of trials with 20 differing rows or more, and divided by the chosen trial's √k.
    The paper uses the observed variance of the trials' ratios. Without information that is the same; with
    information, the informed trials raise the variance and hide one another. Timing as what a position adds
    to one that is held throughout: Henriksson & Merton (1981, "On market timing and investment performance").

    In a panel the n rows are those of several series; `by_moment` turns values (n,) into values by moment,
    m of them. What all series earn at one moment is then one gain, and the positions differ at a moment if
    they do in any series.

    Of overlapping returns over `horizon` > 1 moments every horizon-th is kept. Raises ValueError for other
    shapes, numbers that are not finite, horizon < 1.
    """
    gaps, gains = _gaps_and_gains(positions, benchmark, target, horizon, by_moment)
    there = gaps != 0
    usable = [trial for trial in range(gains.shape[1]) if _has_sharpe(gains[there[:, trial], trial])]
    chosen = gains[there[:, best], best]
    if best not in usable:
        return MarketTiming(len(chosen), len(gaps), len(usable))
    luck = expected_max_sharpe(len(usable), 1 - _mean_correlation(gains[:, usable])) / math.sqrt(len(chosen))
    ratio = sharpe_ratio(chosen)
    probability = probabilistic_sharpe(ratio, luck, len(chosen), *skew_and_kurtosis(chosen))
    return MarketTiming(len(chosen), len(gaps), len(usable), ratio, luck, probability)


def _gaps_and_gains(
    positions: NDArray[np.floating],
    benchmark: NDArray[np.floating],
    target: NDArray[np.floating],
    horizon: int,
    by_moment: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Every horizon-th moment of |position − benchmark| and of what the gap earns, both (m, K); 0 if the two
    agree.
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
    gaps = [column - naive for column in held.T]
    sizes, gains = (
        [by_moment(each)[::horizon] for each in of]
        for of in (map(np.abs, gaps), (gap * returns for gap in gaps))
    )
    return np.stack(sizes, axis=1), np.stack(gains, axis=1)


def _mean_correlation(gains: NDArray[np.float64]) -> float:
    """Mean correlation (0 … 1) of the columns of `gains` (m, K) with each other; 0 for a single one.

    Computed about zero, which is their mean without information.
    """
    trials = gains.shape[1]
    if trials == 1:
        return 0.0
    units = gains / np.sqrt(np.square(gains).sum(axis=0))
    # The sum of all correlations, without those of a column with itself.
    pairs = float(np.square(units.sum(axis=1)).sum()) - trials
    return float(min(max(pairs / (trials * (trials - 1)), 0.0), 1.0))


def _has_sharpe(gains: NDArray[np.float64]) -> bool:
    """Whether there are enough gains, and they vary, so that they have a Sharpe ratio."""
    return len(gains) >= MIN_BOOTSTRAP_ROWS and float(np.ptp(gains)) > 0
