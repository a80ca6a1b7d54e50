"""Columns that know the future: the target itself, tomorrow's prices, centred means, joins a day early."""

from functools import partial

import numpy as np
import pandas as pd

from benchmarks.leaks.leak import Leak, Random, column_leak, floats, moved, rolling, spread
from benchmarks.leaks.studies import Floats, Series, Study, prices
from trainer.data.bar_volatility import log_parkinson
from trainer.data.transforms import abs_log_return, log_return

NOISES = (0.1, 0.3, 1.0, 2.0, 3.0, 5.0, 10.0)
CENTRED = (3, 5, 9, 15, 21)


def target_itself(study: Study, _: Random) -> Floats:
    """The target, forgotten among the features."""
    return study.future()


def noisy_target(study: Study, random: Random, *, noise: float) -> Floats:
    """The target with noise of `noise` of its standard deviations: R² of 1 / (1 + noise²) for returns."""
    target = study.future()
    return target + noise * spread(target) * random.standard_normal(len(target))


def target_sign(study: Study, _: Random) -> Floats:
    """Whether the target will be above its median."""
    target = study.future()
    return np.where(np.isnan(target), np.nan, np.sign(target - np.nanmedian(target)))


def sparse_target(study: Study, random: Random, *, share: float) -> Floats:
    """The target on a share of the days, its mean on the others: an announcement entered too early."""
    target = study.future()
    told = random.random(len(target)) < share
    return np.where(told | np.isnan(target), target, np.nanmean(target))


def target_rank(study: Study, _: Random) -> Floats:
    """A row number that was given after sorting by the target."""
    return floats(pd.Series(study.future()).rank())


def next_price(study: Study, _: Random) -> Floats:
    """Tomorrow's move: the return of a column of closes that is one row early."""
    return log_return(moved(study.values("Close"), -1))


def next_price_level(study: Study, _: Random) -> Floats:
    """Tomorrow's close relative to today's slow mean: a technical indicator made of a shifted price."""
    close = study.values("Close")
    return moved(close, -1) / rolling(close, 22) - 1


def next_high(study: Study, _: Random) -> Floats:
    """Tomorrow's high over today's close."""
    return np.log(moved(study.values("High"), -1) / study.values("Close"))


def next_range(study: Study, _: Random) -> Floats:
    """Tomorrow's range, from tomorrow's high and low."""
    return moved(log_parkinson(study.values("High"), study.values("Low")), -1)


def centred_mean(study: Study, _: Random, *, window: int) -> Floats:
    """The mean of the known target over a window with its row in the middle."""
    return rolling(study.known(), window, center=True)


def centred_price(study: Study, _: Random, *, window: int) -> Floats:
    """The return of a price that was smoothed by a centred mean."""
    return log_return(rolling(study.values("Close"), window, center=True))


def early(study: Study, _: Random, *, rows: int) -> Floats:
    """The known target, entered `rows` before its time."""
    return moved(study.known(), -rows)


def early_join(study: Study, _: Random, *, rows: int) -> Floats:
    """Another market's value of the same kind, joined `rows` too early."""
    other: Series = "sp500" if study.name.startswith("nasdaq") else "nasdaq"
    frame = prices(other)
    if study.target["kind"] == "return":
        values = log_return(frame["Close"].to_numpy(np.float64))
    elif study.target["transform"] == "abs_log_return":
        values = abs_log_return(frame["Close"].to_numpy(np.float64))
    else:
        values = log_parkinson(frame["High"].to_numpy(np.float64), frame["Low"].to_numpy(np.float64))
    theirs = pd.Series(moved(values, -rows), index=pd.DatetimeIndex(frame["Date"]))
    return floats(theirs.reindex(pd.DatetimeIndex(study.frame["Date"])))


def next_week(study: Study, _: Random) -> Floats:
    """The mean of the known target over the next five rows: a label of another model kept as a feature."""
    return moved(rolling(study.known(), 5), -5)


def scaled_by_future(study: Study, _: Random) -> Floats:
    """Today's return over the volatility of the month that follows."""
    returns = log_return(study.values("Close"))
    month = floats(pd.Series(returns).rolling(22).std())
    return returns / moved(month, -22)


def revised_volume(study: Study, _: Random) -> Floats:
    """Logarithm of the volume, averaged over today and the five rows that follow: a revision."""
    return moved(rolling(np.log(study.values("Volume")), 6), -5)


def hidden_in_two(study: Study, random: Random) -> Study:
    """The target times a random sign, and the sign: neither column tells anything without the other."""
    sign = np.where(random.random(len(study.frame)) < 0.5, -1.0, 1.0)
    target = study.future()
    masked = (target - np.nanmean(target)) * sign
    return study.with_columns(leak=masked, leak_key=sign).without_gaps()


CORE = (
    column_leak("target as a feature", "", target_itself),
    *(
        column_leak("target + noise", f"{noise:g} std", partial(noisy_target, noise=noise))
        for noise in NOISES
    ),
    column_leak("tomorrow's price", "return", next_price),
    column_leak("tomorrow's price", "over its mean", next_price_level),
    *(
        column_leak("centred mean", f"{window} days", partial(centred_mean, window=window))
        for window in CENTRED
    ),
    column_leak("off-by-one join", "1 day", partial(early_join, rows=1)),
)
MORE = (
    column_leak("target's sign", "", target_sign),
    *(
        column_leak("target on some days", f"{share:.0%}", partial(sparse_target, share=share))
        for share in (0.3, 0.1, 0.02)
    ),
    column_leak("identifier of target's rank", "", target_rank),
    *(
        column_leak("centred price mean", f"{window} days", partial(centred_price, window=window))
        for window in (5, 21)
    ),
    *(column_leak("known too early", f"{rows} rows", partial(early, rows=rows)) for rows in (2, 5, 30)),
    column_leak("off-by-one join", "2 days", partial(early_join, rows=2)),
    column_leak("next week's mean", "", next_week),
    column_leak("scaled by future volatility", "", scaled_by_future),
    Leak("target hidden in two columns", "", hidden_in_two, ("leak", "leak_key")),
)
RANGED = (
    column_leak("next-day high", "", next_high),
    column_leak("next-day range", "", next_range),
    column_leak("revised volume", "5 days", revised_volume),
)
"""For series with highs, lows and volumes."""
