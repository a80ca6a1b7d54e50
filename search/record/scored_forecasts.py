"""The forecasts of one configuration, row by row, beside targets and references: what figures are drawn from.

Those of validation rows are put together from the record of the search. Those of test rows are kept by
`ballast verify`, in the same bytes as the series of its evaluation.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from search.record.validation_rows import Floats, mean_forecast, trial_seed_forecasts, validation_rows
from storage.driver_errors import damaged_if_unreadable
from storage.engine import Store
from trainer.data.arrays import Rows
from trainer.data.moments import Moments, moments_of

MOST_ROWS = 250_000
"""Rows that an evaluation keeps, the latest ones: about 10 MB."""

_PREFIX, _FACTS, _BOUND = "row.", "row.facts", "bound."
_FLOATS = ("target", "forecast", "baseline", "rival", "loss", "baseline_loss", "rival_loss")

_INTEGERS = ("folds", "offsets", "series")
_FACT_NAMES = frozenset(
    ("split", "trial", "seeds", "horizon", "kind", "baseline_name", "rival_name", "series_names", "left_out")
)


@dataclass(frozen=True)
class ScoredForecasts:
    """n rows, series after series in time order, each series at each time once.

    Target and forecasts are in the target's own unit. Losses are those that the search or `verify` judged by,
    of the standardised target.
    """

    split: Literal["validation", "test"]
    """validation: the search has chosen by these rows, so that figures of them are too good. test: it has
    seen none of them."""
    trial: int | None
    seeds: int
    """How many trainings the forecast is the mean of."""
    horizon: int
    """How many rows of its series a target spans."""
    kind: str
    baseline_name: str
    """The naive forecast with the lowest loss on all rows of the split."""
    rival_name: str | None
    """The fitted rival with the lowest loss there; None if there is none."""
    times: npt.NDArray[np.datetime64]
    """Of the rows from which it was forecast, naive UTC (n,)."""
    target: Floats
    forecast: Floats
    baseline: Floats
    loss: Floats
    """Of the forecast, (n,); of several seeds the mean of their losses, as `verify` judges."""
    baseline_loss: Floats
    rival: Floats | None = None
    rival_loss: Floats | None = None
    folds: Rows | None = None
    """The first fold (n,) that holds out each row; None for a single fold."""
    offsets: npt.NDArray[np.int64] | None = None
    """Seconds (n,) from UTC to the source's clock; None if the times are naive or in UTC."""
    series: Rows | None = None
    """The number (n,) of each row's series among `series_names`; None for one series without a name."""
    series_names: tuple[str, ...] = ()
    bounds: Mapping[str, Floats] = field(default_factory=dict)
    """`lower_80`, `upper_80`, `lower_95` and `upper_95`, (n,) each, as `predict` gives them; empty if there
    are none."""
    left_out: int = 0
    """Earlier rows that were scored and are not kept."""

    @property
    def is_panel(self) -> bool:
        """Whether there are several series."""
        return self.series is not None and len(np.unique(self.series)) > 1

    @property
    def has_own_rival(self) -> bool:
        """Whether the strongest rival is another forecast than the best naive one; HAR can be both."""
        return self.rival_name not in (None, self.baseline_name)

    @property
    def series_numbers(self) -> Rows:
        """`series`, or zeros."""
        return np.zeros(len(self.times), np.int64) if self.series is None else self.series

    @property
    def fold_numbers(self) -> Rows:
        """`folds`, or zeros."""
        return np.zeros(len(self.times), np.int64) if self.folds is None else self.folds

    @cached_property
    def moments(self) -> Moments:
        """The distinct times, ascending; statistics take one value per moment."""
        return moments_of(self.times, self.series_numbers, self.horizon)

    @property
    def first_rows(self) -> Rows:
        """The first row (m,) of each moment."""
        return np.unique(self.moments.number, return_index=True)[1]

    def chosen(self, rows: npt.NDArray[Any]) -> "ScoredForecasts":
        """Some of the rows, by their positions or a mask (n,)."""
        arrays = {name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return replace(self, **arrays, bounds={name: each[rows] for name, each in self.bounds.items()})

    def packed_with(self, series: bytes) -> bytes:
        """The bytes of the series of an evaluation, with these rows added: about 40 kB per 1,000 rows.

        Of more than MOST_ROWS rows only the latest times are kept. An older Ballast reads the series and
        ignores the rest.
        """
        kept = self._latest(MOST_ROWS)
        facts = {name: value for name, value in vars(kept).items() if name in _FACT_NAMES}
        arrays: dict[str, Any] = {_FACTS: np.array(json.dumps(facts))}
        arrays[f"{_PREFIX}steps"] = np.diff(kept.times.astype("datetime64[ns]").astype(np.int64), prepend=0)
        for name in _FLOATS:
            if (values := getattr(kept, name)) is not None:
                arrays[_PREFIX + name] = values.astype("<f4")
        for name in _INTEGERS:
            if (values := getattr(kept, name)) is not None:
                arrays[_PREFIX + name] = values.astype("<i4")
        arrays |= {f"{_PREFIX}{_BOUND}{name}": each.astype("<f4") for name, each in kept.bounds.items()}
        with np.load(io.BytesIO(series)) as known:
            arrays |= {name: known[name] for name in known.files}
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def unpacked(cls, packed: bytes) -> "ScoredForecasts | None":
        """The rows from such bytes, rounded to float32; None if they hold only a series."""
        with (
            damaged_if_unreadable("the test rows of a verification on record"),
            np.load(io.BytesIO(packed)) as arrays,
        ):
            if _FACTS not in arrays.files:
                return None
            known = {
                name.removeprefix(_PREFIX): arrays[name]
                for name in arrays.files
                if name.startswith(_PREFIX) and name != _FACTS
            }
            facts = json.loads(str(arrays[_FACTS]))
            facts["series_names"] = tuple(facts["series_names"])
            times = np.cumsum(known.pop("steps")).astype("datetime64[ns]")
            exact = {name: known[name].astype(np.int64) for name in _INTEGERS if name in known}
            floats = {name: known[name].astype(np.float64) for name in _FLOATS if name in known}
            bounds = {
                name.removeprefix(_BOUND): each.astype(np.float64)
                for name, each in known.items()
                if name.startswith(_BOUND)
            }
            return cls(**facts, **exact, **floats, times=times, bounds=bounds)

    def _latest(self, most: int) -> "ScoredForecasts":
        """The rows of the latest times, at most `most`; whole times are kept."""
        if len(self.times) <= most:
            return self
        rows = self.times > np.sort(self.times)[-most - 1]
        return replace(self.chosen(rows), left_out=self.left_out + int((~rows).sum()))


def validated_forecasts(store: Store, study: str, trial: int) -> ScoredForecasts | None:
    """The validation rows of a study with the forecasts of one trial; None if either is not on record.

    A row that several folds hold out counts once, with the mean of its forecasts and losses.
    """
    rows, told = validation_rows(store, study), trial_seed_forecasts(store, study, trial)
    if rows is None or told is None:
        return None
    distinct, first, rival = rows.distinct_rows, rows.distinct_rows.first, rows.strongest_rival

    def own_unit(values: npt.NDArray[np.floating]) -> Floats:
        return distinct.means(rows.own_unit(values))

    naive, fitted = rows.baselines[rows.baseline], None if rival is None else rows.rivals[rival]
    return ScoredForecasts(
        split="validation",
        trial=trial,
        seeds=len(told),
        horizon=rows.horizon,
        kind=rows.kind,
        baseline_name=rows.baseline,
        rival_name=rival,
        times=rows.times[first],
        target=own_unit(rows.target),
        forecast=own_unit(mean_forecast(told)),
        baseline=own_unit(naive),
        loss=distinct.means(rows.mean_row_losses(told)),
        baseline_loss=distinct.means(rows.row_losses(naive)),
        rival=None if fitted is None else own_unit(fitted),
        rival_loss=None if fitted is None else distinct.means(rows.row_losses(fitted)),
        folds=rows.folds[first],
        offsets=None if rows.offsets is None else rows.offsets[first],
        series=None if rows.series is None else rows.series[first],
        series_names=rows.series_names,
    )
