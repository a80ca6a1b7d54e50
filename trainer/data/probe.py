"""A ridge regression on what the model will see: the cheapest forecaster that a leak cannot hide from.

It is given the windowed features and the known history of the target. Whatever it forecasts better than
anybody can, the GRU will too; it takes milliseconds and says which column it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from trainer.data.split import MIN_TRAIN
from trainer.data.windows import Dataset
from trainer.rivals.naive import baseline_losses
from trainer.skill import best_baseline, skill

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

HISTORY = 22
"""Known values of the target that every probe is given: what a honest forecast may live on."""
_PENALTIES = np.logspace(-4, 6, 21)
"""Ridge penalties per standardised regressor; the best is chosen on training rows by cross-validation."""
_MOST_PAIRED = 20
"""Most features of which products are formed: 190 of them, as many regressors as a few windows give."""


@dataclass(frozen=True)
class Probe:
    """The data of one study, ready for ridge regressions on any of its features.

    Losses and skill are on the validation rows, in units of the standardised target, over the best baseline.
    """

    data: Dataset
    train: Rows
    baseline_loss: float

    @classmethod
    def of(cls, data: Dataset) -> "Probe | None":
        """None where fewer than `MIN_TRAIN` rows can be trained on; DataError where no baseline exists."""
        rows = cls.usable(data)
        return cls(data, rows, _baseline_loss(data)) if len(rows) >= MIN_TRAIN else None

    @staticmethod
    def usable(data: Dataset) -> Rows:
        """Training rows whose window and whose `HISTORY` known targets lie in the data."""
        return data.train[data.train >= max(data.horizon + HISTORY, data.seq_len) - 1]

    def on(self, target: npt.NDArray[np.float32]) -> "Probe":
        """The probe of the same features on another target (T,); DataError where it has no baseline."""
        data = replace(self.data, target=target)
        return Probe(data, self.train, _baseline_loss(data))

    def skill(self, features: Sequence[int]) -> float:
        """Skill of a ridge regression on these features' windows and the target's history."""
        y = self.data.target.astype(np.float64)
        x_train, x_held = (self._regressors(features, y, rows) for rows in (self.train, self.data.validation))
        mean, std = x_train.mean(axis=0), x_train.std(axis=0)
        std[std == 0] = 1.0
        forecast = _ridge((x_train - mean) / std, y[self.train], (x_held - mean) / std)
        return skill(float(np.mean((y[self.data.validation] - forecast) ** 2)), self.baseline_loss)

    def _regressors(self, features: Sequence[int], y: Floats, rows: Rows) -> Floats:
        """Windows, magnitudes and products of the last row, history.

        Shape (rows, seq_len · F + F + pairs + HISTORY).
        Products see what no column tells alone: a value hidden by the sign in another, or one whose weight
        depends on the volatility.
        """
        length = self.data.seq_len
        chosen = self.data.features[:, list(features)].astype(np.float64)  # (T, F)
        windows = sliding_window_view(chosen, length, axis=0)[rows - length + 1]  # (rows, F, seq_len)
        last = chosen[rows]  # (rows, F)
        one, other = np.triu_indices(len(features) if len(features) <= _MOST_PAIRED else 0, 1)  # (pairs,)
        lags = rows[:, None] - self.data.horizon - np.arange(HISTORY)  # (rows, HISTORY)
        return np.hstack(
            [windows.reshape(len(rows), -1), np.abs(last), last[:, one] * last[:, other], y[lags]]
        )


def _baseline_loss(data: Dataset) -> float:
    return best_baseline(baseline_losses(data, data.validation)).loss


def _ridge(x: Floats, y: Floats, x_held: Floats) -> Floats:
    """Forecasts for x_held (m, p) from x (n, p) standardised and y (n,), the penalty by generalised
    cross-validation (Golub, Heath and Wahba 1979).
    """
    mean = y.mean()
    values, vectors = np.linalg.eigh(x.T @ x)  # (p,), (p, p)
    values = np.maximum(values, 0.0)
    projected = vectors.T @ (x.T @ (y - mean))  # (p,)
    rotated = x @ vectors  # (n, p)
    best, coefficients = np.inf, np.zeros_like(projected)
    for penalty in _PENALTIES * len(y) / x.shape[1]:
        shrunk = projected / (values + penalty)
        freedom = float((values / (values + penalty)).sum())
        residual = y - mean - rotated @ shrunk
        score = float(residual @ residual) / (1 - min(freedom / len(y), 0.999)) ** 2
        if score < best:
            best, coefficients = score, shrunk
    forecast: Floats = mean + (x_held @ vectors) @ coefficients
    return forecast


def culprits(probe: Probe, ceiling: float) -> list[int]:
    """The features without which the probe's skill falls to the ceiling; empty if history alone exceeds it.

    Leaves out the feature that forecasts best on its own, then the next, until nothing is left to explain: of
    two copies of a leak, leaving out one would change nothing. Those that were left out in vain are put back.
    """
    everything = list(range(len(probe.data.feature_names)))
    if probe.skill([]) > ceiling:
        return []
    alone = {feature: probe.skill([feature]) for feature in everything}
    named: list[int] = []
    for feature in sorted(everything, key=lambda f: -alone[f]):
        if probe.skill(_without(everything, named)) <= ceiling:
            break
        named.append(feature)
    for feature in tuple(named):
        fewer = _without(named, [feature])
        if probe.skill(_without(everything, fewer)) <= ceiling:
            named = fewer
    return named


def _without(features: Sequence[int], left_out: Sequence[int]) -> list[int]:
    return [feature for feature in features if feature not in left_out]
