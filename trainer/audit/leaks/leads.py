"""Measures how well features forecast later rows of the target, beyond the target's own past.

It correlates surprises. The surprise of the target at t + k is what its one-row series up to t + k − 1 does
not explain. The surprise of a feature at t is what its own past and the target up to t do not explain. This
removes overlap, persistence and relations within one row: a feature that knows nothing of the future
correlates with no later row. Standard errors are robust to clustered volatility: White (1980), "A
Heteroskedasticity-Consistent Covariance Matrix Estimator".
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, fmean

import numpy as np
import numpy.typing as npt

from trainer.audit.leaks.lead_scores import LeadScores, score_leads
from trainer.audit.leaks.pooled_leads import score_pooled
from trainer.audit.leaks.target_past import (
    is_predictable,
    known_basis,
    matching_returns,
    remove_daily_pattern,
    residuals_of,
    same_row_correlation,
    surprises,
    target_surprises,
)
from trainer.data.arrays import Floats
from trainer.data.windows import Dataset
from trainer.rivals.regressors import first_known, trailing_mean

FALSE_ALARMS = 0.01
"""Probability that any test of a study without leads exceeds its threshold (Bonferroni)."""
_MIN_ROWS = 100
"""Fewest rows for a test."""
_MOST_ROWS = 50_000
"""Number of latest rows that are tested; enough to find a correlation of 0.02."""
_THE_SAME = 0.95
"""From this correlation on, a feature is the target's own series; clipping keeps it below 1."""
_CENTRED = 0.3
"""Returns have a mean below this share of their standard deviation."""

SURPRISES, SIZES, VALUES = "its surprises", "the sizes of its surprises", "its values"
"""What is tested of a feature. Sizes are tested only for volatility; values find leads of features that
change slowly, such as the mean of a quarter."""


@dataclass(frozen=True)
class Lead:
    """The strongest relation of one feature with later rows of the target that chance does not explain.

    `part` of the feature correlates by `correlation` with the target's surprises from `first` to `last` rows
    later; `usual` is the largest correlation that chance explains. `gain` is the share of the variance of the
    target's surprises that the feature forecasts, 0 to 1. `same_row` is the correlation of the surprises of
    both within one row. `series` names the series; empty if it has no name.
    """

    feature: str
    part: str
    first: int
    last: int
    correlation: float
    usual: float
    gain: float
    same_row: float
    series: str = ""


@dataclass(frozen=True)
class _View:
    """The rows of one series that are tested: the target's one-row series `own` (n,), and a basis `past`
    (n, P) of what is known of it at each row.

    One value of `own` extends over `overlap` rows; `ahead` later rows are tested.
    """

    data: Dataset
    rows: slice
    own: Floats
    past: Floats
    overlap: int
    ahead: int

    def column(self, feature: int) -> Floats:
        """A feature (n,) minus its mean; if bars are shorter than days, minus the mean of the time of day."""
        return self.centred(self.data.features[self.rows, feature].astype(np.float64))

    def clipped(self, feature: int) -> npt.NDArray[np.bool_]:
        """Whether a feature was clipped, (n,)."""
        values = np.abs(self.data.features[self.rows, feature])
        clipped: npt.NDArray[np.bool_] = values >= np.float32(self.data.scaler.feature_clip)
        return clipped

    def centred(self, values: Floats) -> Floats:
        """Values (n,) minus their mean; if bars are shorter than days, minus the mean of the time of day."""
        return remove_daily_pattern(values, self.data.history.slots[self.rows])


def find_leads(data: Dataset, features: Sequence[int], overlap: int = 1) -> list[Lead]:
    """The strongest lead of each part of `features` (numbers of columns) in each series and, first, in all
    series together, on train and validation rows.

    `overlap` is the number of rows that one value of `data.history.own` extends over: 1, unless only an
    overlapping series is known.
    """
    views = [_view(one, overlap) for _, one in data.each_series() if features]
    tested = [
        (view, [(feature, part, values) for feature in features for part, values in _parts(view, feature)])
        for view in views
        if view is not None
    ]
    tests = sum(len(parts) * (2 * view.ahead - 1) for view, parts in tested)
    found = [lead for view, parts in tested for lead in _leads(view, parts, tests, overlap)]
    return [*_pooled(tested), *found] if len(tested) > 1 else found


_Tested = tuple[_View, Sequence[tuple[int, str, Floats]]]


def _pooled(tested: Sequence[_Tested]) -> list[Lead]:
    """The leads in all series together, of the parts that every series has."""
    ahead, overlap = max(view.ahead for view, _ in tested), tested[0][0].overlap
    tested = [each for each in tested if each[0].ahead == ahead and each[0].overlap == overlap]
    held = [{(feature, part): values for feature, part, values in parts} for _, parts in tested]
    common = [key for key in held[0] if all(key in each for each in held)]
    if len(tested) < 2 or not common:
        return []
    views = [view for view, _ in tested]
    horizon = min(views[0].data.horizon, ahead) if views[0].overlap == 1 else 1
    scores = score_pooled(
        [view.data.times[view.rows] for view in views],
        [[each[key] for key in common] for each in held],
        [_later(view) for view in views],
        [residuals_of(_target(view) - _target(view).mean(), view.past) for view in views],
        horizon,
        overlapping=views[0].overlap > 1,
    )
    bar = NormalDist().inv_cdf(1 - FALSE_ALARMS / (2 * len(common) * (2 * ahead - 1)))
    rows = sum(len(view.own) for view in views)
    bar *= math.sqrt(rows / (rows - sum(view.past.shape[1] for view in views)))
    leads = [_lead(views[0], score, *key, bar) for key, score in zip(common, scores, strict=True)]
    return [_of_all(lead, views) for lead in leads if lead is not None]


def _of_all(lead: Lead, views: Sequence[_View]) -> Lead:
    feature = views[0].data.feature_names.index(lead.feature)
    same_row = fmean(same_row_correlation(view.column(feature), view.own, view.past) for view in views)
    return replace(lead, series="", same_row=same_row)


def _leads(view: _View, parts: Sequence[tuple[int, str, Floats]], tests: int, overlap: int) -> list[Lead]:
    """The leads in one series, of `parts` of features (n,), beside `tests` relations in all series."""
    data = view.data
    target = _target(view)
    scores = score_leads(
        np.column_stack([values for _, _, values in parts]),
        _later(view),
        residuals_of(target - target.mean(), view.past),
        min(data.horizon, view.ahead) if overlap == 1 else 1,
        overlapping=overlap > 1,
    )
    bar = NormalDist().inv_cdf(1 - FALSE_ALARMS / (2 * tests))
    # Residuals of a regression are smaller than the surprises that they estimate.
    bar *= math.sqrt(len(view.own) / (len(view.own) - view.past.shape[1]))
    leads = [
        _lead(view, score, feature, part, bar)
        for (feature, part, _), score in zip(parts, scores, strict=True)
    ]
    return [lead for lead in leads if lead is not None]


def _target(view: _View) -> Floats:
    values: Floats = view.data.target[view.rows].astype(np.float64)
    return values


def _view(data: Dataset, overlap: int) -> _View | None:
    """The rows of one series to test; None if too few are known."""
    stop = data.seen
    first = max(first_known(data.history.own[:stop]), stop - _MOST_ROWS)
    if stop - first < _MIN_ROWS + 2 * overlap:
        return None
    rows = slice(first, stop)
    own = data.history.own[rows]
    if overlap > 1 and (single := _single_rows(data, rows, own, overlap)) is not None:
        own, overlap = single, 1
    own = remove_daily_pattern(own, data.history.slots[rows])
    moves = asset_returns(data, rows, own) if data.kind == "volatility" else None
    # A lead longer than the window and the target together helps no forecast.
    ahead = max(1, min(data.horizon + data.seq_len - 1, (stop - first) // 5))
    return _View(data, rows, own, known_basis(own, moves), overlap, ahead)


def _single_rows(data: Dataset, rows: slice, own: Floats, overlap: int) -> Floats | None:
    """The feature (n,) whose means over `overlap` rows are the series `own` (n,); None if there is none.

    If the means fit better one row earlier or later, the feature is on the wrong row, and does not count.
    """
    features: Floats = data.features[rows].astype(np.float64)
    for column in features.T:
        means = trailing_mean(column, overlap)
        fits = [
            abs(np.corrcoef(means[overlap:-1], own[overlap + by : len(own) - 1 + by])[0, 1])
            for by in (-1, 0, 1)
        ]
        if fits[1] == max(fits) >= _THE_SAME:
            single: Floats = column
            return single
    return None


def asset_returns(data: Dataset, rows: slice, own: Floats) -> Floats | None:
    """The returns (n,) of the asset whose volatility is forecast, in rows of one series; None if they are not
    known.
    """
    returns = data.history.returns
    mean, std = data.scaler.feature_mean, data.scaler.feature_std
    guessed = (
        data.features[rows, feature].astype(np.float64) + mean[feature] / std[feature]
        for feature in np.flatnonzero(np.abs(mean) < _CENTRED * std)
    )
    return matching_returns(own, None if returns is None else np.nan_to_num(returns[rows]), guessed)


def _parts(view: _View, feature: int) -> Iterator[tuple[str, Floats]]:
    """The parts of a feature that are tested, (n,) each."""
    column = view.column(feature)
    news = surprises(column, view.past)
    if is_predictable(column, view.past, view.clipped(feature)):
        news = np.zeros_like(news)
    yield SURPRISES, news
    if view.overlap == 1 and news.any():
        yield VALUES, residuals_of(column, view.past)
    if view.data.kind == "volatility":
        yield SIZES, surprises(view.centred(np.abs(news)), view.past)


def _later(view: _View) -> Iterator[Floats]:
    """For each of 1 to `ahead` rows, the target's surprises so many rows later, (n,); 0 after the end.

    An overlapping series is compared with its last value that was completely known: a value that drops out of
    it is no surprise.
    """
    surprise = target_surprises(view.own, view.past)
    for ahead in range(1, view.ahead + 1):
        if view.overlap > 1:
            ahead += view.overlap - 1
            surprise = target_surprises(view.own, view.past, ahead)
        yield np.concatenate([surprise[ahead:], np.zeros(ahead)])


def _lead(view: _View, scores: LeadScores, feature: int, part: str, bar: float) -> Lead | None:
    """The strongest relation of one series with later rows; None if none exceeds `bar` standard errors."""
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
        same_row=same_row_correlation(view.column(feature), view.own, view.past),
        series=view.data.series_of(0),
    )
