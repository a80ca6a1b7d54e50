"""Bounds from forecasts of quantiles: conformalised quantile regression.

validation rows ──► how far the target lies beyond the two quantiles ──► its quantile ──► both move by it

Romano, Patterson & Candès (2019), "Conformalized Quantile Regression". The quantiles of the model make the
bounds wide where it expects large errors; the offset, which may be negative, makes them hold as often as
their level says on rows that are exchangeable with the validation rows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import BeforeValidator, model_validator

from trainer.config import Section
from trainer.config.section import as_tuple
from trainer.data.arrays import Floats, Rows
from trainer.losses import Loss
from trainer.quantile_loss import QuantileLoss


@dataclass(frozen=True)
class QuantileForecasts:
    """Forecasts (n, outputs) of `quantiles`, in the target's unit."""

    values: Floats
    quantiles: tuple[float, ...]

    @classmethod
    def of(cls, loss: Loss, values: Floats) -> "QuantileForecasts | None":
        """None if `values` (n,) are not of several quantiles."""
        return cls(values, loss.quantiles) if isinstance(loss, QuantileLoss) else None


class QuantileMargins(Section):
    """By how much the bounds lie beyond the quantiles that they come from, by their level in percent."""

    quantiles: Annotated[tuple[float, ...], BeforeValidator(as_tuple)]
    """Those that the model forecasts."""
    pooled: Mapping[int, float]
    """In the target's unit, from the validation rows of all series."""
    by_series: Mapping[str, Mapping[int, float]]
    """From those of each series with enough of them, by its name."""

    @model_validator(mode="after")
    def _levels_have_two_quantiles(self) -> Self:
        ends = ends_of_levels(self.quantiles, tuple(self.pooled))
        if any(each.keys() != ends.keys() for each in (self.pooled, *self.by_series.values())):
            raise ValueError("a level has no two quantiles")
        return self

    def bounds(self, forecasts: Floats, series: Sequence[str], level: int) -> tuple[Floats, Floats]:
        """The lower and the upper bounds (n,) of forecasts (n, outputs) at one of the levels of `pooled`;
        `series` (n,) are the names of the rows' series.
        """
        low, high = ends_of_levels(self.quantiles, (level,))[level]
        offsets = [self.by_series.get(name, self.pooled)[level] for name in series] or [self.pooled[level]]
        return forecasts[:, low] - offsets, forecasts[:, high] + offsets


def ends_of_levels(quantiles: Sequence[float], levels: Sequence[int]) -> dict[int, tuple[int, int]]:
    """The numbers of the two quantiles that enclose the central part of each level in percent, of those
    levels that have both.
    """

    def number(wanted: float) -> int | None:
        return next((i for i, each in enumerate(quantiles) if math.isclose(each, wanted)), None)

    ends = {level: (number((100 - level) / 200), number((100 + level) / 200)) for level in levels}
    return {level: (low, high) for level, (low, high) in ends.items() if low is not None and high is not None}


def measure_quantile_margins(
    found: QuantileForecasts,
    targets: Floats,
    series: Rows,
    names: Sequence[str],
    levels: Sequence[int],
    enough: int,
) -> QuantileMargins:
    """From validation rows: `targets` (n,) and the number of the series (n,) among `names`. A series with
    `enough` rows gets offsets of its own.
    """
    beyond = {
        level: np.maximum(found.values[:, low] - targets, targets - found.values[:, high])
        for level, (low, high) in ends_of_levels(found.quantiles, levels).items()
    }

    def offsets(rows: Rows) -> dict[int, float]:
        return {level: conformal_quantile(np.sort(each[rows]), level) for level, each in beyond.items()}

    own = {name: np.flatnonzero(series == number) for number, name in enumerate(names)}
    return QuantileMargins(
        quantiles=found.quantiles,
        pooled=offsets(np.arange(len(targets))),
        by_series={name: offsets(rows) for name, rows in own.items() if len(rows) >= enough},
    )


def conformal_quantile(ordered: Floats, level: int) -> float:
    """The ⌈(n + 1) · level⌉-th smallest of (n,): a new one is at most this with probability ≥ level."""
    rank = -(-(len(ordered) + 1) * level // 100)
    return float(ordered[rank - 1])
