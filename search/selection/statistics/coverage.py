"""Do the targets lie within the bounds of their forecasts as often as promised? Coverage and its tests."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.standard_error import standard_error_of_mean

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class LikelihoodRatio:
    """A likelihood-ratio statistic, at least 0, and its p value: small if the null is implausible."""

    statistic: float
    p_value: float


@dataclass(frozen=True)
class MeanTest:
    """Student's t of a mean over times, and its two-sided p value: small if the null is implausible."""

    statistic: float
    p_value: float
    degrees_of_freedom: int
    times: int


@dataclass(frozen=True)
class Coverage:
    """How often the targets of `rows` rows lay within bounds that promise `level` (0 … 1).

    The tests of one series use `rows_tested` rows, which do not overlap. `kupiec`: the share is the level.
    `independence`: a miss is as likely after a miss as after none. `christoffersen`: both. They are None for
    a panel, whose rows of one time depend on each other; it has `by_time` instead: the share, averaged over
    series at each time, is the level.
    """

    level: float
    rows: int
    covered: float
    rows_tested: int
    kupiec: LikelihoodRatio | None = None
    independence: LikelihoodRatio | None = None
    christoffersen: LikelihoodRatio | None = None
    by_time: MeanTest | None = None
    """None for one series, and if the share is the same at all times."""


def coverage(
    inside: Flags, level: float, *, horizon: int = 1, shares: NDArray[np.float64] | None = None
) -> Coverage:
    """Coverage from `inside` (n,), n ≥ 2: whether the target of each row, in time order, lies within bounds.

    Kupiec (1995, "Techniques for verifying the accuracy of risk measurement models"): with x misses in n rows
    at a promised rate p and π̂ = x / n, LR = 2 ln [π̂ˣ (1 − π̂)ⁿ⁻ˣ / pˣ (1 − p)ⁿ⁻ˣ] is χ² with 1 degree of
    freedom.
    Christoffersen (1998, "Evaluating interval forecasts"): LR of a first-order Markov chain of the misses
    against independence, χ² with 1; the sum of both is χ² with 2.

    Targets over `horizon` > 1 rows overlap, so that misses come in runs even if the bounds are right: the
    tests then use every horizon-th row, as Diebold, Gunther & Tay (1998) propose, and `covered` all rows.

    Of a panel `shares` (m,) are the shares within bounds at each of m ≥ 4 times in order, with the mean of
    `inside`, and targets span `horizon` of these times. Their mean is tested with a standard error that holds
    for dependent times (`standard_error_of_mean`). Raises ValueError for another shape or a level outside
    0 … 1.
    """
    from scipy.stats import chi2

    if inside.ndim != 1 or len(inside) < 2 or not 0 < level < 1 or horizon < 1:
        raise ValueError(f"inside has shape {inside.shape}, level {level}, horizon {horizon}")
    share = float(inside.mean())
    if shares is not None:
        return Coverage(level, len(inside), share, 0, by_time=_mean_test(shares, level, horizon))
    missed = ~inside[::horizon]
    kupiec, independence = _kupiec(missed, 1 - level), _independence(missed)

    def test(statistic: float, df: int) -> LikelihoodRatio:
        return LikelihoodRatio(statistic, float(chi2.sf(statistic, df)))

    return Coverage(
        level=level,
        rows=len(inside),
        covered=share,
        rows_tested=len(missed),
        kupiec=test(kupiec, 1),
        independence=test(independence, 1),
        christoffersen=test(kupiec + independence, 2),
    )


def _mean_test(shares: NDArray[np.float64], level: float, horizon: int) -> MeanTest | None:
    from scipy.stats import t

    error = standard_error_of_mean(shares, horizon)
    if error.error == 0:
        return None
    statistic = float((shares.mean() - level) / error.error)
    p_value = float(2 * t.sf(abs(statistic), error.degrees_of_freedom))
    return MeanTest(statistic, p_value, error.degrees_of_freedom, len(shares))


def _kupiec(missed: Flags, rate: float) -> float:
    count, misses = len(missed), int(missed.sum())
    free = _log_likelihood(count - misses, misses, misses / count)
    return max(0.0, 2 * (free - _log_likelihood(count - misses, misses, rate)))


def _independence(missed: Flags) -> float:
    before, after = missed[:-1], missed[1:]
    of_all = _bernoulli(after)
    return max(0.0, 2 * (_bernoulli(after[~before]) + _bernoulli(after[before]) - of_all))


def _bernoulli(missed: Flags) -> float:
    """The log likelihood of these rows at their own rate of misses."""
    misses = int(missed.sum())
    return _log_likelihood(len(missed) - misses, misses, misses / max(len(missed), 1))


def _log_likelihood(hits: int, misses: int, rate: float) -> float:
    from scipy.special import xlog1py, xlogy

    return float(xlog1py(hits, -rate) + xlogy(misses, rate))
