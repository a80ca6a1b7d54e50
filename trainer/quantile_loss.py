"""The loss of quantiles of the target, and of a forecast that gives several of them.

Pinball loss: Koenker & Bassett (1978), "Regression Quantiles". It is taken twice, so that the median alone
costs the absolute error; over quantiles that fill 0 … 1 its mean is the continuous ranked probability score:
Gneiting & Ranjan (2011), "Comparing Density Forecasts Using Threshold- and Quantile-Weighted Scoring Rules".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

QUANTILES = (0.025, 0.1, 0.5, 0.9, 0.975)
"""The median, and the ends of the central 80 and 95 %."""
MEDIAN = 0.5
_TINY = 1e-6
"""Absolute errors below this, in standard deviations, count as equal when a quantile is fitted."""


def wrong_quantiles(quantiles: Sequence[float]) -> str | None:
    """Why a forecast cannot have these quantiles, as a clause; None if it can."""
    if not all(0 < each < 1 for each in quantiles):
        return "a quantile lies between 0 and 1, both excluded, as 0.1 for 10 %"
    if MEDIAN not in quantiles:
        return "0.5 is missing: the median is the forecast"
    if list(quantiles) != sorted(set(quantiles)):
        return "quantiles ascend, and none occurs twice"
    return None


@dataclass(frozen=True)
class PinballLoss:
    """2 · quantile · (target − forecast) for a forecast that is too low, and 2 · (1 − quantile) · (forecast −
    target) for one that is too high.

    Its best forecast is a quantile of the target. Rivals are fitted to one quantile after the other by it.
    """

    quantile: float = MEDIAN

    name = "pinball"
    label = "pinball loss"
    unit = "target units"
    outputs = 1

    def value(self, forecast: Any, target: Any) -> Any:
        """The loss of each row."""
        below = (target - forecast).clip(0)
        return 2 * (self.quantile * below + (1 - self.quantile) * (below - (target - forecast)))

    def gradient(self, forecast: Any, target: Any) -> Any:
        """2 (1 − quantile) above the target, −2 quantile below it; 0 for an exact forecast."""
        sign = _sign(forecast - target)
        return 2 * sign * ((sign > 0) * (1 - self.quantile) + (sign <= 0) * self.quantile)

    def curvature(self, forecast: Any, target: Any) -> Any:
        """1 / |error|, for errors above a millionth: Hunter & Lange (2000), "Quantile Regression via an MM
        Algorithm".
        """
        return 1 / abs(forecast - target).clip(_TINY)

    def best_constant(self, target: "npt.NDArray[np.float64]") -> float:
        """The quantile of `target`."""
        import numpy as np

        return float(np.quantile(target, self.quantile, method="averaged_inverted_cdf"))

    def scaled(self, target_std: Any) -> Self:
        """Itself."""
        return self

    def of_squared_error(self, square: float) -> tuple[float, float]:
        """The lower and the higher of the two sides."""
        sides = [2 * share * math.sqrt(square) for share in (self.quantile, 1 - self.quantile)]
        return min(sides), max(sides)

    def skill_of_share(self, share: float) -> float:
        """1 − √(1 − share), whatever the distribution of the errors: all its quantiles shrink alike."""
        return 1 - math.sqrt(1 - share)

    def to_json(self) -> dict[str, Any]:
        """The name and the quantile."""
        return {"name": self.name, "quantile": self.quantile}


@dataclass(frozen=True)
class QuantileLoss:
    """The mean over the `quantiles` of their pinball losses; forecasts are (…, rows, outputs), an output for
    each quantile, in their order.
    """

    quantiles: tuple[float, ...] = QUANTILES

    name = "quantile"
    label = "pinball loss"
    unit = "target units"

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantiles", tuple(self.quantiles))

    @property
    def outputs(self) -> int:
        """How many quantiles there are."""
        return len(self.quantiles)

    @property
    def median(self) -> int:
        """The output that is the forecast."""
        return self.quantiles.index(MEDIAN)

    @property
    def parts(self) -> tuple[PinballLoss, ...]:
        """The loss of each quantile."""
        return tuple(map(PinballLoss, self.quantiles))

    def value(self, forecast: Any, target: Any) -> Any:
        """The loss of each row, (…, rows)."""
        at, rest = self._levels(forecast)
        above = forecast - target[..., None]
        below = (-above).clip(0)
        return (2 * (at * below + rest * (below + above))).mean(-1)

    def gradient(self, forecast: Any, target: Any) -> Any:
        """That of each quantile's pinball loss, divided by their number: (…, rows, outputs)."""
        at, rest = self._levels(forecast)
        sign = _sign(forecast - target[..., None])
        return 2 / self.outputs * sign * ((sign > 0) * rest + (sign <= 0) * at)

    def curvature(self, forecast: Any, target: Any) -> Any:
        """That of each quantile's pinball loss, divided by their number: (…, rows, outputs)."""
        return 1 / (self.outputs * abs(forecast - target[..., None]).clip(_TINY))

    def best_constant(self, target: "npt.NDArray[np.float64]") -> "npt.NDArray[np.float64]":
        """The quantiles of `target`, (outputs,)."""
        import numpy as np

        return np.array([each.best_constant(target) for each in self.parts])

    def scaled(self, target_std: Any) -> Self:
        """Itself."""
        return self

    def of_squared_error(self, square: float) -> tuple[float, float]:
        """Of a forecast whose quantiles are all the same: the lower and the higher of the two sides."""
        below = 2 * fmean(self.quantiles) * math.sqrt(square)
        above = 2 * math.sqrt(square) - below
        return min(below, above), max(below, above)

    def skill_of_share(self, share: float) -> float:
        """As of a single quantile."""
        return PinballLoss().skill_of_share(share)

    def to_json(self) -> dict[str, Any]:
        """The name and the quantiles."""
        return {"name": self.name, "quantiles": list(self.quantiles)}

    def _levels(self, forecast: Any) -> tuple[Any, Any]:
        """The quantiles and 1 − quantiles, (outputs,) each, as numbers of the type of `forecast`."""
        rest = [1 - each for each in self.quantiles]
        if hasattr(forecast, "new_tensor"):
            return forecast.new_tensor(self.quantiles), forecast.new_tensor(rest)
        import numpy as np

        return np.array(self.quantiles, forecast.dtype), np.array(rest, forecast.dtype)


def _sign(values: Any) -> Any:
    """−1, 0 or 1; NaN stays."""
    if hasattr(values, "sign"):
        return values.sign()
    import numpy as np

    return np.sign(values)
