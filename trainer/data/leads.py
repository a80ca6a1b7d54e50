"""Measures what features tell of the target's later rows beyond the target's own past.

Both sides are surprises. That of the target at t + k is what its one-row series up to t + k − 1 does not
tell. That of a feature at t is what its own past and the target up to t do not tell. Overlap, persistence and
relations within one row are thereby taken out, and a feature that knows nothing of the future correlates
with no later row. Standard errors are robust to volatility that clusters: White (1980), "A
Heteroskedasticity-Consistent Covariance Matrix Estimator".
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from trainer.data.lead_scores import Scores, scores_of
from trainer.data.own_past import (
    known_past,
    own_moves,
    own_surprises,
    same_row,
    surprises,
    without,
    without_slots,
)
from trainer.data.windows import Dataset

Floats = npt.NDArray[np.float64]

FALSE_ALARMS = 0.01
"""Chance that any test of a study without leads passes its bar (Bonferroni)."""
_MIN_ROWS = 100
"""With fewer rows than this nothing is tested."""
_MOST_ROWS = 50_000
"""Rows that are looked at, the latest: with these a correlation of 0.02 is seen."""
_CENTRED = 0.3
"""Returns have a mean below this many of their standard deviations."""

SURPRISES, SIZES, VALUES = "its surprises", "the sizes of its surprises", "its values"
"""What of a feature is tested. Sizes count for volatility alone; values find what seldom changes, such as the
mean of a quarter."""


@dataclass(frozen=True)
class Lead:
    """The strongest relation of one feature with later rows of the target that chance does not explain.

    `part` of the feature correlates by `correlation` with the target's surprises from `first` to `last` rows
    later; `usual` is the largest correlation that chance explains. `gain` is the share of the variance of the
    target's surprises that the feature foretells, 0 to 1. `same_row` is the correlation of the surprises of
    both within one row.
    """

    feature: str
    part: str
    first: int
    last: int
    correlation: float
    usual: float
    gain: float
    same_row: float


@dataclass(frozen=True)
class _View:
    """The rows that are tested: the target's one-row series (n,), and what is known of it at each row (n, P).

    One value of `own` extends over `overlap` rows; `ahead` later rows are looked at.
    """

    data: Dataset
    rows: slice
    own: Floats
    past: Floats
    overlap: int
    ahead: int

    def column(self, feature: int) -> Floats:
        """A feature (n,) without its mean, or that of the time of day."""
        return self.centred(self.data.features[self.rows, feature].astype(np.float64))

    def centred(self, values: Floats) -> Floats:
        """Values (n,) without their mean, or that of the time of day."""
        return without_slots(values, self.data.history.slots[self.rows])


def find_leads(data: Dataset, features: Sequence[int], overlap: int = 1) -> list[Lead]:
    """The strongest lead of each part of `features` (numbers of columns), on train and validation rows.

    `overlap` is the number of rows that one value of `data.history.own` extends over: 1, unless an
    overlapping series is all that is known.
    """
    view = _view(data, overlap)
    if view is None or not features:
        return []
    parts = [(feature, part, values) for feature in features for part, values in _parts(view, feature)]
    target = data.target[view.rows].astype(np.float64)
    scores = scores_of(
        np.column_stack([values for _, _, values in parts]),
        _later(view),
        without(target - target.mean(), view.past),
        min(data.horizon, view.ahead) if overlap == 1 else 1,
        overlapping=overlap > 1,
    )
    bar = NormalDist().inv_cdf(1 - FALSE_ALARMS / (2 * len(parts) * (2 * view.ahead - 1)))
    # Residuals of a regression are smaller than the surprises that they stand for.
    bar *= math.sqrt(len(view.own) / (len(view.own) - view.past.shape[1]))
    leads = [
        _lead(view, score, feature, part, bar)
        for (feature, part, _), score in zip(parts, scores, strict=True)
    ]
    return [lead for lead in leads if lead is not None]


def _view(data: Dataset, overlap: int) -> _View | None:
    """None where too few rows are known."""
    stop = int(data.validation[-1]) + 1
    known = np.isfinite(data.history.own[:stop])
    first = max(int(np.argmax(known)), stop - _MOST_ROWS)
    if not known.any() or stop - first < _MIN_ROWS + 2 * overlap:
        return None
    rows = slice(first, stop)
    own = without_slots(data.history.own[rows], data.history.slots[rows])
    moves = own_moves(_moves(data, rows), own) if data.kind == "volatility" else None
    # A lead of more rows than the window and the target extend over helps no forecast.
    ahead = max(1, min(data.horizon + data.seq_len - 1, (stop - first) // 5))
    return _View(data, rows, own, known_past(own, moves), overlap, ahead)


def _moves(data: Dataset, rows: slice) -> Iterator[Floats]:
    """Series (n,) that may be the asset's returns: those of the history, then features of both signs."""
    if data.history.returns is not None:
        yield np.nan_to_num(data.history.returns[rows])
    shifted = np.abs(data.scaler.feature_mean) < _CENTRED * data.scaler.feature_std
    for feature in np.flatnonzero(shifted):
        mean = data.scaler.feature_mean[feature] / data.scaler.feature_std[feature]
        yield data.features[rows, feature].astype(np.float64) + mean


def _parts(view: _View, feature: int) -> Iterator[tuple[str, Floats]]:
    """What is tested of a feature, (n,) each."""
    column = view.column(feature)
    news = surprises(column, view.past)
    yield SURPRISES, news
    if view.overlap == 1 and news.any():
        yield VALUES, without(column, view.past)
    if view.data.kind == "volatility":
        yield SIZES, surprises(view.centred(np.abs(news)), view.past)


def _later(view: _View) -> Iterator[Floats]:
    """The target's surprises 1 to `ahead` rows later, at the row that looks ahead, (n,); 0 beyond the end.

    An overlapping series is compared with its last value that was known whole: what drops out of it is no
    surprise.
    """
    surprise = own_surprises(view.own, view.past)
    for ahead in range(1, view.ahead + 1):
        if view.overlap > 1:
            ahead += view.overlap - 1
            surprise = own_surprises(view.own, view.past, ahead)
        yield np.concatenate([surprise[ahead:], np.zeros(ahead)])


def _lead(view: _View, scores: Scores, feature: int, part: str, bar: float) -> Lead | None:
    """The strongest relation of one series with later rows; None if none passes the bar."""
    ahead = np.arange(1, view.ahead + 1)
    if part == VALUES:
        correlations, gain = scores.target, scores.best_gain
        errors = np.full(len(correlations), scores.target_error)
        last = np.arange(len(correlations)) + view.ahead - len(correlations) + 1
        first = np.arange(len(correlations)) + 1
    else:
        gain = scores.gain
        correlations = np.concatenate([scores.rows, scores.sums])
        errors = np.concatenate([scores.row_errors, scores.sum_errors])
        first = np.concatenate([ahead if view.overlap == 1 else np.ones_like(ahead), np.ones_like(ahead)])
        last = np.tile(ahead + view.overlap - 1, 2)
    strength = np.abs(correlations) / np.where(errors > 0, errors, np.inf)
    best = int(np.argmax(strength))
    if strength[best] <= bar:
        return None
    return Lead(
        feature=view.data.feature_names[feature],
        part=part,
        first=int(first[best]),
        last=int(last[best]),
        correlation=float(correlations[best]),
        usual=bar * float(errors[best]),
        gain=min(gain, 1.0),
        same_row=same_row(view.column(feature), view.own, view.past),
    )
