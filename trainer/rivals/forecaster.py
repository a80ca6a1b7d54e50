"""What every naive forecast and every rival is: it is fitted on training rows and forecasts any rows."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

from trainer.data.arrays import Floats, Rows
from trainer.data.windows import Dataset
from trainer.losses import Loss

Predict = Callable[[Rows], Floats]
"""From rows of the data to their forecasts (rows,), in units of the standardised target."""

Role = Literal["baseline", "rival"]
"""Skill is measured from the best `baseline`; a `rival` is a competitor that is reported beside it."""


class Forecaster(ABC):
    """One naive forecast or rival. A new one is a subclass and an entry in `registry.FORECASTERS`."""

    name: ClassVar[str]
    roles: ClassVar[frozenset[Role]]
    pooled: ClassVar[bool] = False
    """Whether it is fitted on all series together. If not, each series is fitted and forecast by itself."""

    def suits(self, data: Dataset) -> bool:
        """Whether it makes sense for the kind and the clock of these data."""
        return True

    def first_row(self, data: Dataset) -> int:
        """The first row that it can forecast."""
        return 0

    @abstractmethod
    def fit(self, data: Dataset, loss: Loss) -> Predict:
        """Fit on the training rows of `data`, to `loss` if it can be.

        Raises RivalError or LinAlgError where it cannot be fitted.
        """


def everywhere(forecasts: Floats) -> Predict:
    """What a forecaster returns that has forecast all rows (T,) at once."""
    return lambda rows: forecasts[rows]
