"""The rivals of a study: models that are fitted in seconds, on the same rows and features as the GRU."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from trainer.data.windows import Dataset
from trainer.errors import RivalError
from trainer.rivals.boosted import boosted
from trainer.rivals.flat_windows import flat_windows, training_windows
from trainer.rivals.naive import baseline_forecasts
from trainer.rivals.regressors import Floats, Rows
from trainer.rivals.ridge import ridge
from trainer.rivals.volatility import ewma, garch, lhar

RivalForecast = Callable[[Dataset, Rows], Floats]


@dataclass(frozen=True)
class Rivals:
    """Forecasts of each rival, each of shape (rows,), in units of the standardised target.

    `absent` gives the reason for each rival that could not be fitted.
    """

    forecasts: Mapping[str, Floats]
    absent: Mapping[str, str]

    def losses(self, target: Floats) -> dict[str, float]:
        """Mean squared error of each on the standardised `target` (rows,)."""
        return {name: float(np.mean((target - told) ** 2)) for name, told in self.forecasts.items()}


@dataclass(frozen=True)
class RivalLosses:
    """Mean loss over the folds of each rival on the validation rows, and why other rivals are absent."""

    losses: Mapping[str, float]
    absent: Mapping[str, str]

    @property
    def strongest(self) -> str | None:
        """The rival with the lowest loss; None if none could be fitted."""
        return min(self.losses, key=lambda name: self.losses[name]) if self.losses else None


def linear(data: Dataset, rows: Rows) -> Floats:
    """Forecasts of `rows` by ridge regression on the flattened windows, fitted on the training rows."""
    train, windows = training_windows(data)
    target = data.target[train].astype(np.float64)
    return ridge(windows, target, flat_windows(data, rows), gap=data.horizon)


def _naive(name: str) -> RivalForecast:
    return lambda data, rows: baseline_forecasts(data, rows)[name]


def _at(forecast: Callable[[Dataset], Floats]) -> RivalForecast:
    return lambda data, rows: forecast(data)[rows]


_OF_WINDOWS: dict[str, RivalForecast] = {"linear": linear, "boosted": boosted}
_OF_VOLATILITY: dict[str, RivalForecast] = {
    "har": _naive("har"),
    "lhar": _at(lhar),
    "ewma": _at(ewma),
    "garch": _at(garch),
}
_OF_OTHERS: dict[str, RivalForecast] = {"ar": _naive("ar")}


def rival_forecasts(data: Dataset, rows: Rows) -> Rivals:
    """Fit every rival on the training rows of `data` and forecast `rows`."""
    makers = (_OF_VOLATILITY if data.kind == "volatility" else _OF_OTHERS) | _OF_WINDOWS
    forecasts: dict[str, Floats] = {}
    absent: dict[str, str] = {}
    for name, make in makers.items():
        try:
            told = make(data, rows)
        except (RivalError, np.linalg.LinAlgError) as error:
            absent[name] = str(error)
            continue
        if np.isfinite(told).all():
            forecasts[name] = told
        else:
            absent[name] = "its forecasts are not finite in all rows"
    return Rivals(forecasts, absent)


def rivals_of_folds(folds: Sequence[Dataset]) -> list[Rivals]:
    """The rivals of each fold on its validation rows."""
    return [rival_forecasts(data, data.validation) for data in folds]


def rival_losses(folds: Sequence[Dataset], rivals: Sequence[Rivals]) -> RivalLosses:
    """Mean loss over the folds of each rival that was fitted in every fold; `rivals` has one entry per
    fold.
    """
    losses = [
        each.losses(data.target[data.validation].astype(np.float64))
        for data, each in zip(folds, rivals, strict=True)
    ]
    absent = {
        name: f"{data.fold}: {reason}" if data.fold else reason
        for data, each in zip(folds, rivals, strict=True)
        for name, reason in each.absent.items()
    }
    names = [name for name in losses[0] if name not in absent]
    return RivalLosses({name: fmean(each[name] for each in losses) for name in names}, absent)
