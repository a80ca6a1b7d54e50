"""Naive forecasts, the skill over the best of them, and how much skill is believable."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trainer.config import TargetKind
from trainer.errors import DataError

if TYPE_CHECKING:
    from trainer.data.windows import Dataset  # which brings pandas; `ballast status` needs none

HAR_DAYS = (1, 5, 22)
"""A day, a week and a month of trading days; Corsi (2009)."""
RETURN_CEILING = 0.05
VOLATILITY_CEILING = 0.3
"""Ceilings of believable skill, over the best baseline; docs/architecture.md says why."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Baseline:
    """A naive forecast and its mean squared error in units of the standardised target."""

    name: str
    loss: float


def baseline_losses(data: "Dataset", rows: npt.NDArray[np.int64]) -> dict[str, float]:
    """Mean squared error of each naive forecast on `rows`, in units of the standardised, clipped target.

    `zero` forecasts 0 in the target's own unit, `train_mean` the mean of the training rows, `persistence`
    the last target known at t, `har` (volatility alone) a linear regression on its means over 1, 5 and 22
    rows, fitted on the training rows: Corsi (2009), "A Simple Approximate Long-Memory Model of Realized
    Volatility". Fitting uses every row that training windows see, so that no baseline changes with
    `seq_len`.

    Raises DataError where a row has no target history for a forecast.
    """
    _require_history(data, rows, 1)
    target = data.target.astype(np.float64)
    forecasts: dict[str, Floats | float] = {
        "zero": -data.scaler.target_mean / data.scaler.target_std,
        "train_mean": float(target[data.fitting].mean()),
        "persistence": target[rows - data.horizon],
    }
    if data.kind == "volatility":
        forecasts["har"] = _har(data, target, rows)
    return {name: float(np.mean((target[rows] - forecast) ** 2)) for name, forecast in forecasts.items()}


def best_baseline(losses: Mapping[str, float]) -> Baseline:
    """The naive forecast with the lowest loss; DataError where it is perfect: no skill over it exists."""
    name = min(losses, key=lambda name: losses[name])
    if losses[name] <= 0:
        raise DataError(
            f"the naive forecast {name!r} has loss {losses[name]:g}, so skill has no meaning; choose a "
            "target that varies in the validation rows"
        )
    return Baseline(name, losses[name])


def skill(loss: float, baseline_loss: float) -> float:
    """1 − loss / baseline_loss; 1 is perfect, 0 no better than the baseline. `baseline_loss` > 0."""
    return 1 - loss / baseline_loss


def noise_floor(looks: int, rows: int, horizon: int) -> float:
    """Skill that the best of `looks` ≥ 1 useless forecasts shows by chance: Φ⁻¹(0.95^(1/K))² / (n/h).

    The 95 % quantile of the largest of K standard normal z, squared as a share of variance over the n/h
    independent rows. K counts every validation loss that the best was picked from: a trial's value is the
    best of its epochs, so that each epoch is a look at the validation rows. Šidák's bound; looks of one trial
    resemble each other, so the floor is on the safe side.
    """
    z = NormalDist().inv_cdf(math.pow(0.95, 1 / looks))
    return z**2 / (rows / horizon)


def skill_ceiling(kind: TargetKind, floor: float, max_skill: float | None) -> float:
    """Skill above which a trial is suspicious; `floor` is the noise floor. A given `max_skill` wins.

    Returns: max(0.05, 3 × floor); volatility: 0.3 over HAR; any other kind has no default and raises
    DataError.
    """
    if max_skill is not None:
        return max_skill
    match kind:
        case "return":
            return max(RETURN_CEILING, 3 * floor)
        case "volatility":
            return VOLATILITY_CEILING
        case "other":
            raise DataError(
                "guard.max_skill is null, and a target of kind 'other' has no usual ceiling of skill; set "
                "guard.max_skill, for example --set guard.max_skill=0.3"
            )


def _har(data: "Dataset", target: Floats, rows: npt.NDArray[np.int64]) -> Floats:
    """Least-squares forecasts at `rows`, shape (len(rows),)."""
    _require_history(data, rows, max(HAR_DAYS))
    fitting = data.fitting[data.fitting >= data.horizon + max(HAR_DAYS) - 1]
    coefficients, *_ = np.linalg.lstsq(_har_terms(data, target, fitting), target[fitting], rcond=None)
    forecasts: Floats = _har_terms(data, target, rows) @ coefficients
    return forecasts


def _har_terms(data: "Dataset", target: Floats, rows: npt.NDArray[np.int64]) -> Floats:
    """Intercept and means of the targets known at each row, shape (len(rows), 4)."""
    # target[t] lies at t + horizon, so the last one known at t is target[t - horizon].
    known = rows - data.horizon
    means = [np.mean([target[known - back] for back in range(days)], axis=0) for days in HAR_DAYS]
    return np.column_stack([np.ones(len(rows)), *means])


def _require_history(data: "Dataset", rows: npt.NDArray[np.int64], days: int) -> None:
    earliest = data.horizon + days - 1
    if len(rows) == 0 or rows.min() < earliest:
        found = "no rows" if len(rows) == 0 else f"row {rows.min()}"
        raise DataError(
            f"{found} to forecast, but a naive forecast needs rows from {earliest} on (horizon "
            f"{data.horizon}, {days} known targets); start the split later or shorten data.target.horizon"
        )
