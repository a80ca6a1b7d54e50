"""The losses of forecasts. This and `trainer.quantile_loss` are the only places that define one.

The kernels, the naive forecasts and rivals, the stored validation rows, skill and verification all use a
`Loss`; none of them squares an error itself. Arrays are NumPy arrays or PyTorch tensors: a loss uses
operators and methods that both have, so that this module imports neither before it is used.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self

from trainer.quantile_loss import QuantileLoss

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LossName = Literal["mse", "mae", "huber", "qlike", "quantile"]

HUBER_DELTA = 1.345
"""With this many standard deviations Huber's estimate is 95 % as efficient as least squares if errors are
normal: Huber (1981), "Robust Statistics"."""

_TINY = 1e-6
"""Absolute errors below this, in standard deviations, count as equal when an absolute error is fitted."""
_QUANTILES = 2000


class Loss(Protocol):
    """A loss of forecasts, row by row; the loss of a model is the mean over rows.

    Forecasts and targets are standardised: in units of the standard deviation of the training target. A loss
    whose model has several outputs for a row takes forecasts (…, rows, outputs), and its `value` has shape
    (…, rows) all the same.
    """

    name: str
    """The name in a configuration; kernels find their compiled code by it."""
    label: str
    """A short name for axes and tables."""
    unit: str
    """The unit of a value, in words."""

    @property
    def outputs(self) -> int:
        """How many numbers a forecast of a row has; of 1 there is no axis of outputs."""

    def value(self, forecast: Any, target: Any) -> Any:
        """The loss of each row; `forecast` and `target` have shapes that broadcast, (…, rows) and (rows,)."""

    def gradient(self, forecast: Any, target: Any) -> Any:
        """The derivative of `value` with respect to the forecast, row by row, in its shape."""

    def curvature(self, forecast: Any, target: Any) -> Any:
        """How much each row weighs in the least-squares problem that stands for the loss near `forecast`, in
        its shape; positive. Regressions of rivals are fitted by solving such problems in turn.
        """

    def best_constant(self, target: "npt.NDArray[np.float64]") -> Any:
        """The constant with the lowest mean loss on `target` (rows,), rows > 0: a number, or (outputs,)."""

    def scaled(self, target_std: Any) -> "Loss":
        """The loss of forecasts whose unit is `target_std`, a number or (rows,), in the target's own unit."""

    def of_squared_error(self, square: float) -> tuple[float, float]:
        """The lower and the higher loss of the two forecasts, one too high and one too low, that both have
        this squared error. Limits are set as squared errors, and compared with the loss as this.
        """

    def skill_of_share(self, share: float) -> float:
        """The skill of a forecast that removes this share of the squared error, 0 … 1, from errors that are
        normal and as large as the target's standard deviation.
        """

    def to_json(self) -> dict[str, Any]:
        """What `recorded_loss` makes the loss of again."""


@dataclass(frozen=True)
class SquaredError:
    """(forecast − target)²."""

    name = "mse"
    label = "MSE"
    unit = "target units squared"
    outputs = 1

    def value(self, forecast: Any, target: Any) -> Any:
        """The squared error of each row."""
        return (forecast - target) ** 2

    def gradient(self, forecast: Any, target: Any) -> Any:
        """2 (forecast − target)."""
        return 2 * (forecast - target)

    def curvature(self, forecast: Any, target: Any) -> Any:
        """2."""
        return 0 * (forecast - target) + 2

    def best_constant(self, target: "npt.NDArray[np.float64]") -> float:
        """The mean."""
        return float(target.mean())

    def scaled(self, target_std: Any) -> Self:
        """Itself."""
        return self

    def of_squared_error(self, square: float) -> tuple[float, float]:
        """The square."""
        return square, square

    def skill_of_share(self, share: float) -> float:
        """The share."""
        return share

    def to_json(self) -> dict[str, Any]:
        """The name."""
        return {"name": self.name}


@dataclass(frozen=True)
class AbsoluteError:
    """|forecast − target|."""

    name = "mae"
    label = "MAE"
    unit = "target units"
    outputs = 1

    def value(self, forecast: Any, target: Any) -> Any:
        """The absolute error of each row."""
        return abs(forecast - target)

    def gradient(self, forecast: Any, target: Any) -> Any:
        """The sign of the error; 0 for an exact forecast."""
        return _applied("sign", forecast - target)

    def curvature(self, forecast: Any, target: Any) -> Any:
        """1 / |error|, for errors above a millionth: Schlossmacher (1973), "An Iterative Technique for
        Absolute Deviations Curve Fitting".
        """
        return 1 / abs(forecast - target).clip(_TINY)

    def best_constant(self, target: "npt.NDArray[np.float64]") -> float:
        """The median."""
        return float(_numpy().median(target))

    def scaled(self, target_std: Any) -> Self:
        """Itself."""
        return self

    def of_squared_error(self, square: float) -> tuple[float, float]:
        """The root of the square."""
        return math.sqrt(square), math.sqrt(square)

    def skill_of_share(self, share: float) -> float:
        """1 − √(1 − share), whatever the distribution of the errors."""
        return 1 - math.sqrt(1 - share)

    def to_json(self) -> dict[str, Any]:
        """The name."""
        return {"name": self.name}


@dataclass(frozen=True)
class HuberLoss:
    """Half the squared error up to `delta`, and linear above it: Huber (1964), "Robust Estimation of a
    Location Parameter".

    `delta` is in standard deviations of the training target, so that it means the same for any unit, horizon
    and fold.
    """

    delta: float = HUBER_DELTA

    name = "huber"
    label = "Huber loss"
    unit = "target units squared"
    outputs = 1

    def value(self, forecast: Any, target: Any) -> Any:
        """error² / 2, or delta · (|error| − delta / 2) for a larger error."""
        miss = forecast - target
        near = miss.clip(-self.delta, self.delta)
        return near * (miss - near / 2)

    def gradient(self, forecast: Any, target: Any) -> Any:
        """The error, but within ±delta."""
        return (forecast - target).clip(-self.delta, self.delta)

    def curvature(self, forecast: Any, target: Any) -> Any:
        """1, or delta / |error| for a larger error."""
        return self.delta / abs(forecast - target).clip(self.delta)

    def best_constant(self, target: "npt.NDArray[np.float64]") -> float:
        """Found by Newton's method, from the median on; accurate to 1e-12 of the spread."""
        return _root_of_slope(self, target, float(_numpy().median(target)))

    def scaled(self, target_std: Any) -> Self:
        """Itself: `delta` is in the unit of standardised forecasts."""
        return self

    def of_squared_error(self, square: float) -> tuple[float, float]:
        """The loss at the root of the square."""
        loss = self._of(math.sqrt(square))
        return loss, loss

    def skill_of_share(self, share: float) -> float:
        """Between the share, for errors within `delta`, and that of the absolute error."""
        smaller, sizes = math.sqrt(1 - share), _normal_sizes()
        return 1 - fmean(self._of(smaller * size) for size in sizes) / fmean(map(self._of, sizes))

    def to_json(self) -> dict[str, Any]:
        """The name and delta."""
        return {"name": self.name, "delta": self.delta}

    def _of(self, size: float) -> float:
        near = min(size, self.delta)
        return near * (size - near / 2)


@dataclass(frozen=True)
class QLike:
    """v / h − log(v / h) − 1, with the variances v of the target and h of the forecast, of which both are the
    logarithm: Patton (2011), "Volatility forecast comparison using imperfect volatility proxies".

    The logarithm of a variance is `power` times the target: 1 if that is the logarithm of a variance, 2 if it
    is that of a volatility. `target_std` is the target's standard deviation, by which standardised forecasts
    are multiplied; None until `scaled` has given it.
    """

    power: float = 2.0
    target_std: Any = None

    name = "qlike"
    label = "QLIKE"
    unit = "no unit (a ratio of variances)"
    outputs = 1

    @property
    def factor(self) -> Any:
        """What a standardised forecast is multiplied by to be the logarithm of a variance."""
        if self.target_std is None:
            raise TypeError("qlike needs the target's standard deviation; call scaled first")
        return self.power * self.target_std

    def value(self, forecast: Any, target: Any) -> Any:
        """exp(d) − d − 1 with d = log(v / h)."""
        above = self.factor * (target - forecast)
        return _applied("expm1", above) - above

    def gradient(self, forecast: Any, target: Any) -> Any:
        """Factor · (1 − exp(d))."""
        return -self.factor * _applied("expm1", self.factor * (target - forecast))

    def curvature(self, forecast: Any, target: Any) -> Any:
        """The second derivative, factor² · exp(d)."""
        return self.factor**2 * _applied("exp", self.factor * (target - forecast))

    def best_constant(self, target: "npt.NDArray[np.float64]") -> float:
        """The logarithm of the mean variance, in the unit of the standardised target. Rows that have another
        `target_std` each have none in closed form; it is then found by Newton's method.
        """
        numpy = _numpy()
        if numpy.ndim(self.factor):
            return _root_of_slope(self, target, float(target.max()))
        logs = self.factor * target
        largest = float(logs.max())
        return float((largest + math.log(float(numpy.exp(logs - largest).mean()))) / self.factor)

    def scaled(self, target_std: Any) -> Self:
        """With this `target_std`."""
        return replace(self, target_std=target_std)

    def of_squared_error(self, square: float) -> tuple[float, float]:
        """Those of a forecast that is too high, and too low, by the root of the square."""
        size = float(_numpy().max(self.factor)) * math.sqrt(square)
        return math.expm1(-size) + size, _expm1(size) - size

    def skill_of_share(self, share: float) -> float:
        """Of errors d that are normal, E[exp(d)] = exp(var / 2)."""
        variance = float(_numpy().max(self.factor)) ** 2
        return 1 - _expm1((1 - share) * variance / 2) / _expm1(variance / 2)

    def to_json(self) -> dict[str, Any]:
        """The name, the power and, if it is one number, the target's standard deviation."""
        std = {"target_std": self.target_std} if isinstance(self.target_std, float) else {}
        return {"name": self.name, "power": self.power, **std}


MSE: Final[Loss] = SquaredError()

LOSSES: Final[dict[str, Loss]] = {
    loss.name: loss for loss in (MSE, AbsoluteError(), HuberLoss(), QLike(), QuantileLoss())
}
"""Every loss by name, with its usual parameters."""


def recorded_loss(recorded: Mapping[str, Any] | None) -> Loss:
    """The loss of which `to_json` was recorded; None means the squared error, which older versions did not
    record.
    """
    if recorded is None:
        return MSE
    parameters = {name: value for name, value in recorded.items() if name != "name"}
    kept = LOSSES[recorded["name"]]
    return replace(kept, **parameters) if parameters else kept  # type: ignore[type-var]


def share_of_skill(skill: float, loss: Loss) -> float:
    """The share of the squared error of which `Loss.skill_of_share` makes this skill, 0 … 1."""
    if loss.name == MSE.name:
        return skill
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if loss.skill_of_share(middle) < skill else (low, middle)
    return high


def point_forecast(forecasts: Any, loss: Loss) -> Any:
    """The forecasts (…, rows) that those of a model with this loss are, in one number each: the medians of
    quantiles (…, rows, outputs).
    """
    return forecasts[..., loss.median] if isinstance(loss, QuantileLoss) else forecasts


def judged_forecasts(forecasts: Any, loss: Loss, metric: Loss) -> Any:
    """What `metric` judges of the forecasts of a model that was trained by `loss`."""
    return forecasts if metric.outputs > 1 else point_forecast(forecasts, loss)


def mean_loss(forecast: Any, target: Any, loss: Loss) -> float:
    """The loss of `forecast`, (rows,) or (rows, outputs), on `target` (rows,), the mean over rows."""
    return float(loss.value(forecast, target).mean())


def _applied(function: str, values: Any) -> Any:
    """A function that PyTorch has as a method, and NumPy as a function of its own."""
    method = getattr(values, function, None)
    return getattr(_numpy(), function)(values) if method is None else method()


def _numpy() -> Any:
    import numpy

    return numpy


def _expm1(exponent: float) -> float:
    """exp(x) − 1; infinite if it is too large for a float."""
    return math.expm1(exponent) if exponent < 700 else math.inf


@cache
def _normal_sizes() -> tuple[float, ...]:
    """Evenly spaced quantiles of the absolute value of a standard normal variable."""
    normal = NormalDist()
    return tuple(normal.inv_cdf(0.5 + (number + 0.5) / (2 * _QUANTILES)) for number in range(_QUANTILES))


def _root_of_slope(loss: Loss, target: "npt.NDArray[np.float64]", start: float) -> float:
    """The constant at which the mean gradient on `target` (rows,) is 0, from `start` on; the gradient rises
    with the constant.
    """
    low, high, found = float(target.min()), float(target.max()), start
    for _ in range(200):
        slope = float(loss.gradient(found, target).sum())
        low, high = (low, found) if slope > 0 else (found, high)
        step = slope / float(loss.curvature(found, target).sum())
        after = found - step if low < found - step < high else (low + high) / 2
        if abs(after - found) <= 1e-12 * max(high - low, 1e-300) or after == found:
            break
        found = after
    return found
