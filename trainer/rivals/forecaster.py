"""The interface of naive forecasts and rivals: fitted on training rows, they forecast any rows."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

from trainer.data.arrays import Floats, Rows
from trainer.data.windows import Dataset
from trainer.losses import Loss

Predict = Callable[[Rows], Floats]
"""Maps rows of the data to forecasts (rows,), in units of the standardised target."""

Role = Literal["baseline", "rival"]
"""Skill is measured against the best `baseline`; a `rival` is a competitor that is reported as well."""


class Forecaster(ABC):
    """One naive forecast or rival. A new one is a subclass and an entry in `registry.FORECASTERS`."""

    name: ClassVar[str]
    roles: ClassVar[frozenset[Role]]
    pooled: ClassVar[bool] = False
    """Whether it is fitted on all series together. If False, each series is fitted and forecast by itself."""

    def suits(self, data: Dataset) -> bool:
        """Whether it makes sense for the target and the bars of these data."""
        return True

    def first_row(self, data: Dataset) -> int:
        """The first row that it can forecast."""
        return 0

    @abstractmethod
    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """Fit on the training rows of `data`, for `loss` if the method can.

        Raises RivalError or LinAlgError if it cannot be fitted.
        """


def everywhere(forecasts: Floats) -> Predict:
    """The Predict of a forecaster that has forecast all rows (T,) at once."""
    return lambda rows: forecasts[rows]
