"""The rivals of a study: forecasters that are fitted in seconds to the same rows and features as the GRU."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from trainer.data.arrays import Floats, Rows
from trainer.data.windows import Dataset
from trainer.errors import RivalError
from trainer.losses import Loss
from trainer.rivals.baselines import forecast, require_history
from trainer.rivals.registry import forecasters


@dataclass(frozen=True)
class Rivals:
    """Forecasts of each rival, each of shape (rows,), in units of the standardised target.

    `absent` gives the reason for each rival that could not be fitted.
    """

    forecasts: Mapping[str, Floats]
    absent: Mapping[str, str]

    def row_losses(self, target: Floats, loss: Loss) -> dict[str, Floats]:
        """The losses (rows,) of each rival on the standardised `target` (rows,)."""
        return {name: loss.value(forecasts, target) for name, forecasts in self.forecasts.items()}

    def losses(self, target: Floats, loss: Loss) -> dict[str, float]:
        """The mean loss of each rival on the standardised `target` (rows,)."""
        return {name: float(each.mean()) for name, each in self.row_losses(target, loss).items()}


@dataclass(frozen=True)
class RivalLosses:
    """Loss of each rival on the validation rows, the mean over folds, and why the others are absent."""

    losses: Mapping[str, float]
    absent: Mapping[str, str]

    @property
    def strongest(self) -> str | None:
        """The rival with the lowest loss; None if none could be fitted."""
        return min(self.losses, key=lambda name: self.losses[name]) if self.losses else None


def rival_forecasts(data: Dataset, rows: Rows, loss: Loss) -> Rivals:
    """Fit every rival on the training rows of `data` and forecast `rows`.

    Raises DataError if a row lacks the target history that a naive forecast needs.
    """
    require_history(data, rows)
    forecasts: dict[str, Floats] = {}
    absent: dict[str, str] = {}
    for rival in forecasters("rival", data):
        try:
            predicted = forecast(rival, data, rows, loss)
        except (RivalError, np.linalg.LinAlgError) as error:
            absent[rival.name] = str(error)
            continue
        if np.isfinite(predicted).all():
            forecasts[rival.name] = predicted
        else:
            absent[rival.name] = "its forecasts are not finite in all rows"
    return Rivals(forecasts, absent)


def rivals_of_folds(folds: Sequence[Dataset], loss: Loss) -> list[Rivals]:
    """The rivals of each fold on its validation rows."""
    return [rival_forecasts(data, data.validation, loss) for data in folds]


def rival_losses(folds: Sequence[Dataset], rivals: Sequence[Rivals], loss: Loss) -> RivalLosses:
    """Mean loss over the folds of each rival that every fold has; `rivals` are those of the folds."""
    losses = [
        each.losses(data.target[data.validation].astype(np.float64), loss)
        for data, each in zip(folds, rivals, strict=True)
    ]
    absent = {
        name: f"{data.fold}: {reason}" if data.fold else reason
        for data, each in zip(folds, rivals, strict=True)
        for name, reason in each.absent.items()
    }
    names = [name for name in losses[0] if name not in absent]
    return RivalLosses({name: fmean(each[name] for each in losses) for name in names}, absent)
