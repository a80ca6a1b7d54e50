"""Aligns the forecasts of two trials row by row: the validation rows that both of their studies have."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from search.errors import RequestError
from search.record.validation_rows import Floats, ValidationRows
from trainer.data.arrays import Rows
from trainer.data.moments import Moments, moments_of

_SAME_TARGET = 1e-3
"""Targets of one row that differ by less than this many standard deviations are the same: tables of prices
are rounded, and dividends rescale them."""


@dataclass(frozen=True)
class TrialForecasts:
    """The forecasts of a trial, (seeds, n) or (seeds, n, outputs), for the validation rows of its study,
    standardised as these are.
    """

    name: str
    rows: ValidationRows
    values: Floats


@dataclass(frozen=True)
class CommonRows:
    """The rows that two studies validated on, each series at each time once, and `losses` (n,) of A and B."""

    moments: Moments
    losses: tuple[Floats, Floats]


def common_rows(a: TrialForecasts, b: TrialForecasts) -> CommonRows:
    """Align two trials by time and series; both losses are in units of A's target.

    Raises RequestError if they have different targets or losses, or no common rows.
    """
    if a.rows.loss.scaled(1.0) != b.rows.loss.scaled(1.0):
        raise RequestError(
            f"{a.name} and {b.name} are judged by different losses, {a.rows.loss.name} and "
            f"{b.rows.loss.name}; compare trials of one loss"
        )
    keys, times, names = _row_keys(a.rows, b.rows)
    common = np.intersect1d(keys[0], keys[1])
    if len(common) == 0:
        raise RequestError(
            f"{a.name} and {b.name} have no common validation rows: {_span(a.rows)}; {_span(b.rows)}; "
            "compare studies of one table whose validation periods overlap"
        )
    at = [np.searchsorted(common, of_one) for of_one in keys]
    kept = [np.isin(of_one, common) for of_one in keys]

    def means(one: int, values: Floats) -> Floats:
        """The mean of `values` (of all rows of A or B) over the folds that hold out a common row."""
        where = at[one][kept[one]]
        found: Floats = np.bincount(where, values[kept[one]]) / np.bincount(where)
        return found

    center, scale = means(0, a.rows.unit_mean), means(0, a.rows.unit_std)
    targets = [means(one, _own_unit(of_one.rows, of_one.rows.target)) for one, of_one in enumerate((a, b))]
    apart = np.flatnonzero(np.abs(targets[0] - targets[1]) > _SAME_TARGET * scale)
    if len(apart):
        place = common[apart[0]]
        series = names[place // len(times)]
        where = f"{np.datetime_as_string(times[place % len(times)], 's')}{f' of {series}' if series else ''}"
        raise RequestError(
            f"{a.name} and {b.name} have different targets: at {where} they are {targets[0][apart[0]]:.6g} "
            f"and {targets[1][apart[0]]:.6g} ({len(apart)} of {len(common)} common rows differ); compare "
            "trials that forecast one target"
        )

    def losses(one: int, of_one: TrialForecasts) -> Floats:
        place = np.minimum(at[one], len(common) - 1)  # of rows that are not common nothing is kept
        own = (_own_unit(of_one.rows, values) for values in (of_one.values, of_one.rows.target))
        forecast, target = (
            (values - a.rows.beside(center[place], values)) / a.rows.beside(scale[place], values)
            for values in own
        )
        return means(one, a.rows.loss.scaled(scale[place]).value(forecast, target).mean(axis=0))

    moments = moments_of(times[common % len(times)], common // len(times), a.rows.horizon)
    return CommonRows(moments, (losses(0, a), losses(1, b)))


def _row_keys(a: ValidationRows, b: ValidationRows) -> tuple[list[Rows], Any, list[str]]:
    """A number for each row of A and of B, the same for the same series and time: `series · len(times) +
    time`; then the times and the series' names that these numbers are of.
    """
    times = np.union1d(a.times, b.times)
    names = sorted({name for rows in (a, b) for name in rows.series_names or ("",)})

    def keys(rows: ValidationRows) -> Rows:
        own = np.array([names.index(name) for name in rows.series_names or ("",)])
        series = own[np.zeros(len(rows.times), np.int64) if rows.series is None else rows.series]
        found: Rows = series * len(times) + np.searchsorted(times, rows.times)
        return found

    return [keys(a), keys(b)], times, names


def _own_unit(rows: ValidationRows, values: Floats) -> Floats:
    own: Floats = values * rows.beside(rows.unit_std, values) + rows.beside(rows.unit_mean, values)
    return own


def _span(rows: ValidationRows) -> str:
    first, last = (np.datetime_as_string(time, "D") for time in (rows.times.min(), rows.times.max()))
    names = rows.series_names
    of = f" of {names[0]}" if len(names) == 1 else f" of {len(names)} series" if names else ""
    return f"{first} to {last}{of}"
