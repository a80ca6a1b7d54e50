"""Forecasts of new rows, and the columns in which files and frames give them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.config import DataConfig
from trainer.data.arrays import Floats
from trainer.inference.model_description import ModelDescription, TrainingPeriod
from trainer.inference.unusable_rows import UnusableRow

SplitName = Literal["train", "validation", "test", "unseen"]
_LOG_VOLATILITY = frozenset(("log_parkinson", "garman_klass", "rogers_satchell"))
"""Transforms that give the logarithm of the volatility of one row."""
_LEVELS = frozenset(("raw", "lag", "rolling_mean"))
"""Transforms that keep the unit of what they are computed from."""
_YEAR = 365.25 * 86400


@dataclass(frozen=True)
class Forecasts:
    """One forecast for each of the n rows of the table that have a whole window, in the order of the table;
    only the newest of them if that was asked for.

    `times` (n,) are the times of the rows, `values` (n,) float64 the forecasts in the target's own `unit`.
    `target_times` (n,) are the times of the rows `horizon` ahead that the forecasts are for, NaT if the table
    ends before; both are naive UTC. `times_text` and `target_times_text` are the same on the source's clock,
    None if there is no such row. `unseen` is the number of forecasts for rows after `seen_until`, the last
    row that the model was trained or chosen on.
    """

    times: pd.DatetimeIndex
    values: Floats
    target_times: pd.DatetimeIndex
    times_text: tuple[str, ...]
    target_times_text: tuple[str | None, ...]
    offsets: npt.NDArray[np.int64] | None
    """Seconds (n,) from UTC to the source's clock at each row; None if the source has no other clock."""
    target_offsets: npt.NDArray[np.int64] | None
    """The same at the rows that the forecasts are for; of no meaning where there is none."""
    horizon: int
    unit: str
    unseen: int
    seen_until: str
    warnings: tuple[str, ...]
    splits: tuple[SplitName, ...] = ()
    """The split of each row, (n,), by the model's record; see `row_splits`."""
    left_out: tuple[UnusableRow, ...] = ()
    """The rows that no window may hold; with `last`, those that a window of the newest rows would hold."""
    series: tuple[str, ...] = ()
    """The name of the series of each row, (n,); empty for one series without a name."""
    series_column: str = "series"
    """What the column of these names is called."""
    bars_per_year: int | None = None
    """Rows of a year in training; None if the target is not the logarithm of a volatility."""

    @property
    def volatility(self) -> Floats | None:
        """exp(forecast), (n,): the volatility of one row; None if the target is not its logarithm.

        It is not corrected for the bias of the exponential: it forecasts the median rather than the mean, and
        is on average below the volatility that comes.
        """
        if self.bars_per_year is None:
            return None
        with np.errstate(over="ignore"):
            volatility: Floats = np.exp(self.values)
        return volatility

    @property
    def annualised(self) -> Floats | None:
        """`volatility` · √`bars_per_year`, (n,); None if the target is not the logarithm of a volatility."""
        if self.volatility is None or self.bars_per_year is None:
            return None
        annualised: Floats = self.volatility * np.sqrt(self.bars_per_year)
        return annualised

    def age(self, now: datetime | None = None) -> float:
        """Seconds from the newest row that is forecast from to `now`, an aware time; None: this moment.

        Times without a zone are taken as UTC.
        """
        newest = self.times.max().tz_localize("UTC")
        return float((pd.Timestamp(now or datetime.now(UTC)) - newest).total_seconds())

    def frame(self) -> pd.DataFrame:
        """Columns time, forecast, of (the time of the target), horizon, split; for the logarithm of a
        volatility also volatility and annualised, and first that of the series in a panel. Times are text if
        the source has a zone.
        """
        time, of = (
            (list(self.times_text), list(self.target_times_text))
            if self.offsets is not None
            else (self.times, self.target_times)
        )
        named = {self.series_column: list(self.series)} if self.series else {}
        columns = {**named, "time": time, "forecast": self.values, "of": of, "horizon": self.horizon}
        return pd.DataFrame({**columns, "split": list(self.splits), **self.in_units()})

    def in_units(self) -> dict[str, Floats]:
        """The columns volatility and annualised, (n,) each; empty if the target is not the logarithm of a
        volatility.
        """
        if self.volatility is None or self.annualised is None:
            return {}
        return {"volatility": self.volatility, "annualised": self.annualised}


def row_splits(model: ModelDescription, times: pd.DatetimeIndex) -> tuple[SplitName, ...]:
    """The split of each row, by its time (naive UTC) and the model's record.

    `train` and `validation` took part in training and choosing the model. After them comes `test`: the study
    kept these rows for `verify`, and a folder does not know which of them came later. A refit was trained on
    all rows, so that what comes after them is `unseen`.
    """
    after: SplitName = "unseen" if model.is_refit else "test"
    train, seen = (naive_utc(text) for text in (model.rows.train_until, model.rows.until))
    return tuple("train" if time <= train else "validation" if time <= seen else after for time in times)


def bars_per_year(model: ModelDescription) -> int | None:
    """The rows of a year among those that the model was trained and chosen on, as a whole number; None if its
    target is not the logarithm of a volatility.
    """
    if not _is_log_volatility(model.data):
        return None
    years = _seconds(model.rows) / _YEAR
    rows = model.rows.train + model.rows.validation + model.data.seq_len - 1
    return max(1, round(rows / years)) if years > 0 else None


def _is_log_volatility(config: DataConfig) -> bool:
    """Whether the target is the logarithm of a volatility, or a mean or an earlier value of one."""
    features = {feature.name: feature for feature in config.features}
    series = config.target
    while series.of is not None and series.transform in _LEVELS:
        series = features[series.of]  # type: ignore[assignment]  # a feature is derived as a target is
    return series.transform in _LOG_VOLATILITY


def _seconds(rows: TrainingPeriod) -> float:
    return float((naive_utc(rows.until) - naive_utc(rows.train_from)).total_seconds())


def naive_utc(moment: str) -> pd.Timestamp:
    """A time of `model.json` in UTC, without its zone."""
    stamp = pd.Timestamp(moment)
    return stamp if stamp.tzinfo is None else stamp.tz_convert("UTC").tz_localize(None)


def left_out_texts(rows: Sequence[UnusableRow], most: int = 10) -> list[str]:
    """A line for each row that was left out, at most `most` of them, and one that counts the others."""
    lines = [f"left out: {row}" for row in rows[-most:]]
    others = len(rows) - len(lines)
    return [*([f"left out: {others} earlier rows; --json names them all"] if others else []), *lines]
