"""Names of columns: of headers with several rows, of files without a header, and of names in brackets."""

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"[+-]?(\d[\d.,' ]*|\.\d+)([eE][+-]?\d+)?%?[KMBT]?|nan|inf|-inf", re.IGNORECASE)
_TIME = re.compile(r"\d{1,4}[-/.]\w{1,3}[-/.]\d{1,4}.*|\d{1,2}:\d\d.*")
_KLINES = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume"),
    *("trades", "taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
"""Columns of the klines that Binance publishes, in order; https://github.com/binance/binance-public-data."""
_EPOCH = re.compile(r"\d{13}|\d{16}")
UNNAMED = "Unnamed: "
"""What the name of a column without a name begins with, before its position from 0, as in pandas."""
_BARS = ("open", "high", "low", "close", "volume")
_LEVELS = frozenset({"", "price", "ticker", "tickers", "symbol", "symbols", "attributes"})


def looks_like_data(row: Sequence[str]) -> bool:
    """Whether no cell of a row can be the name of a column: each is a number, a time or empty."""
    filled = [cell for cell in row if cell]
    return bool(filled) and all(_NUMBER.fullmatch(cell) or _TIME.fullmatch(cell) for cell in filled)


def klines_names(row: Sequence[str]) -> tuple[str, ...] | None:
    """The names of a first row that is klines, or a time and then a bar; None for any other shape."""
    if _EPOCH.fullmatch(row[0]) and len(row) in (5, 6, 12):
        return _KLINES[: len(row)]
    times = [bool(_TIME.fullmatch(cell)) for cell in row]
    numbers = [bool(_NUMBER.fullmatch(cell)) for cell in row]
    if re.fullmatch(r"\d{8} \d{4,6}", row[0]):
        times[0] = True
    heads = {1: ("time",), 2: ("date", "time")}
    for count, head in heads.items():
        rest = len(row) - count
        if rest in (4, 5) and all(times[:count]) and not any(times[count:]) and all(numbers[count:]):
            return (*head, *_BARS[:rest])
    return None


def header_names(rows: Sequence[Sequence[str]]) -> tuple[str, ...] | None:
    """The names that a header of three rows as yfinance writes it gives; None for any other header.

    Its rows are fields, tickers, and the name of the times. Columns of one ticker are named by their field,
    those of several by both: `Close AAPL`.
    """
    if len(rows) != 3 or len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
        return None
    corners = [rows[0][0].casefold(), rows[1][0].casefold()]
    if not set(corners) <= _LEVELS or any(rows[2][1:]) or rows[2][0].casefold() not in ("date", "datetime"):
        return None
    upper, lower = rows[0][1:], rows[1][1:]
    fields, tickers = (lower, upper) if corners[0].startswith(("ticker", "symbol")) else (upper, lower)
    one = len(set(tickers)) == 1
    named = [name if one else f"{name} {ticker}" for name, ticker in zip(fields, tickers, strict=True)]
    return (rows[2][0], *named)


def find_column(name: str, names: Sequence[str]) -> int | None:
    """The position of the one column with a name; `DATE` also finds `<DATE>`. None if there is not exactly
    one."""
    for spelling in (name, f"<{name}>"):
        if names.count(spelling) == 1:
            return list(names).index(spelling)
    return None
