"""Whether the forecast intervals of a candidate hold on the test rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from search.record.validation_rows import Floats
from search.selection.statistics.coverage import Coverage, coverage
from search.selection.trained_candidate import TrainedCandidate
from search.selection.validation_intervals import model_intervals
from trainer.data.arrays import Rows
from trainer.data.panel import series_spans
from trainer.data.windows import Dataset
from trainer.inference.error_sizes import absolute_errors, recent_sizes, rows_behind
from trainer.inference.forecast_intervals import (
    CALIBRATION_LEVELS,
    LEVELS,
    ForecastIntervals,
    in_own_unit,
)
from trainer.inference.gru_forward import Network, forecast_rows, network_of
from trainer.losses import point_forecast


@dataclass(frozen=True)
class IntervalCoverage:
    """The coverage of the bounds that `predict` would give, one per level, on test rows of `horizon`."""

    intervals: ForecastIntervals
    horizon: int
    levels: tuple[Coverage, ...]
    following: int
    """Test rows whose bounds follow the size of the last errors."""
    calibration: Mapping[int, float]
    """The share of test rows within bounds, by the level in percent, at CALIBRATION_LEVELS."""
    bounds: Mapping[str, Floats] = field(default_factory=dict, repr=False)
    """`lower_80`, `upper_80`, `lower_95` and `upper_95` of the test rows, (n,) each, in the target's unit."""

    def to_json(self) -> dict[str, Any]:
        """The key `coverage` of `verify --json`."""
        return {
            "source": self.intervals.source,
            "residuals": self.intervals.pooled.rows,
            "quantiles": sorted(self.intervals.levels_of_quantiles),
            "scaled": self.intervals.smallest_scale is not None,
            "horizon": self.horizon,
            "levels": [asdict(each) for each in self.levels],
            "following": self.following,
            "series": len(self.intervals.by_series),
            "calibration": [
                {"level": level / 100, "covered": covered} for level, covered in self.calibration.items()
            ],
        }


def interval_coverage(trained: TrainedCandidate) -> IntervalCoverage | None:
    """The coverage of the mean forecast of all seeds, as `refit` saves it; None if there is no forecast or
    the candidate has no intervals.
    """
    found, data = trained.candidate.validated, trained.data
    if found is None or not trained.forecasts:
        return None
    networks = [network_of(each.weights) for each in trained.refits if each.weights is not None]
    config = trained.candidate.trial.config
    intervals = model_intervals(config.data, found, "trial", data, networks, config.loss)
    told = in_own_unit(data, data.test, np.mean(trained.forecasts, axis=0))
    forecast, quantiles = point_forecast(told, trained.loss), told if told.ndim > 1 else None
    target = in_own_unit(data, data.test, trained.target)
    numbers = trained.series.tolist() if data.series_names else []
    names = [data.series_names[number] for number in numbers]
    sizes = _error_sizes(trained, intervals, forecast, networks)
    bounds = intervals.bounds(forecast, names, sizes, CALIBRATION_LEVELS, quantiles)
    inside = {
        level: (bounds[f"lower_{level}"] <= target) & (target <= bounds[f"upper_{level}"])
        for level in CALIBRATION_LEVELS
    }
    return IntervalCoverage(
        intervals=intervals,
        horizon=data.horizon,
        levels=tuple(_tested(trained, inside[level], level) for level in LEVELS),
        following=int(intervals.follows(sizes).sum()),
        calibration={level: float(each.mean()) for level, each in inside.items()},
        bounds={
            f"{side}_{level}": bounds[f"{side}_{level}"] for level in LEVELS for side in ("lower", "upper")
        },
    )


def _tested(trained: TrainedCandidate, inside: npt.NDArray[np.bool_], level: int) -> Coverage:
    if len(trained.data.series_starts) == 1:
        return coverage(inside, level / 100, horizon=trained.data.horizon)
    moments = trained.moments
    return coverage(
        inside, level / 100, horizon=moments.horizon, shares=moments.means(inside.astype(np.float64))
    )


def _error_sizes(
    trained: TrainedCandidate, intervals: ForecastIntervals, forecast: Floats, networks: Sequence[Network]
) -> Floats | None:
    """How large the errors were that are known at each test row, (n,), as `predict` finds it: the rows just
    before the test rows, which the networks were trained on, count as well. None if bounds do not follow it.
    """
    if intervals.recent is None:
        return None
    data = trained.data
    earlier = np.concatenate(
        [_rows_before(data, span) for span in series_spans(data.series_starts, len(data.target))]
    )
    rows = np.concatenate([earlier, data.test])
    before = forecast_rows(networks, data.features, data.seq_len, earlier)
    known = in_own_unit(data, earlier, point_forecast(before, trained.candidate.trial.config.loss))
    forecasts = np.concatenate([known, forecast])
    target = in_own_unit(data, np.arange(len(data.target)), data.target)
    errors = absolute_errors(target, None, rows, forecasts)
    errors[rows] /= intervals.scale(forecasts)
    errors[data.train] /= intervals.recent.seen
    return recent_sizes(errors, data.series_starts, data.horizon)[data.test]


def _rows_before(data: Dataset, span: slice) -> Rows:
    """The rows of a series just before its test rows whose errors count: training rows, and those between
    that were left out because their targets reach into the test rows.
    """
    train, test = (rows[(rows >= span.start) & (rows < span.stop)] for rows in (data.train, data.test))
    if not len(train) or not len(test):
        return np.empty(0, np.int64)
    found: Rows = np.concatenate([train[-rows_behind(data.horizon) :], np.arange(train[-1] + 1, test[0])])
    return found
