"""The Sharpe ratio of the best of many strategies, deflated by how many were tried."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.stationary_bootstrap import require_finite_rows

EULER_MASCHERONI = 0.5772156649015329
MIN_SHARPE_ROWS = 3


@dataclass(frozen=True)
class DeflatedSharpe:
    """How far the Sharpe ratio of a chosen strategy exceeds what the best of `trials` skill-less ones shows.

    `probability` (0 … 1) is that of a true ratio above `expected_maximum`, the ratio that luck alone is
    expected to reach. `expected_maximum` and `sharpe` are per row, not annual. `skew` and `kurtosis` (3 for
    normal returns) are those of the `rows` returns.
    """

    probability: float
    sharpe: float
    expected_maximum: float
    skew: float
    kurtosis: float
    trials: int
    rows: int


def sign_returns(
    forecasts: NDArray[np.floating], target: NDArray[np.floating], horizon: int = 1
) -> NDArray[np.float64]:
    """Returns of holding +1 where the forecast is above zero, −1 where below, 0 at zero: (⌈n/horizon⌉,).

    `forecasts` and `target`, both (n,), in the target's own unit: standardised ones have their zero at the
    mean. If returns overlap (`horizon` > 1), every horizon-th row is kept, so that no return is counted
    twice. No costs are deducted. Raises ValueError for different lengths, numbers that are not finite,
    horizon < 1.
    """
    held = require_finite_rows("forecasts", forecasts, MIN_SHARPE_ROWS)
    returns = require_finite_rows("target", target, MIN_SHARPE_ROWS)
    if held.shape != returns.shape or held.ndim != 1:
        raise ValueError(f"forecasts have shape {held.shape} and target {returns.shape}; give both as (n,)")
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}; give 1 or more rows")
    return (np.sign(held) * returns)[::horizon]


def sharpe_ratio(returns: NDArray[np.floating]) -> float:
    """Mean over standard deviation (n − 1) of `returns` (n,), per row; 0 for a strategy that never trades.

    Raises ValueError for fewer than 3 rows, numbers that are not finite, or returns that are not 0 and never
    vary.
    """
    rows = require_finite_rows("returns", returns, MIN_SHARPE_ROWS)
    if not rows.any():
        return 0.0
    if np.ptp(rows) == 0:
        raise ValueError(
            f"every return is {rows[0]:g}, so a Sharpe ratio has no meaning; give returns that vary"
        )
    return float(rows.mean() / rows.std(ddof=1))


def annualised_sharpe(sharpe: float, rows_per_year: float) -> float:
    """A Sharpe ratio per row as one per year: × √rows_per_year, for independent returns.

    Lo (2002, "The statistics of Sharpe ratios"). `rows_per_year` is 252 for daily returns, 252 / horizon
    after `sign_returns`.
    """
    return sharpe * math.sqrt(rows_per_year)


def expected_max_sharpe(trials: int, variance: float) -> float:
    """Largest Sharpe ratio that `trials` ≥ 1 skill-less strategies are expected to show; 0 for a single one.

    √variance · ((1 − γ) Φ⁻¹(1 − 1/N) + γ Φ⁻¹(1 − 1/(N e))), γ being Euler and Mascheroni's constant: the
    False Strategy theorem, Bailey & López de Prado (2014, "The deflated Sharpe ratio", eq. 1). `variance` ≥
    0 is that of the trials' ratios, and the result is in their unit, per row or per year. Raises ValueError
    out of range.
    """
    if trials < 1 or not variance >= 0:
        raise ValueError(
            f"trials is {trials} and variance {variance:g}; give at least 1 trial and a variance ≥ 0"
        )
    if trials == 1:
        return 0.0
    quantile = NormalDist().inv_cdf
    rare = (1 - EULER_MASCHERONI) * quantile(1 - 1 / trials) + EULER_MASCHERONI * quantile(
        1 - 1 / (trials * math.e)
    )
    return math.sqrt(variance) * rare


def probabilistic_sharpe(sharpe: float, threshold: float, rows: int, skew: float, kurtosis: float) -> float:
    """Probability (0 … 1) that the true Sharpe ratio exceeds `threshold`, given `sharpe` over `rows` returns.

    Φ((S − S₀) √(n − 1) / √(1 − γ₃ S + (γ₄ − 1)/4 · S²)), ratios per row: Bailey & López de Prado (2012, "The
    Sharpe ratio efficient frontier"); with S₀ the expected maximum: (2014, eq. 2). `kurtosis` γ₄ is 3 for
    normal returns. Raises ValueError for fewer than 2 rows, or moments that no returns have: γ₄ < γ₃² + 1.
    """
    if rows < 2 or kurtosis < skew**2 + 1 - 1e-9:
        raise ValueError(
            f"rows is {rows}, skew {skew:g} and kurtosis {kurtosis:g}; give 2 rows and kurtosis ≥ skew² + 1"
        )
    spread = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if spread <= 0:  # only for two-valued returns: the ratio then has no first-order error
        return 1.0 if sharpe > threshold else 0.0
    return NormalDist().cdf((sharpe - threshold) * math.sqrt((rows - 1) / spread))


def deflated_sharpe(returns: NDArray[np.floating], trial_sharpes: NDArray[np.floating]) -> DeflatedSharpe:
    """Deflated Sharpe ratio of the chosen strategy's `returns` (n,), n ≥ 3, among `trial_sharpes` (K,).

    Bailey & López de Prado (2014, "The deflated Sharpe ratio: correcting for selection bias, backtest
    overfitting and non-normality", eq. 1 and 2). `trial_sharpes` holds the ratio, per row, of every strategy
    that was evaluated, the chosen one and abandoned ones included. N = K treats them as independent; similar
    trials are fewer independent ones, but their ratios vary less as well. Raises ValueError for what
    `sharpe_ratio` refuses.
    """
    rows = require_finite_rows("returns", returns, MIN_SHARPE_ROWS)
    ratios = require_finite_rows("trial_sharpes", trial_sharpes, fewest=1)
    sharpe = sharpe_ratio(rows)
    best_by_luck = expected_max_sharpe(len(ratios), float(ratios.var(ddof=1)) if len(ratios) > 1 else 0.0)
    skew, kurtosis = skew_and_kurtosis(rows)
    probability = probabilistic_sharpe(sharpe, best_by_luck, len(rows), skew, kurtosis)
    return DeflatedSharpe(probability, sharpe, best_by_luck, skew, kurtosis, len(ratios), len(rows))


def skew_and_kurtosis(rows: NDArray[np.float64]) -> tuple[float, float]:
    """Skew and kurtosis of `rows` (n,), moments over n; those of normal returns if nothing varies."""
    if not np.ptp(rows):
        return 0.0, 3.0
    standard = (rows - rows.mean()) / rows.std()
    return float((standard**3).mean()), float((standard**4).mean())
