"""Stores and reads the validation rows of a study and its trials' forecasts for them.

All statistics about how far to trust a result are computed from these, without the data and without new
training.
"""

import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from search.record.scored_series import ScoredSeries
from storage import query, tables
from storage.driver_errors import damaged_if_unreadable
from storage.engine import Store
from trainer.data.windows import Dataset
from trainer.losses import MSE, Loss
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.fitted import Rivals, rival_losses

Floats = npt.NDArray[np.float64]
Forecasts = npt.NDArray[np.float32]

_BASELINE = "baseline."
_RIVAL = "rival."


@dataclass(frozen=True)
class ValidationRows:
    """The n validation rows of all folds, fold after fold, each in time order.

    Targets and forecasts are standardised; `target * unit_std + unit_mean` is in the target's own unit. Each
    fold is standardised by its own training rows.
    """

    times: npt.NDArray[np.datetime64]
    folds: npt.NDArray[np.int64]
    """The fold of each row, 0-based; a row that several folds hold out occurs several times."""
    target: Floats
    baselines: Mapping[str, Floats]
    """Naive forecasts (n,) by name."""
    unit_mean: Floats
    unit_std: Floats
    baseline: str
    """The best of the naive forecasts over all folds."""
    horizon: int
    kind: str
    loss: Loss
    """What the study is judged by. Forecasts are kept; losses are computed from them."""
    rivals: Mapping[str, Floats] = field(default_factory=dict)
    """Forecasts (n,) of the rivals by name; empty for a study of an older version."""
    offsets: npt.NDArray[np.int64] | None = None
    """Seconds (n,) from UTC to the source's clock; None if the times are naive or in UTC."""

    @property
    def baseline_losses(self) -> Floats:
        """The losses (n,) of the best naive forecast."""
        return self.losses(self.baselines[self.baseline])

    def losses(self, forecasts: npt.NDArray[np.floating]) -> Floats:
        """The losses of forecasts (…, n), row by row."""
        losses: Floats = self.loss.value(forecasts, self.target)
        return losses

    @cached_property
    def _time_positions(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        _, positions, counts = np.unique(self.times, return_inverse=True, return_counts=True)
        return positions, counts

    def by_time(self, values: Floats) -> Floats:
        """Values (n, …) by row as values (m, …) by time, ascending; a row that several folds hold out gets
        their mean.
        """
        positions, counts = self._time_positions
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
        known = {name: arrays[name] for name in arrays.files}
        baselines, rivals = (
            {name.removeprefix(prefix): known.pop(name) for name in [*known] if name.startswith(prefix)}
            for prefix in (_BASELINE, _RIVAL)
        )
        return ValidationRows(
            **known,
            baselines=baselines,
            rivals=rivals,
            baseline=facts["baseline"]["name"],
            horizon=facts["horizon"],
            kind=facts["kind"],
            loss=MSE,  # the loss of every study; none is on record
        )


def forecasts(store: Store, study: str) -> dict[int, Forecasts]:
    """Forecasts (n,) of the validation rows by trial, for every trial that completed an epoch."""
    return {row.trial: _unpacked(row.forecasts) for row in query.forecasts(store, study)}


def trial_forecasts(store: Store, study: str, trial: int) -> Forecasts | None:
    """Forecasts (n,) of the validation rows by one trial; None if it completed no epoch."""
    kept = query.forecast(store, study, trial)
    return None if kept is None else _unpacked(kept.forecasts)


def validation_rows_row(
    study: str, folds: Sequence[Dataset], rivals: Sequence[Rivals], series: ScoredSeries
) -> tables.StoredValidationRows:
    """The stored validation rows of a new study, with their series; `rivals` has one entry per fold."""
    kept = rival_losses(folds, rivals, MSE).losses  # rivals that every fold has
    naive = [baseline_forecasts(data, data.validation, MSE) for data in folds]
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
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return tables.StoredValidationRows(study=study, rows=file.getvalue(), series=series.packed())


def forecast_rows(study: str, trial: int, forecasts_by_fold: Sequence[Forecasts]) -> list[tables.Forecast]:
    """The row of a trial's forecasts of all folds; no row if it has none."""
    if not forecasts_by_fold:
        return []
    return [tables.Forecast(study=study, trial=trial, forecasts=_packed(np.concatenate(forecasts_by_fold)))]


def copied_forecasts(store: Store, source: tables.Trial, study: str, trial: int) -> list[tables.Forecast]:
    """The forecasts of one trial, as those of another."""
    kept = query.forecast(store, source.study, source.number)
    return [] if kept is None else [tables.Forecast(study=study, trial=trial, forecasts=kept.forecasts)]


def _packed(values: Forecasts) -> bytes:
    """All first bytes, then all second ones: signs and exponents are similar and compress better."""
    return zlib.compress(values.astype("<f4").view(np.uint8).reshape(-1, 4).T.tobytes())


def _unpacked(packed: bytes) -> Forecasts:
    with damaged_if_unreadable("a trial's forecasts on record"):
        planes = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(4, -1)
        values: Forecasts = np.ascontiguousarray(planes.T).view("<f4").ravel().astype(np.float32)
        return values
