"""Does a forecast rank the series of one date? IC, Rank IC, quantiles and the long-short return, by date."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_SERIES = 5
"""A date with fewer series is left out: the standard error of a correlation over n series is about 1/√n."""

MIN_DATES = 10
"""With fewer dates a standard error from their own autocovariances means nothing."""

COST_BASIS_POINTS = 10.0
"""Default cost of trading, in basis points of the value that is bought or sold: a large stock's spread, fees
and impact together. It is an assumption; small stocks cost several times as much."""

_QUANTILES = ((10, 5), (6, 3), (0, 2))
"""With so many series on a usual date, so many quantiles: at least two series in each."""


@dataclass(frozen=True)
class MeanByDate:
    """The mean of a figure over `dates` dates. `error` is its Newey–West standard error, and `t` their ratio;
    both are None for fewer than 10 dates or a figure that never varies.
    """

    mean: float
    error: float | None
    t: float | None
    dates: int


@dataclass(frozen=True)
class LongShort:
    """What holding the highest `quantile` of forecasts long and the lowest short earns, with equal stakes.

    `gross` and `net` are returns per holding period of one horizon, in the target's unit, per stake of 1 long
    and 1 short. `turnover` (0 … 1) is the share of the positions that is replaced after each period; None if
    there is a single period. `net` pays `cost_basis_points` on each value traded.
    """

    quantile: float
    gross: MeanByDate
    net: MeanByDate
    turnover: float | None
    cost_basis_points: float


@dataclass(frozen=True)
class LongShortByDate:
    """`gross`, `net` and the value `traded` of each of the d dates, (d,), as in `LongShort`, and the equally
    weighted `mean` target of all series, (d,). `dates` are (d,), ascending.
    """

    dates: NDArray[np.datetime64]
    gross: NDArray[np.float64]
    net: NDArray[np.float64]
    traded: NDArray[np.float64]
    mean: NDArray[np.float64]


@dataclass(frozen=True)
class CrossSection:
    """How well forecasts order the series of each date, over `ic.dates` dates with at least 5 series.

    `ic` is Pearson's correlation of forecasts and targets across the series of a date, `rank_ic` Spearman's.
    `icir` is the mean IC in standard deviations of the IC by date, not annual; None if it never varies.
    `quantile_means` are the mean targets by quantile of the forecasts, lowest forecasts first.
    """

    ic: MeanByDate
    rank_ic: MeanByDate
    icir: float | None
    rank_icir: float | None
    quantile_means: tuple[float, ...]
    long_short: LongShort


def cross_section(
    times: NDArray[np.datetime64],
    series: NDArray[np.integer],
    forecasts: NDArray[np.floating],
    targets: NDArray[np.floating],
    *,
    horizon: int = 1,
    cost_basis_points: float = COST_BASIS_POINTS,
) -> CrossSection | None:
    """The cross-section of `forecasts` (n,) of returns `targets` (n,), in the target's own unit, of rows at
    `times` (n,) of the numbered `series` (n,); no (time, series) occurs twice.

    Dates with fewer than 5 series, or on which forecasts or targets do not vary, are left out; None if no
    date is left. `horizon` is the number of dates that a target spans. Targets that overlap are held one
    beside the other (Jegadeesh & Titman 1993, "Returns to buying winners and selling losers"): the positions
    of a date replace those of `horizon` dates before, so that each date counts and none is paid for twice.
    """
    _, forecast, target = _by_date(times, series, forecasts, targets)
    if not len(forecast):
        return None
    there, quantiles = ~np.isnan(forecast), _quantiles(forecast)
    pairs = [(a[held], b[held]) for a, b, held in zip(forecast, target, there, strict=True)]
    ic = np.array([_correlation(a, b) for a, b in pairs])
    rank_ic = np.array([_correlation(_ranks(a), _ranks(b)) for a, b in pairs])
    return CrossSection(
        ic=mean_by_date(ic, horizon),
        rank_ic=mean_by_date(rank_ic, horizon),
        icir=_in_deviations(ic),
        rank_icir=_in_deviations(rank_ic),
        quantile_means=_quantile_means(pairs, quantiles),
        long_short=_long_short(forecast, target, quantiles, horizon, cost_basis_points),
    )


def long_short_by_date(
    times: NDArray[np.datetime64],
    series: NDArray[np.integer],
    forecasts: NDArray[np.floating],
    targets: NDArray[np.floating],
    *,
    horizon: int = 1,
    cost_basis_points: float = COST_BASIS_POINTS,
) -> LongShortByDate | None:
    """The returns behind `CrossSection.long_short`, from the same arguments; None if no date is left."""
    dates, forecast, target = _by_date(times, series, forecasts, targets)
    if not len(dates):
        return None
    return _held_by_date(dates, forecast, target, _quantiles(forecast), horizon, cost_basis_points)


def mean_by_date(values: NDArray[np.float64], horizon: int) -> MeanByDate:
    """The mean of `values` (dates,) with its standard error by Newey & West (1987), Bartlett's weights.

    The lag is horizon − 1, as targets overlap that far, but at least ⌊4 (dates/100)^(2/9)⌋ (Newey & West
    1994, "Automatic lag selection in covariance matrix estimation").
    """
    n, mean = len(values), float(values.mean())
    if n < max(MIN_DATES, 2 * horizon) or not np.ptp(values):
        return MeanByDate(mean, None, None, n)
    lag = max(horizon - 1, int(4 * (n / 100) ** (2 / 9)))
    gaps = values - mean
    covariances = [float(gaps[k:] @ gaps[: n - k]) / n for k in range(lag + 1)]
    weighted = sum((1 - k / (lag + 1)) * each for k, each in enumerate(covariances) if k)
    error = math.sqrt((covariances[0] + 2 * weighted) / n)
    return MeanByDate(mean, error, mean / error, n) if error > 0 else MeanByDate(mean, None, None, n)


def _by_date(
    times: NDArray[np.datetime64],
    series: NDArray[np.integer],
    forecasts: NDArray[np.floating],
    targets: NDArray[np.floating],
) -> tuple[NDArray[np.datetime64], NDArray[np.float64], NDArray[np.float64]]:
    """The dates that count (d,), and forecasts and targets on them, (d, series) both; NaN for a series that
    has no row on a date.
    """
    dates, at = np.unique(times, return_inverse=True)
    names, of = np.unique(series, return_inverse=True)
    found = []
    for values in (forecasts, targets):
        found.append(np.full((len(dates), len(names)), np.nan))
        found[-1][at, of] = values
    forecast, target = found
    kept = [_varies(a, b) for a, b in zip(forecast, target, strict=True)]
    return dates[kept], forecast[kept], target[kept]


def _quantiles(forecast: NDArray[np.float64]) -> int:
    """Into how many quantiles the series (dates, series) of a usual date are cut."""
    usual = float(np.median((~np.isnan(forecast)).sum(axis=1)))
    return next(count for fewest, count in _QUANTILES if usual >= fewest)


def _varies(forecast: NDArray[np.float64], target: NDArray[np.float64]) -> bool:
    """Whether a date has enough series, and its forecasts and targets (series,) vary."""
    held = ~np.isnan(forecast)
    return bool(held.sum() >= MIN_SERIES and np.ptp(forecast[held]) > 0 and np.ptp(target[held]) > 0)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    ranks: NDArray[np.float64] = rankdata(values)
    return ranks


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def _in_deviations(values: NDArray[np.float64]) -> float | None:
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return float(values.mean()) / spread if spread > 0 else None


def _quantile_means(
    pairs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], quantiles: int
) -> tuple[float, ...]:
    """The mean over dates of the mean target in each quantile of the forecasts, lowest first."""
    means = []
    for forecast, target in pairs:
        order = np.argsort(forecast, kind="stable")
        means.append([target[part].mean() for part in np.array_split(order, quantiles)])
    return tuple(np.mean(means, axis=0).tolist())


def _long_short(
    forecast: NDArray[np.float64],
    target: NDArray[np.float64],
    quantiles: int,
    horizon: int,
    cost_basis_points: float,
) -> LongShort:
    """Of forecasts and targets (dates, series), NaN where a series has no row."""
    dates = np.arange(len(forecast)).astype("datetime64[D]")  # only their order counts here
    found = _held_by_date(dates, forecast, target, quantiles, horizon, cost_basis_points)
    replaced = found.traded[horizon:] / 4  # two sides, each sold and bought
    return LongShort(
        quantile=1 / quantiles,
        gross=mean_by_date(found.gross, horizon),
        net=mean_by_date(found.net, horizon),
        turnover=float(replaced.mean()) if len(replaced) else None,
        cost_basis_points=cost_basis_points,
    )


def _held_by_date(
    dates: NDArray[np.datetime64],
    forecast: NDArray[np.float64],
    target: NDArray[np.float64],
    quantiles: int,
    horizon: int,
    cost_basis_points: float,
) -> LongShortByDate:
    held = np.stack([_positions(row, quantiles) for row in forecast])
    gross = (held * np.nan_to_num(target)).sum(axis=1)
    before = np.concatenate([np.zeros_like(held[:horizon]), held[:-horizon]])[: len(held)]
    traded = np.abs(held - before).sum(axis=1)
    net = gross - traded * cost_basis_points / 10_000
    return LongShortByDate(dates, gross, net, traded, np.nanmean(target, axis=1))


def _positions(forecast: NDArray[np.float64], quantiles: int) -> NDArray[np.float64]:
    """The stake in each series: 1 shared by the highest forecasts, −1 by the lowest, 0 in all others."""
    there = np.flatnonzero(~np.isnan(forecast))
    order = there[np.argsort(forecast[there], kind="stable")]
    count, held = len(there) // quantiles, np.zeros(len(forecast))
    held[order[-count:]], held[order[:count]] = 1 / count, -1 / count
    return held
