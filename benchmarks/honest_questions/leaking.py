"""Leaks at any horizon: each plants a column (called `leak`) into an honest host, by its name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.honest_questions.hosts import real
from benchmarks.leaks import ahead, whole
from benchmarks.leaks.leak import Random, floats, moved, rolling, spread, with_raw_target
from benchmarks.leaks.studies import Floats, Kind, Series, Study
from trainer.data.features import build_features
from trainer.data.transforms import log_return

Column = Callable[[Study, Random], Floats]


@dataclass(frozen=True)
class Leak:
    """A leak and the kind of host that it is planted into. `named` are what a finding ought to name."""

    kind: Kind
    plant: Callable[[Study, Random], Study]
    named: tuple[str, ...] = ("leak",)


def own(study: Study) -> Floats:
    """What a row alone adds to the target, (rows,): its return, or its volatility."""
    name = "ret" if study.target["kind"] == "return" else "vol"
    return floats(build_features(study.config(), study.table()).features[name])


def _noisy(values: Floats, random: Random, noise: float) -> Floats:
    """With noise of `noise` of its standard deviations."""
    return values + noise * spread(values) * random.standard_normal(len(values))


def early(study: Study, random: Random, *, rows: int, noise: float) -> Floats:
    """A column that was shifted by `rows` the wrong way, measured with noise."""
    return _noisy(moved(own(study), -rows), random, noise)


def target_under_noise(study: Study, random: Random, *, noise: float) -> Floats:
    """The known target, shifted by the horizon the wrong way: the answer, under noise."""
    return _noisy(study.future(), random, noise)


def future_return(study: Study, random: Random) -> Floats:
    """The return over the next 20 rows, R² 0.3: a label of another model kept as a feature."""
    price = np.log(study.values("Close"))
    return _noisy(moved(price, -20) - price, random, np.sqrt(0.7 / 0.3))


def month_and_quintile(study: Study, _: Random) -> Floats:
    """The mean target over all rows of the same month and of the same fifth of today's value."""
    fifth = pd.qcut(pd.Series(own(study)), 5, labels=False)
    month = pd.Series(pd.DatetimeIndex(study.frame["Date"]).to_period("M").astype(str))
    return floats(pd.Series(study.future()).groupby([month, fifth]).transform("mean"))


def two_sided_mean(study: Study, _: Random, *, span: int) -> Floats:
    """An exponential mean that runs forward and then backward."""
    forward = pd.Series(own(study)).ewm(span=span).mean()
    return floats(forward[::-1].ewm(span=span).mean()[::-1])


def two_sided_filter(study: Study, _: Random) -> Floats:
    """A local level that is smoothed with all rows (Rauch, Tung and Striebel 1965), gain 0.2."""
    values = pd.Series(own(study)).bfill().to_numpy(np.float64)
    level = floats(pd.Series(values).ewm(alpha=0.2, adjust=False).mean())
    smooth = level.copy()
    for t in range(len(level) - 2, -1, -1):
        smooth[t] = level[t] + 0.8 * (smooth[t + 1] - level[t])
    return smooth


def news_at_the_close(study: Study, random: Random) -> Floats:
    """How much was written about a day. What comes after the close, on tomorrow's move, has today's date."""
    size = np.abs(log_return(study.values("Close")))
    written = np.log1p((size + 0.5 * moved(size, -1)) / np.nanmean(size))
    return written + 0.3 * random.standard_normal(len(size))


def sentiment(study: Study, random: Random) -> Floats:
    """The tone of the news of a day, tomorrow's opening among them."""
    returns = log_return(study.values("Close"))
    return _noisy(returns + 0.3 * moved(returns, -1), random, 1.0)


def split_factor(study: Study, _: Random) -> Floats:
    """How often the share will be split until the end of the table, as its price rises."""
    price = np.log2(study.values("Close"))
    highest = np.maximum.accumulate(price)
    # An eighth of a doubling: the factor counts dividends as well.
    steps = np.floor((highest - highest[0]) * 8)
    return floats(pd.Series(steps[-1] - steps))


def adjusted_price(study: Study, random: Random) -> Floats:
    """Today's price, divided by what will be paid out until the end of the table."""
    return np.log(study.values("Close")) - 0.05 * split_factor(study, random)


def hampel(study: Study, _: Random, *, window: int) -> Floats:
    """Outliers beyond 1.5 deviations of a centred window, put back to its median: Hampel (1974)."""
    values = pd.Series(own(study))
    middle = values.rolling(window, center=True).median()
    apart = 1.4826 * (values - middle).abs().rolling(window, center=True).median()
    return floats(values.where((values - middle).abs() <= 1.5 * apart, middle))


def join(study: Study, _: Random, *, rows: int) -> Floats:
    """Another market's value of the same kind, joined `rows` too early."""
    other: Series = "sp500" if study.name.startswith("nasdaq") else "nasdaq"
    theirs = real(other, "return" if study.target["kind"] == "return" else "volatility", 1)
    column = pd.Series(moved(own(theirs), -rows), index=pd.DatetimeIndex(theirs.frame["Date"]))
    return floats(column.reindex(pd.DatetimeIndex(study.frame["Date"])))


def behind_today(study: Study, random: Random) -> Floats:
    """A market that moves with today's (correlation 0.5) and hides a lead of a day (0.15)."""
    mine = own(study) / spread(own(study))
    return 0.5 * mine + 0.15 * moved(mine, -1) + 0.85 * random.standard_normal(len(mine))


def next_gap(study: Study, _: Random) -> Floats:
    """The gap of tomorrow's opening: the open joined a day early."""
    return np.log(moved(study.values("Open"), -1) / study.values("Close"))


def over_largest(study: Study, _: Random) -> Floats:
    """The price over its highest of all rows."""
    price = study.values("Close")
    return floats(price / price.max())


def barrier(study: Study, _: Random) -> Floats:
    """Which barrier of ±2 % the price meets first within ten rows: López de Prado (2018)."""
    price = np.log(study.values("Close"))
    ahead_of = np.column_stack([moved(price, -k) - price for k in range(1, 11)])  # (rows, 10)
    hit = np.abs(ahead_of) >= 0.02
    first = np.argmax(hit, axis=1)
    sign = np.sign(ahead_of[np.arange(len(price)), first])
    return np.where(hit.any(axis=1), sign, 0.0)


def in_sample(study: Study, random: Random) -> Floats:
    """The forecast of a least-squares model with 300 useless columns, fitted on all rows."""
    target = pd.Series(study.future()).ffill().bfill().to_numpy(np.float64)
    columns = np.column_stack([np.ones(len(target)), random.standard_normal((len(target), 300))])
    coefficients, *_ = np.linalg.lstsq(columns, target, rcond=None)
    fitted: Floats = columns @ coefficients
    return fitted


def range_to_come(study: Study, _: Random) -> Floats:
    """Today's return over the volatility of a window with its row in the middle."""
    returns = log_return(study.values("Close"))
    return returns / floats(pd.Series(returns).rolling(11, center=True).std())


def revised(study: Study, _: Random) -> Floats:
    """The logarithm of the volume, as it was revised with the five rows that follow."""
    return moved(rolling(np.log1p(study.values("Volume")), 6), -5)


def todays_target(study: Study, _: Random) -> Study:
    """A raw target that holds today's value and is said to lie ahead."""
    planted = with_raw_target(study, study.known())
    return replace(planted, target={**planted.target, "horizon": study.horizon}).without_gaps()


def column(kind: Kind, make: Column) -> Leak:
    """A leak in one more column; rows that it cannot fill are dropped, as a user would."""
    return Leak(kind, lambda study, random: study.with_columns(leak=make(study, random)).without_gaps())


RETURNS: Mapping[str, Leak] = {
    "future 20-day return, R² 0.3": column("return", future_return),
    "target under noise, 3 std": column("return", partial(target_under_noise, noise=3)),
    "1 row early, under noise": column("return", partial(early, rows=1, noise=2)),
    "2 rows early, under noise": column("return", partial(early, rows=2, noise=2)),
    "lead behind today": column("return", behind_today),
    "off-by-one join": column("return", partial(join, rows=1)),
    "tomorrow's gap": column("return", next_gap),
    "sentiment of tomorrow": column("return", sentiment),
    "adjusted price": column("return", adjusted_price),
    "price over its highest": column("return", over_largest),
    "centred price mean, 5": column("return", partial(ahead.centred_price, window=5)),
    "barrier label": column("return", barrier),
    "target's mean by month": column("return", partial(whole.group_mean, period="M")),
    "forecast fitted on all rows": column("return", in_sample),
    "low-pass of the price": column("return", partial(whole.low_pass, kept=0.25)),
    "scaled by volatility to come": column("return", range_to_come),
}
VOLATILITIES: Mapping[str, Leak] = {
    "mean by month": column("volatility", partial(whole.group_mean, period="M")),
    "mean by month and quintile": column("volatility", month_and_quintile),
    "two-sided EWMA, 5": column("volatility", partial(two_sided_mean, span=5)),
    "two-sided EWMA, 20": column("volatility", partial(two_sided_mean, span=20)),
    "smoothed level": column("volatility", two_sided_filter),
    "news at the close": column("volatility", news_at_the_close),
    "splits to come": column("volatility", split_factor),
    "Hampel filter, centred": column("volatility", partial(hampel, window=7)),
    "centred mean, 5": column("volatility", partial(ahead.centred_mean, window=5)),
    "regime of a centred mean": column("volatility", whole.regime),
    "under noise, 2 std": column("volatility", partial(target_under_noise, noise=2)),
    "1 row early, noisy": column("volatility", partial(early, rows=1, noise=1)),
    "2 rows early, noisy": column("volatility", partial(early, rows=2, noise=1)),
    "join a day early": column("volatility", partial(join, rows=1)),
    "revised volume": column("volatility", revised),
    "over the largest of all rows": column("volatility", whole.minmax),
    "filled backward, weekly": column("volatility", whole.weekly_back_filled),
    "fitted on all rows": column("volatility", in_sample),
    "today's value as raw target": Leak("volatility", todays_target, ("target", "vol", "vol5", "vol22")),
}
LEAKS: Mapping[str, Leak] = {**RETURNS, **VOLATILITIES}


def host(kind: Kind, horizon: int) -> Study:
    """The honest study that a leak is planted into: horizons take turns with two series."""
    return real("sp500" if horizon in (1, 10, 63) else "nasdaq", kind, horizon)
