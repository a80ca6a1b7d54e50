"""The rows of a walk-forward, block by block: targets, forecasts and those of naive forecasts and rivals."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from search.record.scored_forecasts import ScoredForecasts
from search.record.validation_rows import Floats
from storage.driver_errors import damaged_if_unreadable
from trainer.data.arrays import Rows
from trainer.data.moments import Moments, moments_of

_FACTS = "facts"
_FLOATS = ("target", "forecast", "loss")
_PARTS = ("naive", "naive_losses", "rivals", "rival_losses", "bounds")


@dataclass(frozen=True)
class WalkForwardRows:
    """n rows, series after series in time order. Target and forecasts are in the target's own unit.

    Losses are those of the target as each block's training rows standardise it, so that rows of a stormy
    block do not outweigh all others.
    """

    horizon: int
    kind: str
    seeds: int
    """How many trainings the forecast is the mean of; the fewest of all blocks."""
    times: npt.NDArray[np.datetime64]
    target: Floats
    forecast: Floats
    loss: Floats
    naive: Mapping[str, Floats]
    """The forecasts (n,) of each naive forecast, by name."""
    naive_losses: Mapping[str, Floats]
    rivals: Mapping[str, Floats]
    """Those of each rival."""
    rival_losses: Mapping[str, Floats]
    series: Rows
    """The number (n,) of each row's series among `series_names`."""
    blocks: Rows
    """The position (n,) of each row's block."""
    series_names: tuple[str, ...] = ()
    offsets: npt.NDArray[np.int64] | None = None
    """Seconds (n,) from UTC to the source's clock; None if the times are naive or in UTC."""
    bounds: Mapping[str, Floats] = field(default_factory=dict)
    """`lower_80`, `upper_80`, `lower_95` and `upper_95`, (n,) each, NaN where there are none."""

    @cached_property
    def moments(self) -> Moments:
        """The distinct times; statistics take one value per moment."""
        return moments_of(self.times, self.series, self.horizon)

    @property
    def baseline(self) -> str:
        """The naive forecast with the lowest loss."""
        return min(self.naive_losses, key=lambda name: float(self.naive_losses[name].mean()))

    @property
    def rival(self) -> str | None:
        """The rival with the lowest loss; None if there is none."""
        return min(self.rival_losses, key=lambda name: float(self.rival_losses[name].mean()), default=None)

    def chosen(self, rows: npt.NDArray[Any]) -> "WalkForwardRows":
        """Some of the rows, by their positions or a mask (n,)."""
        values: dict[str, Any] = {
            name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        for part in _PARTS:
            values[part] = {name: each[rows] for name, each in getattr(self, part).items()}
        return replace(self, **values)

    def scored(self, trial: int | None = None) -> ScoredForecasts:
        """What figures and tables of forecasts are made of."""
        baseline, rival = self.baseline, self.rival
        return ScoredForecasts(
            split="test",
            trial=trial,
            seeds=self.seeds,
            horizon=self.horizon,
            kind=self.kind,
            baseline_name=baseline,
            rival_name=rival,
            times=self.times,
            target=self.target,
            forecast=self.forecast,
            baseline=self.naive[baseline],
            loss=self.loss,
            baseline_loss=self.naive_losses[baseline],
            rival=None if rival is None else self.rivals[rival],
            rival_loss=None if rival is None else self.rival_losses[rival],
            offsets=self.offsets,
            series=self.series if self.series_names else None,
            series_names=self.series_names,
            bounds=self.bounds,
        )

    def packed(self) -> bytes:
        """As bytes, with losses and forecasts rounded to float32."""
        facts = {name: getattr(self, name) for name in ("horizon", "kind", "seeds", "series_names")}
        arrays: dict[str, Any] = {
            _FACTS: np.array(json.dumps(facts)),
            "times": self.times.astype("datetime64[ns]").astype(np.int64),
            "series": self.series.astype("<i4"),
        }
        if self.offsets is not None:
            arrays["offsets"] = self.offsets.astype("<i4")
        arrays |= {name: getattr(self, name).astype("<f4") for name in _FLOATS}
        for part in _PARTS:
            arrays |= {f"{part}.{name}": each.astype("<f4") for name, each in getattr(self, part).items()}
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def unpacked(cls, packed: bytes, block: int = 0) -> "WalkForwardRows":
        """The rows of one block from such bytes."""
        with (
            damaged_if_unreadable("the forecasts of a walk-forward on record"),
            np.load(io.BytesIO(packed)) as arrays,
        ):
            values: dict[str, Any] = json.loads(str(arrays[_FACTS]))
            values["series_names"] = tuple(values["series_names"])
            values |= {part: {} for part in _PARTS}
            for name in arrays.files:
                part, _, of = name.partition(".")
                if of:
                    values[part][of] = arrays[name].astype(np.float64)
            values |= {name: arrays[name].astype(np.float64) for name in _FLOATS}
            values["times"] = arrays["times"].astype("datetime64[ns]")
            values["series"] = arrays["series"].astype(np.int64)
            values["offsets"] = arrays["offsets"].astype(np.int64) if "offsets" in arrays.files else None
            return cls(**values, blocks=np.full(len(values["times"]), block))


def stitched(parts: Sequence[WalkForwardRows]) -> WalkForwardRows:
    """The rows of all blocks together; naive forecasts and rivals that some block lacks are left out."""
    first = parts[0]
    names = tuple(sorted({name for part in parts for name in part.series_names}))
    at = {name: number for number, name in enumerate(names)}
    series = np.concatenate(
        [
            np.array([at[name] for name in part.series_names], np.int64)[part.series]
            if names
            else part.series
            for part in parts
        ]
    )
    times = np.concatenate([part.times for part in parts])
    order = np.lexsort((times, series))

    def joined(arrays: Sequence[npt.NDArray[Any]]) -> Any:
        return np.concatenate(arrays)[order]

    def common(part: str, fill: bool = False) -> dict[str, Floats]:
        known = [getattr(each, part) for each in parts]
        shared = {name for each in known for name in each if fill or all(name in other for other in known)}
        empty = [np.full(len(each.times), np.nan) for each in parts]
        return {
            name: joined([each.get(name, nan) for each, nan in zip(known, empty, strict=True)])
            for name in sorted(shared)
        }

    return WalkForwardRows(
        horizon=first.horizon,
        kind=first.kind,
        seeds=min(part.seeds for part in parts),
        times=times[order],
        target=joined([part.target for part in parts]),
        forecast=joined([part.forecast for part in parts]),
        loss=joined([part.loss for part in parts]),
        naive=common("naive"),
        naive_losses=common("naive_losses"),
        rivals=common("rivals"),
        rival_losses=common("rival_losses"),
        series=series[order],
        blocks=joined([part.blocks for part in parts]),
        series_names=names,
        offsets=None
        if all(part.offsets is None for part in parts)
        else joined([np.zeros(len(p.times), np.int64) if p.offsets is None else p.offsets for p in parts]),
        bounds=common("bounds", fill=True),
    )
