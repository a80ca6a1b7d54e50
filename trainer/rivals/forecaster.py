"""The interface of naive forecasts and rivals: fitted on training rows, they forecast any rows."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

from trainer.data.arrays import Floats, Rows
from trainer.data.windows import Dataset
from trainer.losses import Loss

Predict = Callable[[Rows], Floats]
"""Maps rows of the data to forecasts (rows,), in units of the standardised target."""

POOLED = "_pooled"
"""How the name of a forecaster ends that is fitted to all series together, beside one for each series."""

Role = Literal["baseline", "rival"]
"""Skill is measured against the best `baseline`; a `rival` is a competitor that is reported as well."""


class Forecaster(ABC):
    """One naive forecast or rival. A new one is a subclass and an entry in `registry.FORECASTERS`.

    `fit` takes the data of one or of several series. Of several, it fits one model to all of them, and looks
    back within each series alone.
    """

    name: str
    roles: frozenset[Role]
    pooled: ClassVar[bool] = False
    """Whether it is fitted on all series together. If False, each series is fitted and forecast by itself."""
    follows_loss: bool = True
    """Whether `fit` depends on the loss."""
    of_quantiles: ClassVar[bool] = False
    """Whether it is only of use if several quantiles are forecast."""

    def suits(self, data: Dataset) -> bool:
        """Whether it makes sense for the target and the bars of these data."""
        return True

    def first_row(self, data: Dataset) -> int:
        """The first row that it can forecast."""
        return 0

    @abstractmethod
    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """Fit on the training rows of `data`, for `loss` if the method can.

        A row without the history that the method needs is forecast as NaN. Raises RivalError or LinAlgError
        if it cannot be fitted.
        """


class Pooled(Forecaster):
    """Another forecaster, fitted on all series together; for data of several series alone."""

    pooled = True

    def __init__(self, of: Forecaster) -> None:
        self._of = of
        self.name = f"{of.name}{POOLED}"
        self.roles = of.roles
        self.follows_loss = of.follows_loss

    def suits(self, data: Dataset) -> bool:
        """Whether there are several series that the other forecaster suits."""
        return len(data.series_starts) > 1 and self._of.suits(data)

    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """As the other forecaster does."""
        return self._of.fit(data, loss)


def everywhere(forecasts: Floats) -> Predict:
    """The Predict of a forecaster that has forecast all rows (T,) at once."""
    return lambda rows: forecasts[rows]
