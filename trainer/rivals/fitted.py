"""The rivals of a study: forecasters that are fitted in seconds to the same rows and features as the GRU."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from trainer.data.arrays import Floats, Rows
from trainer.data.windows import Dataset
from trainer.errors import RivalError
from trainer.losses import Loss
from trainer.rivals.baselines import forecast, require_history
from trainer.rivals.registry import forecasters

_MOST_NAMED = 3


@dataclass(frozen=True)
class Rivals:
    """Forecasts of each rival, (rows,) or (rows, outputs) each, in units of the standardised target.

    `absent` gives the reason for each rival that could not be fitted. `notes` says for some of the others
    which series could not have a fit of their own.
    """

    forecasts: Mapping[str, Floats]
    absent: Mapping[str, str]
    notes: Mapping[str, str] = field(default_factory=dict)

    def row_losses(self, target: Floats, loss: Loss) -> dict[str, Floats]:
        """The losses (rows,) of each rival on the standardised `target` (rows,), in whose unit `loss` is."""
        return {name: loss.value(forecasts, target) for name, forecasts in self.forecasts.items()}

    def losses(self, target: Floats, loss: Loss) -> dict[str, float]:
        """The mean loss of each rival on the standardised `target` (rows,)."""
        return {name: float(each.mean()) for name, each in self.row_losses(target, loss).items()}


@dataclass(frozen=True)
class RivalLosses:
    """Loss of each rival on the validation rows, the mean over folds, and why the others are absent.

    `notes` are those of the rivals in the last fold that has any.
    """

    losses: Mapping[str, float]
    absent: Mapping[str, str]
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def strongest(self) -> str | None:
        """The rival with the lowest loss; None if none could be fitted."""
        return min(self.losses, key=lambda name: self.losses[name]) if self.losses else None


def rival_forecasts(data: Dataset, rows: Rows, loss: Loss) -> Rivals:
    """Fit every rival on the training rows of `data` and forecast `rows`.

    Raises DataError if a row lacks the target history that a naive forecast needs.
    """
    require_history(data, rows, loss)
    loss = data.in_units(loss)
    forecasts: dict[str, Floats] = {}
    absent: dict[str, str] = {}
    notes: dict[str, str] = {}
    for rival in forecasters("rival", data, loss):
        try:
            predicted = forecast(rival, data, rows, loss)
        except (RivalError, np.linalg.LinAlgError) as error:
            absent[rival.name] = str(error)
            continue
        if not np.isfinite(predicted.values).all():
            absent[rival.name] = "its forecasts are not finite in all rows"
            continue
        forecasts[rival.name] = predicted.values
        if predicted.pooled:
            notes[rival.name] = _fitted_to_all(predicted.pooled, len(data.series_starts))
    return Rivals(forecasts, absent, notes)


def _fitted_to_all(reasons: Mapping[str, str], series: int) -> str:
    """Which of some `series` are forecast by a fit to all, and why: `reasons` by name of the series."""
    parts = []
    for reason in dict.fromkeys(reasons.values()):
        names = [name for name, its in reasons.items() if its == reason]
        shown = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
        parts.append(f"{len(names)} of {series} series ({shown}; {reason})")
    return f"{' and '.join(parts)} are forecast by the fit to all series"


def rivals_of_folds(folds: Sequence[Dataset], loss: Loss) -> list[Rivals]:
    """The rivals of each fold on its validation rows."""
    return [rival_forecasts(data, data.validation, loss) for data in folds]


def rival_losses(folds: Sequence[Dataset], rivals: Sequence[Rivals], loss: Loss) -> RivalLosses:
    """Mean loss over the folds of each rival that every fold has; `rivals` are those of the folds."""
    losses = [
        each.losses(data.target[data.validation].astype(np.float64), data.in_units(loss))
        for data, each in zip(folds, rivals, strict=True)
    ]
    absent = {
        name: f"{data.fold}: {reason}" if data.fold else reason
        for data, each in zip(folds, rivals, strict=True)
        for name, reason in each.absent.items()
    }
    names = [name for name in losses[0] if name not in absent]
    notes = {name: note for each in rivals for name, note in each.notes.items() if name in names}
    return RivalLosses({name: fmean(each[name] for each in losses) for name in names}, absent, notes)
