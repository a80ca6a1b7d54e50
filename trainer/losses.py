"""The losses of forecasts. This is the only place that defines one.

The kernels, the naive forecasts and rivals, the stored validation rows, skill and verification all use a
`Loss`; none of them squares an error itself. Arrays are NumPy arrays or PyTorch tensors: a loss uses
operators and methods that both have, so that this module imports neither.
"""

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Loss(Protocol):
    """A loss of forecasts, row by row; the loss of a model is the mean over rows."""

    name: str
    """The name in a configuration; kernels find their compiled code by it."""
    unit: str
    """The unit of a value, in words."""

    def value(self, forecast: Any, target: Any) -> Any:
        """The loss of each row; `forecast` and `target` have shapes that broadcast, (…, rows) and (rows,)."""

    def gradient(self, forecast: Any, target: Any) -> Any:
        """The derivative of `value` with respect to the forecast, row by row, in the shape of `value`."""

    def best_constant(self, target: "npt.NDArray[np.float64]") -> float:
        """The constant with the lowest mean loss on `target` (rows,), rows > 0."""


class SquaredError:
    """(forecast − target)²."""

    name = "mse"
    unit = "target units squared"

    def value(self, forecast: Any, target: Any) -> Any:
        """The squared error of each row."""
        return (forecast - target) ** 2

    def gradient(self, forecast: Any, target: Any) -> Any:
        """2 (forecast − target)."""
        return 2 * (forecast - target)

    def best_constant(self, target: "npt.NDArray[np.float64]") -> float:
        """The mean."""
        return float(target.mean())


MSE: Final[Loss] = SquaredError()

LOSSES: Final[dict[str, Loss]] = {loss.name: loss for loss in (MSE,)}
"""Every loss by name."""


def mean_loss(forecast: Any, target: Any, loss: Loss) -> float:
    """The loss of `forecast` (rows,) on `target` (rows,), the mean over rows."""
    return float(loss.value(forecast, target).mean())
