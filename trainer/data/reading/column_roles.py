"""Tells from the names of columns which is the time, the bar, the volume and the series.

The names are those of the exports of yfinance, Stooq, Binance, Alpha Vantage, FRED, Dukascopy, MetaTrader,
Investing.com, Nasdaq and Finam. A name is compared without case, spaces, brackets and leading numbers:
`1. open` and `<OPEN>` are the open.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

TIME_NAMES = (
    *("datetime", "timestamp", "opentime", "gmttime", "utctime", "localtime", "date", "time"),
    *("observationdate", "tradedate", "tradingday", "caldt", "datadate", "dtyyyymmdd", "day"),
    *("ts", "t", "unix", "epoch", "index", "unnamed:0", ""),
)
"""Names of the column of times, the likeliest first; the last ones are those of an index of pandas."""
CLOCK_NAMES = ("time", "hour", "timeofday", "minute")
"""Names of a column with the time of day beside one of dates."""
SERIES_NAMES = (
    "symbol",
    "ticker",
    "tickers",
    "tic",
    "asset",
    "instrument",
    "secid",
    "permno",
    "isin",
    "series",
)
"""Names of the column that says which series a row of a long table belongs to."""
_ROLES: Mapping[str, tuple[str, ...]] = {
    "open": ("open", "o", "openprice", "pxopen", "openbid"),
    "high": ("high", "h", "max", "highprice", "pxhigh", "highbid"),
    "low": ("low", "l", "min", "lowprice", "pxlow", "lowbid"),
    "close": (
        "close",
        "c",
        "closelast",
        "price",
        "last",
        "settle",
        "closeprice",
        "pxlast",
        "closebid",
    ),
    "adjusted": ("adjclose", "adjustedclose", "adjprice", "closeadj"),
    "volume": ("volume", "vol", "v", "tickvol", "tickvolume", "basevolume", "volumebid"),
}
_UTC = re.compile(r"\b(utc|gmt)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Roles:
    """The columns of the bars of one series; None where there is none."""

    open: str | None = None
    high: str | None = None
    low: str | None = None
    close: str | None = None
    adjusted: str | None = None
    volume: str | None = None

    @property
    def price(self) -> str | None:
        """The price that returns are computed from: adjusted for splits and dividends if it is there."""
        return self.adjusted or self.close

    @property
    def has_range(self) -> bool:
        """Whether there are a highest and a lowest price."""
        return self.high is not None and self.low is not None


def plain_name(name: str) -> str:
    """A name without case, spaces, marks, and the number that Alpha Vantage puts before it."""
    return re.sub(r"[\s_<>./()%-]", "", re.sub(r"^\d+[a-z]?\.\s*", "", name.strip().casefold()))


def find_roles(names: Iterable[str], ticker: str = "") -> Roles:
    """The first column of each role, by the likelihood of its name without the ` TICKER` of a wide table."""
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(plain_name(name.removesuffix(f" {ticker}")), name)
    found = {
        role: next((by_name[known] for known in spellings if known in by_name), None)
        for role, spellings in _ROLES.items()
    }
    if not {"o", "h", "l", "c"} <= set(by_name):  # a single letter is any name; the four are a bar
        found = {role: None if name is not None and len(name) == 1 else name for role, name in found.items()}
    return Roles(**found)


def wide_series(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The columns of each series of a wide table, whose names are `Close AAPL`, `High AAPL`, `Close MSFT`.

    Empty if the columns are not those of at least two series.
    """
    series: dict[str, list[str]] = {}
    for name in names:
        field, _, ticker = name.rpartition(" ")
        if ticker and is_bar_name(field) and not is_bar_name(name):
            series.setdefault(ticker, []).append(name)
    return {ticker: tuple(columns) for ticker, columns in series.items()} if len(series) > 1 else {}


def is_bar_name(name: str) -> bool:
    """Whether a name is that of a part of a bar, such as the open."""
    return any(plain_name(name) in spellings for spellings in _ROLES.values())


def time_rank(name: str) -> int:
    """The place of a name among those of times; behind all of them for another name."""
    plain = plain_name(name)
    return TIME_NAMES.index(plain) if plain in TIME_NAMES else len(TIME_NAMES)


def names_utc(names: Iterable[str]) -> bool:
    """Whether the name of a column of times says that they are in UTC, as `Gmt time` does."""
    return any(_UTC.search(name) for name in names)
