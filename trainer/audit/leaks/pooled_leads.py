"""Leads in all series of a panel together: a weak lead in each is a clear one in all.

Rows of different series at one moment are not independent. The products of feature and later target are
therefore summed over the series of each moment, and the standard error is that of the moments: White's
estimator, clustered by time (Petersen 2009, "Estimating Standard Errors in Finance Panel Data Sets").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trainer.audit.leaks.lead_scores import LeadScores
from trainer.data.arrays import Floats, Rows
from trainer.data.panel import Times


@dataclass(frozen=True)
class _Sums:
    """Sums over N rows at M moments, numbered by `moments` (N,)."""

    moments: Rows

    def correlation(self, products: Floats) -> tuple[float, float]:
        """The mean of `products` (N,) of standardised values, and its standard error."""
        by_moment = np.bincount(self.moments, weights=products)
        n = len(products)
        return float(by_moment.sum()) / n, float(np.sqrt((by_moment**2).sum())) / n


def score_pooled(
    times: Sequence[Times],
    series: Sequence[Sequence[Floats]],
    later: Sequence[Iterator[Floats]],
    targets: Sequence[Floats],
    horizon: int,
    *,
    overlapping: bool,
) -> list[LeadScores]:
    """The scores of A centred parts of features over all of S series of (n,) rows each.

    `times` are the moments of each series' rows, `series` its A parts, `later` the surprises of each of K
    later rows, `targets` its targets; the rest is as in `score_leads`.
    """
    _, numbers = np.unique(np.concatenate(times), return_inverse=True)
    sums = _Sums(numbers)
    parts = [np.concatenate([_scaled(values) for values in of_all]) for of_all in zip(*series, strict=True)]
    target = np.concatenate([_scaled(values) for values in targets])
    rows, totals, weights = [], [], []
    total, first = np.zeros(len(numbers)), np.zeros(0)
    for of_all in zip(*later, strict=True):
        surprise = np.concatenate([_scaled(values) for values in of_all])
        first = first if len(first) else surprise
        total = surprise if overlapping else total + surprise
        scale = float(np.sqrt((total**2).mean())) or 1.0
        rows.append([sums.correlation(part * surprise) for part in parts])
        totals.append([sums.correlation(part * (total / scale)) for part in parts])
        weights.append(float((surprise * target).mean()))
    shape = np.array(weights[:horizon])
    shape = shape / (np.sqrt(float(shape @ shape)) or 1.0)
    edges = np.cumsum([0, *map(len, times)]).tolist()
    found = []
    for index, part in enumerate(parts):
        overlapped = np.concatenate(
            [np.convolve(part[start:stop], shape)[: stop - start] for start, stop in pairwise(edges)]
        )
        single, summed = (np.array([row[index] for row in each]) for each in (rows, totals))  # (K, 2)
        found.append(
            LeadScores(
                single[:, 0],
                single[:, 1],
                summed[:, 0],
                summed[:, 1],
                np.correlate(single[:, 0], shape, "valid"),
                sums.correlation(first * overlapped)[1],
            )
        )
    return found


def _scaled(values: Floats) -> Floats:
    """Values (n,) in units of their root mean square; 0 if all are 0."""
    return values / (float(np.sqrt((values**2).mean())) or 1.0)
