"""Whether the forecast intervals of a candidate hold on the test rows."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from search.selection.statistics.coverage import Coverage, coverage
from search.selection.trained_candidate import TrainedCandidate
from trainer.inference.forecast_intervals import LEVELS, ForecastIntervals, in_own_unit


@dataclass(frozen=True)
class IntervalCoverage:
    """The coverage of the bounds that `predict` would give, one per level, on test rows of `horizon`."""

    intervals: ForecastIntervals
    horizon: int
    levels: tuple[Coverage, ...]

    def to_json(self) -> dict[str, Any]:
        """The key `coverage` of `verify --json`."""
        return {
            "source": self.intervals.source,
            "residuals": self.intervals.pooled.rows,
            "scaled": self.intervals.smallest_scale is not None,
            "horizon": self.horizon,
            "levels": [asdict(each) for each in self.levels],
        }


def interval_coverage(trained: TrainedCandidate) -> IntervalCoverage | None:
    """The coverage of the mean forecast of all seeds, as `refit` saves it; None if there is no forecast or
    the candidate has no intervals.
    """
    intervals, data = trained.candidate.intervals, trained.data
    finished = [refit.forecasts for refit in trained.refits if refit.forecasts is not None]
    if intervals is None or not finished:
        return None
    forecast = in_own_unit(data, data.test, np.mean(finished, axis=0, dtype=np.float64))
    target = in_own_unit(data, data.test, data.target[data.test])
    numbers = data.series_numbers[data.test].tolist() if data.series_names else []
    bounds = intervals.bounds(forecast, [data.series_names[number] for number in numbers])
    levels = [
        coverage(
            (bounds[f"lower_{level}"] <= target) & (target <= bounds[f"upper_{level}"]),
            level / 100,
            horizon=data.horizon,
            is_one_series=len(data.series_starts) == 1,
        )
        for level in LEVELS
    ]
    return IntervalCoverage(intervals, data.horizon, tuple(levels))
