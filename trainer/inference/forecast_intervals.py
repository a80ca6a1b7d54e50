"""Bounds of forecasts, by split conformal prediction on the validation rows of a training.

validation rows ──► |target − forecast| / scale ──► quantiles ──► forecast ± quantile · scale

Vovk, Gammerman & Shafer (2005, "Algorithmic learning in a random world"); Lei, G'Sell, Rinaldo, Tibshirani &
Wasserman (2018, "Distribution-free predictive inference for regression"), with the locally weighted residuals
of their section 5.2 where the forecast is a volatility. The bounds promise their level over rows that are
exchangeable with the validation rows. Rows of a time series are not: targets over `horizon` > 1 rows overlap,
and the spread of returns changes. `ballast verify` measures the coverage on the test rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from trainer.config import DataConfig, Section
from trainer.data.arrays import Floats, Rows
from trainer.data.bar_volatility import is_log_volatility
from trainer.data.windows import Dataset

LEVELS: Final = (80, 95)
"""Percent of the targets that should lie within the bounds."""
MIN_ROWS: Final = 19
"""Fewest residuals that have a quantile at 95 %: (n + 1) · 0.95 ≤ n."""
MIN_SERIES_ROWS: Final = 250
"""Fewest independent residuals for quantiles of a series' own. The coverage of so many varies by chance with
a standard deviation of √(0.8 · 0.2 / 250) = 2.5 % at 80 %."""

ResidualSource = Literal["training", "trial"]
"""Where residuals come from: the training whose model is kept, or the exported trial before its refit."""
_Margin = Annotated[float, Field(ge=0)]


class Margins(Section):
    """Quantiles of `rows` residuals, in units of the scale."""

    rows: Annotated[int, Field(ge=1)]
    at_80: _Margin
    at_95: _Margin

    def at(self, level: int) -> float:
        """The quantile at one of LEVELS."""
        return self.at_80 if level == 80 else self.at_95


class ForecastIntervals(Section):
    """What bounds are computed from. The scale is 1 target unit; with `smallest_scale` it is the forecast,
    but at least that number.
    """

    source: ResidualSource
    smallest_scale: Annotated[float, Field(gt=0)] | None
    pooled: Margins
    """Of the validation rows of all series."""
    by_series: Mapping[str, Margins] = Field(default_factory=dict)
    """Of each series with enough rows, by its name."""

    def bounds(self, forecasts: Floats, series: Sequence[str] = ()) -> dict[str, Floats]:
        """`lower_80`, `upper_80`, `lower_95` and `upper_95` of `forecasts` (n,), each (n,), in their unit.

        `series` (n,) are the names of the rows' series; a series without quantiles of its own gets the pooled
        ones. Scaled bounds are at least 0, as their targets are.
        """
        margins = [self.by_series.get(name, self.pooled) for name in series] or [self.pooled]
        scale, least = self._scale(forecasts), -np.inf if self.smallest_scale is None else 0.0
        found: dict[str, Floats] = {}
        for level in LEVELS:
            reach = scale * np.array([each.at(level) for each in margins])
            found[f"lower_{level}"] = np.maximum(forecasts - reach, least)
            found[f"upper_{level}"] = np.maximum(forecasts + reach, least)
        return found

    def _scale(self, forecasts: Floats) -> Floats:
        if self.smallest_scale is None:
            return np.ones(len(forecasts))
        return np.maximum(forecasts, self.smallest_scale)


@dataclass(frozen=True)
class ValidationForecasts:
    """Forecasts (n,) of the validation rows of all folds, and their targets (n,), in the target's unit.

    `series` (n,) is the number of each row's series among `names`, which are empty for one without a name.
    """

    forecasts: Floats
    targets: Floats
    series: Rows
    names: tuple[str, ...] = ()

    @classmethod
    def of_folds(
        cls, folds: Sequence[Dataset], forecasts: Sequence[npt.NDArray[np.floating]]
    ) -> "ValidationForecasts":
        """Of standardised `forecasts`, (rows,) for each of `folds`."""
        pairs = list(zip(folds, forecasts, strict=True))
        return cls(
            forecasts=np.concatenate([in_own_unit(data, data.validation, each) for data, each in pairs]),
            targets=np.concatenate(
                [in_own_unit(data, data.validation, data.target[data.validation]) for data in folds]
            ),
            series=np.concatenate([data.series_numbers[data.validation] for data in folds]),
            names=folds[0].series_names,
        )


def in_own_unit(data: Dataset, rows: Rows, values: npt.NDArray[np.floating]) -> Floats:
    """Standardised `values` of `rows`, (n,) both, in the unit of the target."""
    mean, std = data.scaler.target_moments(data.series_numbers[rows])
    own: Floats = values.astype(np.float64) * std + mean
    return own


def measure_intervals(
    config: DataConfig, found: ValidationForecasts, source: ResidualSource
) -> ForecastIntervals:
    """The intervals for `config.target` from at least 19 validation rows.

    If the target is a volatility and its forecasts are positive, residuals are relative to the forecast:
    errors grow with the volatility. The residuals of a log volatility do not, and those of another target are
    taken as they are: a table of new rows may lack the columns from which its past volatility would come.
    A series of a panel with 250 · horizon residuals gets quantiles of its own.
    """
    smallest = float(found.forecasts.min())
    is_level = config.target.kind == "volatility" and not is_log_volatility(config)
    is_scaled = is_level and smallest > 0 and float(found.targets.min()) >= 0
    scores = np.abs(found.targets - found.forecasts) / (found.forecasts if is_scaled else 1.0)
    by_number = {name: scores[found.series == number] for number, name in enumerate(found.names)}
    enough = MIN_SERIES_ROWS * config.target.horizon
    return ForecastIntervals(
        source=source,
        smallest_scale=smallest if is_scaled else None,
        pooled=_margins(scores),
        by_series={name: _margins(own) for name, own in by_number.items() if len(own) >= enough},
    )


def _margins(scores: Floats) -> Margins:
    if len(scores) < MIN_ROWS:
        raise ValueError(f"{len(scores)} residuals have no quantile at 95 %; give {MIN_ROWS} or more")
    ordered = np.sort(scores)
    return Margins(rows=len(scores), **{f"at_{level}": _quantile(ordered, level) for level in LEVELS})


def _quantile(ordered: Floats, level: int) -> float:
    """The ⌈(n + 1) · level⌉-th smallest: one new score is at most this with probability ≥ level."""
    rank = -(-(len(ordered) + 1) * level // 100)
    return float(ordered[rank - 1])
