"""The standard error of the mean of dependent rows, and its degrees of freedom."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_COSINE_TERMS = 2
"""With one degree of freedom Student's 97.5 % quantile is 12.7, too wide for any use."""


@dataclass(frozen=True)
class StandardError:
    """Standard error of a mean; (mean − truth) / `error` follows Student's t with `degrees_of_freedom`."""

    error: float
    degrees_of_freedom: int


def cosine_terms(n: int, horizon: int) -> int:
    """The number of cosines, at least 2, that `standard_error_of_mean` uses for `n` rows; each target spans
    `horizon` rows.

    0.4 · n^(2/3) balances size against power: Lazarus, Lewis, Stock & Watson (2018, "HAR inference:
    recommendations for practice", eq. 4). Never more than n / (2 · horizon): overlapping targets have less
    variance at frequencies near 1 / horizon than at zero, and cosine j has the frequency j / (2n). At this
    cap the fastest cosine has the frequency 1 / (4 · horizon), where sums over `horizon` independent rows
    keep 81 % of their variance at zero. `python -m benchmarks.overlap` measures the sizes that follow.
    """
    return max(MIN_COSINE_TERMS, int(min(0.4 * n ** (2 / 3), n / (2 * horizon))))


def standard_error_of_mean(rows: NDArray[np.float64], horizon: int) -> StandardError:
    """Standard error of the mean of `rows` (n,), which may depend on one another; `horizon` ≥ 1 rows.

    The long-run variance is the mean square of the rows' B projections √(2/n) Σ xₜ cos(πj(t − ½)/n), j = 1 …
    B: the equal-weighted cosine estimator (Müller 2004; Lazarus et al. 2018). Each projection is orthogonal
    to the mean, so the ratio has B degrees of freedom if the rows' spectrum is flat up to cosine B.
    Coroneo & Iacone (2020, "Comparing predictive accuracy in small samples using fixed-smoothing
    asymptotics") recommend this kind of estimate for comparisons of forecasts.
    """
    from scipy.fft import dct

    n = len(rows)
    terms = cosine_terms(n, horizon)
    # A cosine transform: 200,000 rows have 1,368 cosines, whose table would have 2 GB.
    projections = np.sqrt(2 / n) * dct(rows - rows.mean(), type=2)[1 : terms + 1] / 2  # (terms,)
    return StandardError(float(np.sqrt(np.mean(projections**2) / n)), terms)
