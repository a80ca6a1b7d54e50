"""Bounds of forecasts, by split conformal prediction on the validation rows of a training.

validation rows ──► |target − forecast| / scale ──► quantiles ──► forecast ± quantile · scale

Vovk, Gammerman & Shafer (2005, "Algorithmic learning in a random world"); Lei, G'Sell, Rinaldo, Tibshirani &
Wasserman (2018, "Distribution-free predictive inference for regression"), with the locally weighted residuals
of their section 5.2. The scale is the size of the series' last errors (`trainer.inference.error_sizes`), and
where the forecast is a volatility, the forecast times the size of the last errors relative to it. The bounds
promise their level over rows that are exchangeable with the validation rows. Rows of a time series are not:
targets over `horizon` > 1 rows overlap, and the spread of returns changes. `ballast verify` measures the
coverage on the test rows. A model that forecasts quantiles has bounds of its own:
`trainer.inference.quantile_intervals`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypedDict

import numpy as np
import numpy.typing as npt
from pydantic import Field

from trainer.config import DataConfig, Section
from trainer.data.arrays import Floats, Rows
from trainer.data.bar_volatility import is_log_volatility
from trainer.data.windows import Dataset
from trainer.inference.error_sizes import knows_past_targets, recent_sizes
from trainer.inference.quantile_intervals import (
    QuantileForecasts,
    QuantileMargins,
    conformal_quantile,
    measure_quantile_margins,
)
from trainer.losses import Loss, point_forecast

LEVELS: Final = (80, 95)
"""Percent of the targets that should lie within the bounds."""
CALIBRATION_LEVELS: Final = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95)
"""Percents at which `verify` compares the coverage with the level."""
MIN_ROWS: Final = 19
"""Fewest residuals that have a quantile at 95 %: (n + 1) · 0.95 ≤ n."""
MIN_SERIES_ROWS: Final = 250
"""Fewest independent residuals for quantiles of a series' own, and for quantiles of scaled residuals. The
coverage of so many varies by chance with a standard deviation of √(0.8 · 0.2 / 250) = 2.5 % at 80 %."""

ResidualSource = Literal["training", "trial"]
"""Where residuals come from: the training whose model is kept, or the exported trial before its refit."""
_Margin = Annotated[float, Field(ge=0)]


class Margins(Section):
    """Quantiles of `rows` residuals, in units of the scale."""

    rows: Annotated[int, Field(ge=1)]
    at_80: _Margin
    at_95: _Margin
    others: Mapping[int, _Margin] = Field(default_factory=dict, exclude_if=lambda found: not found)
    """Those at the other CALIBRATION_LEVELS; empty in a folder of before."""

    def at(self, level: int) -> float:
        """The quantile at `level` percent, one of CALIBRATION_LEVELS."""
        return {80: self.at_80, 95: self.at_95, **self.others}[level]


class SeriesMargins(Section):
    """The quantiles of a panel's series; those of one series are `pooled`."""

    pooled: Margins
    """Of the validation rows of all series."""
    by_series: Mapping[str, Margins] = Field(default_factory=dict)
    """Of each series with enough rows, by its name."""

    def of(self, series: Sequence[str]) -> list[Margins]:
        """Those of each row, by the names of their `series`; one for all rows without names."""
        return [self.by_series.get(name, self.pooled) for name in series] or [self.pooled]


class RecentMargins(SeriesMargins):
    """The quantiles of residuals that are divided by the size of the last errors."""

    seen: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The errors of the model on rows that it was trained on, as a share of those on other rows."""


class ForecastIntervals(SeriesMargins):
    """What bounds are computed from. The scale is 1 target unit; with `smallest_scale` it is the forecast,
    but at least that number. The quantiles of `recent` are of residuals that are divided by the size of the
    last errors, too.
    """

    source: ResidualSource
    smallest_scale: Annotated[float, Field(gt=0)] | None
    recent: RecentMargins | None = Field(default=None, exclude_if=lambda found: found is None)
    """None if new rows may lack the target's columns, with too few validation rows, in a folder of before,
    and if all bounds come from quantiles."""
    quantiles: QuantileMargins | None = Field(default=None, exclude_if=lambda found: found is None)
    """What the bounds at some levels are computed from instead, if the model forecasts quantiles."""

    @property
    def levels_of_quantiles(self) -> frozenset[int]:
        """The levels in percent whose bounds come from quantiles."""
        return frozenset() if self.quantiles is None else frozenset(self.quantiles.pooled)

    def bounds(
        self,
        forecasts: Floats,
        series: Sequence[str] = (),
        sizes: Floats | None = None,
        levels: Sequence[int] = LEVELS,
        quantiles: Floats | None = None,
    ) -> dict[str, Floats]:
        """`lower_80`, `upper_80`, `lower_95` and `upper_95` of `forecasts` (n,), each (n,), in their unit.

        `series` (n,) are the names of the rows' series; a series without quantiles of its own gets the pooled
        ones. `sizes` (n,) are those of the last errors, in units of `scale`: where one is NaN, and without
        them, bounds are as wide as those errors usually were. Bounds of a volatility are at least 0.

        `quantiles` (n, outputs) are those that the model forecasts. Bounds that come from them enclose the
        forecast, and each level those before it in `levels`.
        """
        scale, least = self.scale(forecasts), -np.inf if self.smallest_scale is None else 0.0
        known = self.follows(sizes)
        found: dict[str, Floats] = {}
        lower, upper = forecasts, forecasts
        for level in levels:
            if self.quantiles is not None and quantiles is not None and level in self.levels_of_quantiles:
                low, high = self.quantiles.bounds(quantiles, series, level)
                lower, upper = np.minimum(low, lower), np.maximum(high, upper)
                found[f"lower_{level}"], found[f"upper_{level}"] = (
                    np.maximum(each, least) for each in (lower, upper)
                )
                continue
            reach = np.array([each.at(level) for each in self.of(series)])
            if self.recent is not None and sizes is not None and known.any():
                scaled = sizes * np.array([each.at(level) for each in self.recent.of(series)])
                reach = np.where(known, scaled, reach)
            found[f"lower_{level}"] = np.maximum(forecasts - scale * reach, least)
            found[f"upper_{level}"] = np.maximum(forecasts + scale * reach, least)
        return found

    def follows(self, sizes: Floats | None) -> npt.NDArray[np.bool_]:
        """Whether the bounds of each row follow the size of the last errors, (n,)."""
        if self.recent is None or sizes is None:
            return np.zeros(0 if sizes is None else len(sizes), bool)
        return np.isfinite(sizes)

    def scale(self, forecasts: Floats) -> Floats:
        """The scale (n,) of `forecasts` (n,) before the size of the last errors, positive."""
        return _scale(forecasts, self.smallest_scale)


def _scale(forecasts: Floats, smallest: float | None) -> Floats:
    return np.ones(len(forecasts)) if smallest is None else np.maximum(forecasts, smallest)


@dataclass(frozen=True)
class ValidationForecasts:
    """Forecasts (n,) of the validation rows of all folds, and their targets (n,), in the target's unit.

    `series` (n,) is the number of each row's series among `names`, which are empty for one without a name.
    `times` (n,) order the rows of a series.
    """

    forecasts: Floats
    targets: Floats
    series: Rows
    times: npt.NDArray[np.datetime64]
    names: tuple[str, ...] = ()
    quantiles: QuantileForecasts | None = None
    """All that the model forecasts, if these are quantiles."""

    @classmethod
    def of_folds(
        cls, folds: Sequence[Dataset], forecasts: Sequence[npt.NDArray[np.floating]], loss: Loss
    ) -> "ValidationForecasts":
        """Of standardised `forecasts` for each of `folds`, in the shape that `loss` judges."""
        pairs = list(zip(folds, forecasts, strict=True))
        told = np.concatenate([in_own_unit(data, data.validation, each) for data, each in pairs])
        return cls(
            forecasts=point_forecast(told, loss),
            quantiles=QuantileForecasts.of(loss, told),
            targets=np.concatenate(
                [in_own_unit(data, data.validation, data.target[data.validation]) for data in folds]
            ),
            series=np.concatenate([data.series_numbers[data.validation] for data in folds]),
            times=np.concatenate([data.times[data.validation] for data in folds]),
            names=folds[0].series_names,
        )

    def names_of_rows(self) -> list[str]:
        """The name of each row's series, (n,); empty for one series without a name."""
        return [self.names[number] for number in self.series.tolist()] if self.names else []

    def sizes(self, smallest_scale: float | None, horizon: int) -> Floats:
        """How large the errors were that are known at each row, (n,), in units of the scale; see
        `recent_sizes`. A row that several folds hold out counts once, with the mean of its errors.
        """
        scores = np.abs(self.targets - self.forecasts) / _scale(self.forecasts, smallest_scale)
        keys = np.stack([self.series, self.times.astype(np.int64)])  # each distinct row, series by series
        rows, number = np.unique(keys, axis=1, return_inverse=True)
        number = number.ravel()
        means = np.bincount(number, scores) / np.bincount(number)
        starts = np.flatnonzero(np.diff(rows[0], prepend=-1))
        return recent_sizes(means, starts, horizon)[number]


def in_own_unit(data: Dataset, rows: Rows, values: npt.NDArray[np.floating]) -> Floats:
    """Standardised `values` of `rows` (n,), (n,) or (n, outputs), in the unit of the target."""
    mean, std = data.scaler.target_moments(data.series_numbers[rows])
    own: Floats = (values.T.astype(np.float64) * std + mean).T
    return own


def measure_intervals(
    config: DataConfig, found: ValidationForecasts, source: ResidualSource
) -> ForecastIntervals:
    """The intervals for `config.target` from at least 19 validation rows.

    If the target is a volatility and its forecasts are positive, residuals are relative to the forecast:
    errors grow with the volatility. The residuals of a log volatility do not. All are divided by the size of
    the errors before them as well, if a table of new rows always has the target's columns, and 250 · horizon
    residuals have such a size. Levels that have two quantiles get offsets of these. A series of a panel with
    250 · horizon residuals gets quantiles of its own.
    """
    smallest = float(found.forecasts.min())
    is_level = config.target.kind == "volatility" and not is_log_volatility(config)
    is_scaled = is_level and smallest > 0 and float(found.targets.min()) >= 0
    least = smallest if is_scaled else None
    scores = np.abs(found.targets - found.forecasts) / _scale(found.forecasts, least)
    enough = MIN_SERIES_ROWS * config.target.horizon
    quantiles = None
    if found.quantiles is not None:
        quantiles = measure_quantile_margins(
            found.quantiles, found.targets, found.series, found.names, CALIBRATION_LEVELS, enough
        )
    recent, others = None, set(LEVELS) - set(() if quantiles is None else quantiles.pooled)
    if others and knows_past_targets(config):
        sizes = found.sizes(least, config.target.horizon)
        known = np.isfinite(sizes)
        if known.sum() >= enough:
            recent = RecentMargins(**_margins(scores[known] / sizes[known], found, known, enough))
    everything = np.ones(len(scores), bool)
    return ForecastIntervals(
        source=source,
        smallest_scale=least,
        recent=recent,
        quantiles=quantiles,
        **_margins(scores, found, everything, enough),
    )


class _Margins(TypedDict):
    """The fields of SeriesMargins."""

    pooled: Margins
    by_series: dict[str, Margins]


def _margins(
    scores: Floats, found: ValidationForecasts, rows: npt.NDArray[np.bool_], enough: int
) -> _Margins:
    """Quantiles of the `scores` (m,) of the chosen `rows` (n,), and of each series with `enough` of them."""
    by_number = {name: scores[found.series[rows] == number] for number, name in enumerate(found.names)}
    return {
        "pooled": _quantiles(scores),
        "by_series": {name: _quantiles(own) for name, own in by_number.items() if len(own) >= enough},
    }


def _quantiles(scores: Floats) -> Margins:
    if len(scores) < MIN_ROWS:
        raise ValueError(f"{len(scores)} residuals have no quantile at 95 %; give {MIN_ROWS} or more")
    ordered = np.sort(scores)
    at = {level: conformal_quantile(ordered, level) for level in CALIBRATION_LEVELS}
    return Margins(rows=len(scores), at_80=at.pop(80), at_95=at.pop(95), others=at)
