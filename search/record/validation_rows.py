"""Stores and reads the validation rows of a study and its trials' forecasts for them.

All statistics about how far to trust a result are computed from these, without the data and without new
training.
"""

import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from search.record.scored_panel import ScoredPanel
from storage import query, tables
from storage.driver_errors import damaged_if_unreadable
from storage.engine import Store
from trainer.data.arrays import Rows
from trainer.data.moments import Moments, moments_of
from trainer.data.windows import Dataset
from trainer.losses import Loss, point_forecast, recorded_loss
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.fitted import Rivals, rival_losses

Floats = npt.NDArray[np.float64]
Forecasts = npt.NDArray[np.float32]

_BASELINE = "baseline."
_RIVAL = "rival."
_SERIES_NAMES = "series_names"


@dataclass(frozen=True)
class ValidationRows:
    """The n validation rows of all folds, fold after fold; in each, series after series in time order.

    Targets and forecasts are standardised; `target * unit_std + unit_mean` is in the target's own unit. Each
    fold is standardised by its own training rows.
    """

    times: npt.NDArray[np.datetime64]
    folds: npt.NDArray[np.int64]
    """The fold of each row, 0-based; a row that several folds hold out occurs several times."""
    target: Floats
    baselines: Mapping[str, Floats]
    """Naive forecasts by name, (n,), or of several quantiles (n, outputs), as all forecasts here."""
    unit_mean: Floats
    unit_std: Floats
    baseline: str
    """The best of the naive forecasts over all folds."""
    horizon: int
    kind: str
    loss: Loss
    """What the study is judged by, in the unit of the rows. Losses are computed from the forecasts."""
    rivals: Mapping[str, Floats] = field(default_factory=dict)
    """Forecasts of the rivals by name; empty for a study of an older version."""
    offsets: npt.NDArray[np.int64] | None = None
    """Seconds (n,) from UTC to the source's clock; None if the times are naive or in UTC."""
    series: Rows | None = None
    """The number (n,) of each row's series among `series_names`; None if there is one series without name."""
    series_names: tuple[str, ...] = ()

    @cached_property
    def moments(self) -> Moments:
        """The times of each fold. Statistics take one value per moment, as rows of one moment depend on one
        another; those of one series are its rows.
        """
        return moments_of(self.times, self._series, self.horizon, self.folds)

    @property
    def baseline_losses(self) -> Floats:
        """The losses (m,) of the best naive forecast by moment."""
        return self.losses(self.baselines[self.baseline])

    def row_losses(self, forecasts: npt.NDArray[np.floating]) -> Floats:
        """The losses (…, n) of forecasts (…, n) or (…, n, outputs), row by row."""
        losses: Floats = self.loss.value(forecasts, self.target)
        return losses

    def losses(self, forecasts: npt.NDArray[np.floating]) -> Floats:
        """The losses (…, m) by moment of forecasts by row; their mean is that of the rows."""
        return self.moments.means(self.row_losses(forecasts).T).T

    def own_unit(self, values: npt.NDArray[np.floating]) -> Floats:
        """Targets (n,), or the point forecasts (n,) of any forecasts, in the target's own unit."""
        point = values if values.ndim == 1 else point_forecast(values, self.loss)
        own: Floats = point.astype(np.float64) * self.unit_std + self.unit_mean
        return own

    def beside(self, by_row: Floats, values: npt.NDArray[np.floating]) -> Floats:
        """Numbers (m,) by row in a shape that they broadcast with targets or forecasts of these rows."""
        return by_row[:, None] if self.loss.outputs > 1 and values.ndim > 1 else by_row

    def mean_losses(self, of_seeds: npt.NDArray[np.floating]) -> Floats:
        """The losses (m,) by moment of the forecasts of seeds: the mean of the seeds' losses, which is what
        the loss of a trial means. The loss of their mean forecast is lower.
        """
        mean: Floats = self.losses(of_seeds).mean(axis=0)
        return mean

    def mean_row_losses(self, of_seeds: npt.NDArray[np.floating]) -> Floats:
        """The same (n,) row by row."""
        mean: Floats = self.row_losses(of_seeds).mean(axis=0)
        return mean

    def by_time(self, values: Floats) -> Floats:
        """Values (m, …) by moment as values by distinct time, ascending; a moment that several folds hold out
        gets their mean.
        """
        return _mean_of_equal(self.moments.times, values)

    @property
    def strongest_rival(self) -> str | None:
        """The rival with the lowest mean loss; None if no rival is on record."""
        mean = {name: float(self.row_losses(each).mean()) for name, each in self.rivals.items()}
        return min(mean, key=lambda name: mean[name]) if mean else None

    @cached_property
    def distinct_rows(self) -> "DistinctRows":
        """The rows without repetition: each series at each time once."""
        times, at = np.unique(self.times, return_inverse=True)
        keys = self._series * len(times) + at
        _, first, number = np.unique(keys, return_index=True, return_inverse=True)
        return DistinctRows(first, number, moments_of(self.times[first], self._series[first], self.horizon))

    @property
    def _series(self) -> Rows:
        return np.zeros(len(self.times), np.int64) if self.series is None else self.series


@dataclass(frozen=True)
class DistinctRows:
    """Which of r distinct rows each validation row is, `number` (n,); the `first` validation row of each of
    them, (r,); and their moments.
    """

    first: Rows
    number: Rows
    moments: Moments

    def means(self, values: Floats) -> Floats:
        """Values (n, …) by distinct row: a row that several folds hold out gets their mean."""
        return _mean_of_equal(self.number, values)


def _mean_of_equal(keys: npt.NDArray[Any], values: Floats) -> Floats:
    """The mean of `values` (n, …) over each of the distinct `keys` (n,), ascending."""
    _, positions, counts = np.unique(keys, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), *values.shape[1:]))
    np.add.at(sums, positions, values)
    means: Floats = sums / counts.reshape(-1, *[1] * (values.ndim - 1))
    return means


def validation_rows(store: Store, study: str) -> ValidationRows | None:
    """The validation rows of a study; None for a study of an older version. Raises StudyUnknown."""
    kept, facts = query.stored_validation_rows(store, study), query.study(store, study).facts
    if kept is None:
        return None
    with (
        damaged_if_unreadable(f"the validation rows of study {study!r}"),
        np.load(io.BytesIO(kept.rows)) as arrays,
    ):
        known: dict[str, Any] = {name: arrays[name] for name in arrays.files}
        baselines, rivals = (
            {name.removeprefix(prefix): known.pop(name) for name in [*known] if name.startswith(prefix)}
            for prefix in (_BASELINE, _RIVAL)
        )
        known["series_names"] = tuple(known.get(_SERIES_NAMES, np.empty(0)).tolist())
        return ValidationRows(
            **known,
            baselines=baselines,
            rivals=rivals,
            baseline=facts["baseline"]["name"],
            horizon=facts["horizon"],
            kind=facts["kind"],
            loss=recorded_loss(facts.get("metric")).scaled(known["unit_std"]),
        )


def forecasts(store: Store, study: str) -> dict[int, Forecasts]:
    """Forecasts of the validation rows by trial, (n,) or (n, outputs), for every trial that completed an
    epoch: the mean of its seeds'.
    """
    return {trial: mean_forecast(each) for trial, each in seed_forecasts(store, study).items()}


def seed_forecasts(store: Store, study: str) -> dict[int, Forecasts]:
    """The same of each seed, (seeds, n) or (seeds, n, outputs). The loss of a trial is the mean of their
    losses.
    """
    outputs = _outputs(store, study)
    return {row.trial: _of_seeds(row, outputs) for row in query.forecasts(store, study)}


def trial_seed_forecasts(store: Store, study: str, trial: int) -> Forecasts | None:
    """Those of one trial; None if it completed no epoch."""
    kept = query.forecast(store, study, trial)
    return None if kept is None else _of_seeds(kept, _outputs(store, study))


def mean_forecast(of_seeds: Forecasts) -> Forecasts:
    """The mean of forecasts over seeds, the first axis: what a model of these networks forecasts."""
    mean: Forecasts = of_seeds.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def _outputs(store: Store, study: str) -> int:
    """How many numbers a forecast on record has: as many as the loss that judges the study needs."""
    return recorded_loss(query.study(store, study).facts.get("metric")).outputs


def validation_rows_row(
    study: str, folds: Sequence[Dataset], rivals: Sequence[Rivals], series: ScoredPanel, loss: Loss
) -> tables.StoredValidationRows:
    """The stored validation rows of a new study, with their series; `rivals` has one entry per fold.
    Naive forecasts are fitted for the `loss`.
    """
    kept = rival_losses(folds, rivals, loss).losses  # rivals that every fold has
    naive = [baseline_forecasts(data, data.validation, loss) for data in folds]
    rows = [data.validation for data in folds]
    units = [data.scaler.target_moments(data.series_numbers[data.validation]) for data in folds]
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "times": np.concatenate([data.times[part] for data, part in zip(folds, rows, strict=True)]),
        "folds": np.repeat(np.arange(len(folds)), [len(part) for part in rows]),
        "target": np.concatenate([d.target[part] for d, part in zip(folds, rows, strict=True)]).astype(float),
        "unit_mean": np.concatenate([mean for mean, _ in units]),
        "unit_std": np.concatenate([std for _, std in units]),
        **{f"{_BASELINE}{name}": np.concatenate([each[name] for each in naive]) for name in naive[0]},
        **{f"{_RIVAL}{name}": np.concatenate([each.forecasts[name] for each in rivals]) for name in kept},
    }
    if all(data.offsets is not None for data in folds):
        parts = [
            data.offsets[part] for data, part in zip(folds, rows, strict=True) if data.offsets is not None
        ]
        arrays["offsets"] = np.concatenate(parts)
    if folds[0].series_names:
        numbers = [data.series_numbers[part] for data, part in zip(folds, rows, strict=True)]
        arrays |= {"series": np.concatenate(numbers), _SERIES_NAMES: np.array(folds[0].series_names)}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return tables.StoredValidationRows(study=study, rows=file.getvalue(), series=series.packed())


def forecast_rows(study: str, trial: int, forecasts_by_fold: Sequence[Forecasts]) -> list[tables.Forecast]:
    """The row of a trial's forecasts (seeds, rows) of all folds; no row if it has none."""
    if not forecasts_by_fold:
        return []
    of_seeds = np.concatenate(forecasts_by_fold, axis=1)
    packed = _packed(of_seeds.ravel())
    return [tables.Forecast(study=study, trial=trial, forecasts=packed, seeds=len(of_seeds))]


def copied_forecasts(store: Store, source: tables.Trial, study: str, trial: int) -> list[tables.Forecast]:
    """The forecasts of one trial, as those of another."""
    kept = query.forecast(store, source.study, source.number)
    return [] if kept is None else [replace(kept, study=study, trial=trial)]


def _packed(values: Forecasts) -> bytes:
    """All first bytes, then all second ones: signs and exponents are similar and compress better."""
    return zlib.compress(values.astype("<f4").view(np.uint8).reshape(-1, 4).T.tobytes())


def _of_seeds(row: tables.Forecast, outputs: int) -> Forecasts:
    with damaged_if_unreadable("a trial's forecasts on record"):
        values = _unpacked(row.forecasts)
        return values.reshape(row.seeds, -1) if outputs == 1 else values.reshape(row.seeds, -1, outputs)


def _unpacked(packed: bytes) -> Forecasts:
    with damaged_if_unreadable("a trial's forecasts on record"):
        planes = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(4, -1)
        values: Forecasts = np.ascontiguousarray(planes.T).view("<f4").ravel().astype(np.float32)
        return values
