"""Correlations of series with the surprises of later rows, and their standard errors.

Standard errors are robust to clustered volatility: White (1980), "A Heteroskedasticity-Consistent Covariance
Matrix Estimator". For the overlapping rows of a whole target they are the standard errors 1B of Hodrick
(1992), "Dividend Yields and Expected Stock Returns", which sum the series instead of the target.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trainer.data.arrays import Floats


@dataclass(frozen=True)
class LeadScores:
    """Correlations of one series with the target's surprises in K later rows, and their standard errors.

    `rows` (K,) are correlations with single rows, `sums` (K,) with the sums of all rows up to each; both are
    valid for series without autocorrelation. `target` (L,) are correlations with the rows weighted as in the
    target, for values of the series 0 to L − 1 rows earlier; they are valid for any series.
    """

    rows: Floats
    row_errors: Floats
    sums: Floats
    sum_errors: Floats
    target: Floats
    target_error: float

    @property
    def gain(self) -> float:
        """Share of the target's variance that the last L values of a series without autocorrelation
        forecast.
        """
        return float(max((self.target**2 - self.target_error**2).sum(), 0.0))

    @property
    def best_gain(self) -> float:
        """Share of the target's variance that the best of the last L values of any series forecasts."""
        return float(max((self.target**2 - self.target_error**2).max(), 0.0))


def score_leads(
    series: Floats, later: Iterable[Floats], target: Floats, horizon: int, *, overlapping: bool
) -> list[LeadScores]:
    """The scores of A centred series (n, A) against `later`, the surprises (n,) of each of K later rows.

    The `target` (n,) is computed from the first `horizon` ≤ K of them. For `overlapping` surprises no sums
    are formed: they would count rows several times.
    """
    squares, powers = series**2, (series**2).sum(axis=0)  # (n, A), (A,)
    rows: list[tuple[Floats, Floats, Floats, Floats]] = []
    weights: list[float] = []
    total = np.zeros(len(series))
    first: Floats | None = None
    for surprise in later:
        first = surprise if first is None else first
        total = surprise if overlapping else total + surprise
        rows.append(
            (*_correlation(surprise, series, squares, powers), *_correlation(total, series, squares, powers))
        )
        weights.append(float(surprise @ target) / (np.sqrt(float(surprise @ surprise)) or 1.0))
    assert first is not None
    shape = np.array(weights[:horizon])
    shape = shape / (np.sqrt(float(shape @ shape)) or 1.0)
    correlations, errors, sums, sum_errors = (np.array(part).T for part in zip(*rows, strict=True))  # (A, K)
    scale = np.sqrt(powers * float(first @ first))
    scale[scale == 0] = np.inf
    found = []
    for index, column in enumerate(series.T):
        overlapped = np.convolve(column, shape)[: len(column)]  # Σ a[k] x[t − k]
        error = float(np.sqrt(np.sum((first * overlapped) ** 2)) / scale[index])
        found.append(
            LeadScores(
                correlations[index],
                errors[index],
                sums[index],
                sum_errors[index],
                np.correlate(correlations[index], shape, "valid"),
                error,
            )
        )
    return found


def _correlation(later: Floats, series: Floats, squares: Floats, powers: Floats) -> tuple[Floats, Floats]:
    """Correlations (A,) of series (n, A) with surprises (n,), and their standard errors."""
    scale = np.sqrt(powers * float(later @ later))
    scale[scale == 0] = np.inf
    return later @ series / scale, np.sqrt(later**2 @ squares) / scale
