"""Leaks of the whole sample: scalers, filters and encodings of all rows, and gaps filled from behind."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.leaks.leak import Leak, Random, column_leak, floats, rolling, with_stored_features
from benchmarks.leaks.studies import Floats, Study
from trainer.data.transforms import log_return


def zscore(study: Study, _: Random) -> Floats:
    """The known target, standardised by the moments of all rows."""
    known = pd.Series(study.known())
    return floats((known - known.mean()) / known.std())


def minmax(study: Study, _: Random) -> Floats:
    """The known target between the least and the largest of all rows."""
    known = pd.Series(study.known())
    return floats((known - known.min()) / (known.max() - known.min()))


def quantile(study: Study, _: Random) -> Floats:
    """The rank of the known target among all rows."""
    return floats(pd.Series(study.known()).rank(pct=True))


def month_zscore(study: Study, _: Random) -> Floats:
    """The known target, standardised by the moments of its calendar month, days to come among them."""
    known = pd.Series(study.known())
    by_month = known.groupby(pd.DatetimeIndex(study.frame["Date"]).to_period("M").to_numpy())
    return floats((known - by_month.transform("mean")) / by_month.transform("std"))


def scaled_together(study: Study, _: Random) -> Study:
    """Every feature standardised by the moments of all rows before the table was saved."""
    stored = with_stored_features(study)
    names = ["ret", "vol", "vol5"]
    scaled = (stored.frame[names] - stored.frame[names].mean()) / stored.frame[names].std()
    return replace(stored, frame=stored.frame.assign(**{name: scaled[name] for name in names})).without_gaps()


def principal_axes(study: Study, _: Random) -> Study:
    """Features turned into the principal components of all rows."""
    stored = with_stored_features(study).without_gaps()
    names = ["ret", "vol", "vol5"]
    values = stored.frame[names].to_numpy(np.float64)
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    turned = scaled @ np.linalg.svd(scaled, full_matrices=False)[2].T
    return replace(stored, frame=stored.frame.assign(**{name: turned[:, i] for i, name in enumerate(names)}))


def low_pass(study: Study, _: Random, *, kept: float) -> Floats:
    """The return of a price without its fast frequencies, by a Fourier transform of all rows."""
    logs = np.log(study.values("Close"))
    line = np.linspace(logs[0], logs[-1], len(logs))
    waves = np.fft.rfft(logs - line)
    waves[int(kept * len(waves)) :] = 0
    return np.append(np.nan, np.diff(np.fft.irfft(waves, len(logs)) + line))


def group_mean(study: Study, _: Random, *, period: str) -> Floats:
    """The mean of the target over all rows of its week or month: target encoding of the calendar."""
    groups = pd.DatetimeIndex(study.frame["Date"]).to_period(period).to_numpy()
    target = pd.Series(study.future())
    return floats(target.groupby(groups).transform("mean"))


def weekday_mean(study: Study, _: Random) -> Floats:
    """The mean of the target over all rows of its weekday: target encoding with five groups only."""
    days = pd.DatetimeIndex(study.frame["Date"]).day_of_week.to_numpy()
    return floats(pd.Series(study.future()).groupby(days).transform("mean"))


def regime(study: Study, _: Random) -> Floats:
    """Low, middle or high: the third in which a centred monthly mean lies, as smoothed regimes do."""
    smooth = pd.Series(rolling(study.known(), 21, center=True))
    return floats(pd.qcut(smooth, 3, labels=False))


def back_filled(study: Study, random: Random, *, missing: float) -> Floats:
    """The known target with cells lost, each filled with the next one that is there."""
    known = pd.Series(study.known())
    return floats(known.mask(random.random(len(known)) < missing).bfill())


def weekly_back_filled(study: Study, _: Random) -> Floats:
    """A weekly observation of the known target, written into the days before it."""
    known = pd.Series(study.known())
    return floats(known.where(np.arange(len(known)) % 5 == 0).bfill())


def interpolated(study: Study, _: Random) -> Floats:
    """The return of a weekly price, drawn as a line between Fridays."""
    close = pd.Series(np.log(study.values("Close")))
    weekly = close.where(np.arange(len(close)) % 5 == 0).interpolate()
    return log_return(np.exp(floats(weekly)))


def time_identifier(study: Study, _: Random) -> Floats:
    """The number of the row."""
    return np.arange(len(study.frame), dtype=np.float64)


_ALL = ("ret", "vol", "vol5")
CORE = (
    column_leak("whole-sample z-score", "", zscore),
    column_leak("whole-sample min-max", "", minmax),
    Leak("scaler fitted on all rows", "", scaled_together, _ALL),
    column_leak("back-filled feature", "50% lost", partial(back_filled, missing=0.5)),
    column_leak("Fourier-smoothed price", "25% kept", partial(low_pass, kept=0.25)),
)
MORE = (
    column_leak("whole-sample ranks", "", quantile),
    column_leak("z-score within the month", "", month_zscore),
    Leak("principal axes of all rows", "", principal_axes, _ALL),
    column_leak("Fourier-smoothed price", "10% kept", partial(low_pass, kept=0.1)),
    *(
        column_leak("target's mean by group", name, partial(group_mean, period=period))
        for name, period in (("week", "W"), ("month", "M"), ("quarter", "Q"))
    ),
    column_leak("target's mean by group", "weekday", weekday_mean),
    column_leak("smoothed regime", "21 days", regime),
    column_leak("back-filled feature", "20% lost", partial(back_filled, missing=0.2)),
    column_leak("back-filled feature", "5% lost", partial(back_filled, missing=0.05)),
    column_leak("back-filled feature", "weekly", weekly_back_filled),
    column_leak("interpolated price", "weekly", interpolated),
    column_leak("identifier of time", "", time_identifier),
)
