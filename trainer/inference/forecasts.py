"""Forecasts of new rows, and the columns in which files and frames give them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.data.arrays import Floats
from trainer.data.bar_volatility import is_log_volatility
from trainer.inference.forecast_intervals import ForecastIntervals
from trainer.inference.model_description import ModelDescription, TrainingPeriod
from trainer.inference.unusable_rows import UnusableRow

SplitName = Literal["train", "validation", "test", "unseen"]
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
    new: tuple[str, ...] = ()
    """The series of the table that the model was not trained on."""
    none: tuple[str, ...] = ()
    """The series of the table that no row can be forecast of."""
    old: tuple[str, ...] = ()
    """The series that were left out because their newest row is too old."""
    bars_per_year: int | None = None
    """Rows of a year in training; None if the target is not the logarithm of a volatility."""
    intervals: ForecastIntervals | None = None
    """What the bounds are computed from; None for a folder of before, which has none."""
    error_sizes: Floats | None = None
    """How large the errors were that are known at each row, (n,), NaN where too few are; None if the bounds
    do not follow them."""
    quantiles: Floats | None = None
    """The quantiles that the model forecasts, (n, outputs), ascending; None if it forecasts one number."""
    quantile_levels: tuple[float, ...] = ()
    """Which quantiles these are, (outputs,)."""

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
        return self.age_of(int(self.times.argmax()), now)

    def age_of(self, row: int, now: datetime | None = None) -> float:
        """Seconds from a row to `now`; see `age`."""
        time = self.times[row].tz_localize("UTC")
        return float((pd.Timestamp(now or datetime.now(UTC)) - time).total_seconds())

    def chosen(self, wanted: npt.NDArray[np.bool_]) -> "Forecasts":
        """The same of the rows that are `wanted`, (n,)."""
        rows = np.flatnonzero(wanted).tolist()
        return replace(
            self,
            times=self.times[wanted],
            values=self.values[wanted],
            target_times=self.target_times[wanted],
            times_text=tuple(self.times_text[row] for row in rows),
            target_times_text=tuple(self.target_times_text[row] for row in rows),
            offsets=None if self.offsets is None else self.offsets[wanted],
            target_offsets=None if self.target_offsets is None else self.target_offsets[wanted],
            splits=tuple(self.splits[row] for row in rows),
            series=tuple(self.series[row] for row in rows),
            error_sizes=None if self.error_sizes is None else self.error_sizes[wanted],
            quantiles=None if self.quantiles is None else self.quantiles[wanted],
            unseen=int((self.times[wanted] > naive_utc(self.seen_until)).sum()),
        )

    def newest_rows(self) -> dict[str, int]:
        """The position of the newest row of each series, by its name."""
        return {name: row for row, name in enumerate(self.series)}

    def frame(self) -> pd.DataFrame:
        """Columns time, forecast, of (the time of the target), horizon, split; for the logarithm of a
        volatility also volatility and annualised; then `bounds`; of a model of quantiles then `in_quantiles`.
        In a panel the first column names the
        series. Times are text if the source has a zone.
        """
        time, of = (
            (list(self.times_text), list(self.target_times_text))
            if self.offsets is not None
            else (self.times, self.target_times)
        )
        named = {self.series_column: list(self.series)} if self.series else {}
        columns = {**named, "time": time, "forecast": self.values, "of": of, "horizon": self.horizon}
        told = {**self.in_units(), **self.bounds(), **self.in_quantiles()}
        return pd.DataFrame({**columns, "split": list(self.splits), **told})

    def in_units(self) -> dict[str, Floats]:
        """The columns volatility and annualised, (n,) each; empty if the target is not the logarithm of a
        volatility.
        """
        if self.volatility is None or self.annualised is None:
            return {}
        return {"volatility": self.volatility, "annualised": self.annualised}

    def in_quantiles(self) -> dict[str, Floats]:
        """The columns quantile_0.1, …, (n,) each, as the model forecasts them; empty if it has one output."""
        if self.quantiles is None:
            return {}
        pairs = zip(self.quantile_levels, self.quantiles.T, strict=True)
        return {f"quantile_{level:g}": values for level, values in pairs}

    def bounds(self) -> dict[str, Floats]:
        """The columns lower_80, upper_80, lower_95 and upper_95, (n,) each, in the unit of the forecast.

        For the logarithm of a volatility the same of volatility and annualised follow, as
        `volatility_lower_80`: exp keeps the order, so that they hold as often. Empty without intervals.
        """
        if self.intervals is None:
            return {}
        bounds = self.intervals.bounds(self.values, self.series, self.error_sizes, quantiles=self.quantiles)
        if self.bars_per_year is None:
            return bounds
        year = np.sqrt(self.bars_per_year)
        with np.errstate(over="ignore"):
            volatility = {f"volatility_{name}": np.exp(each) for name, each in bounds.items()}
            annualised = {f"annualised_{name}": np.exp(each) * year for name, each in bounds.items()}
        return {**bounds, **volatility, **annualised}


def row_splits(model: ModelDescription, times: pd.DatetimeIndex) -> tuple[SplitName, ...]:
    """The split of each row, by its time (naive UTC) and the model's record.

    `train` and `validation` took part in training and choosing the model. `test` rows are those that the
    study kept for `verify`; a folder of an older version does not know where they end, and all later rows are
    called so. What comes after them, or after all rows of a refit, is `unseen`.
    """
    rows = model.rows
    ends: list[tuple[str, SplitName]] = [(rows.train_until, "train"), (rows.until, "validation")]
    if rows.test_until is not None:
        ends.append((rows.test_until, "test"))
    after: SplitName = "unseen" if model.is_refit or rows.test_until is not None else "test"
    names: tuple[SplitName, ...] = (*(name for _, name in ends), after)
    numbers = np.searchsorted(pd.DatetimeIndex([naive_utc(until) for until, _ in ends]), times, side="left")
    return tuple(names[number] for number in numbers)


def bars_per_year(model: ModelDescription) -> int | None:
    """The rows of a year among those that the model was trained and chosen on, as a whole number; None if its
    target is not the logarithm of a volatility.
    """
    if not is_log_volatility(model.data):
        return None
    years = _seconds(model.rows) / _YEAR
    rows = model.rows.moments or model.rows.train + model.rows.validation + model.data.seq_len - 1
    return max(1, round(rows / years)) if years > 0 else None


def _seconds(rows: TrainingPeriod) -> float:
    return float((naive_utc(rows.until) - naive_utc(rows.train_from)).total_seconds())


def naive_utc(moment: str) -> pd.Timestamp:
    """A time of `model.json` in UTC, without its zone."""
    stamp = pd.Timestamp(moment)
    return stamp if stamp.tzinfo is None else stamp.tz_convert("UTC").tz_localize(None)


def left_out_texts(rows: Sequence[UnusableRow], most: int = 10) -> list[str]:
    """A line for each row that was left out, at most `most` of them, and one that counts the others.

    The newest rows are named, of whatever series.
    """
    newest = sorted(rows, key=lambda row: row.time)[-most:] if len(rows) > most else rows
    others = len(rows) - len(newest)
    told = [f"left out: {others} earlier rows; --json names them all"] if others else []
    return [*told, *(f"left out: {row}" for row in newest)]
