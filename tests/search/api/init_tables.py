"""Tables of the shapes that people download, with invented numbers."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 400


def bars(rows: int = ROWS, step: str = "B", start: str = "2020-01-01") -> pd.DataFrame:
    """Bars whose volatility comes in waves; the columns are times, Open, High, Low, Close and Volume."""
    random = np.random.default_rng(0)
    size = 0.01 * np.exp(0.5 * np.sin(np.arange(rows) / 9) + 0.3 * random.standard_normal(rows))
    close = 100 * np.exp(np.cumsum(size * random.standard_normal(rows)))
    first = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(first, close) * (1 + size * random.uniform(0.1, 1, rows))
    low = np.minimum(first, close) * (1 - size * random.uniform(0.1, 1, rows))
    frame = pd.DataFrame({"Open": first, "High": high, "Low": low, "Close": close}).round(4)
    frame["Volume"] = random.integers(1000, 9000, rows)
    frame.index = pd.date_range(start, periods=rows, freq=step, name="Date")
    return frame


def _text(frame: pd.DataFrame, form: str = "%Y-%m-%d", **options: object) -> str:
    return str(frame.to_csv(date_format=form, **options))  # type: ignore[call-overload]


def _yfinance() -> str:
    head = "Price,Open,High,Low,Close,Volume\nTicker,XYZ,XYZ,XYZ,XYZ,XYZ\nDate,,,,,\n"
    return head + _text(bars(), header=False)


def _yfinance_of_two() -> str:
    frame = bars().drop(columns=["Volume"])
    both = pd.concat([frame, frame * 2], axis=1)
    fields = ",".join(frame.columns)
    head = f"Price,{fields},{fields}\nTicker,AAA,AAA,AAA,AAA,BBB,BBB,BBB,BBB\nDate,,,,,,,,\n"
    return head + _text(both, header=False)


def _stooq() -> str:
    frame = bars()
    rows = [f"XYZ,D,{time:%Y%m%d},000000,{','.join(map(str, row))}" for time, row in _rows(frame)]
    return "\n".join(["<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>", *rows])


def _rows(frame: pd.DataFrame) -> list[tuple[pd.Timestamp, list[object]]]:
    return [(pd.Timestamp(str(time)), list(row)) for time, row in zip(frame.index, frame.values, strict=True)]


def _binance() -> str:
    frame = bars(step="D", start="2024-06-01")  # from 2025 on in microseconds
    units = [1_000_000 if time.year < 2025 else 1000 for time in pd.DatetimeIndex(frame.index)]
    stamps = pd.DatetimeIndex(frame.index).as_unit("ns").asi8 // np.array(units)
    return frame.set_axis(stamps, axis=0).to_csv(header=False)


def _alpha_vantage() -> str:
    frame = bars()[::-1]
    frame.columns = [f"{n}. {name.lower()}" for n, name in enumerate(frame.columns, 1)]
    return _text(frame.rename_axis("timestamp"))


def _fred() -> str:
    close = bars()["Close"].astype(str)
    close.iloc[::9] = "."
    return _text(close.rename("DGS10").rename_axis("observation_date").to_frame())


def _dukascopy() -> str:
    return _text(bars(step="h").rename_axis("Gmt time"), "%d.%m.%Y %H:%M:%S.000")


def _metatrader() -> str:
    rows = [f"{t:%Y.%m.%d}\t{t:%H:%M:%S}\t" + "\t".join(map(str, row)) for t, row in _rows(bars(step="h"))]
    return "\n".join(["<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>", *rows])


def _metatrader_4() -> str:
    rows = [f"{t:%Y.%m.%d},{t:%H:%M},{','.join(map(str, row))}" for t, row in _rows(bars(step="h"))]
    return "\n".join(rows)


def _investing() -> str:
    rows = [
        f'"{t:%m/%d/%Y}","{1000 + float(str(c)):,.2f}","{1000 + float(str(o)):,.2f}","1.25M","0.50%"'
        for t, (o, _, _, c, _) in _rows(bars()[::-1])
    ]
    return "\n".join(['\ufeff"Date","Price","Open","Vol.","Change %"', *rows])


def _decimal_comma() -> str:
    return _text(bars(), "%d.%m.%Y", sep=";", decimal=",")


def _long() -> str:
    frames = [bars().assign(Symbol=name) for name in ("AAA", "BBB")]
    return _text(pd.concat(frames).sort_index())


def _utc_offsets() -> str:
    return _text(bars()["Close"].to_frame().tz_localize("Asia/Tokyo"), "%Y-%m-%d %H:%M:%S+09:00")


def _packed(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("prices.csv", text)
    return file.getvalue()


def _parquet() -> bytes:
    return bars().reset_index().to_parquet()


def _arrow() -> bytes:
    file = io.BytesIO()
    bars().reset_index().to_feather(file)
    return file.getvalue()


SHAPES: dict[str, tuple[str, Callable[[], str | bytes], dict[str, str]]] = {
    "yfinance": ("XYZ.csv", _yfinance, {}),
    "yfinance of two tickers": ("two.csv", _yfinance_of_two, {"symbol": "BBB"}),
    "plain": ("prices.csv", lambda: _text(bars()), {}),
    "Stooq": ("xyz.txt", _stooq, {}),
    "Binance": ("klines.csv", _binance, {}),
    "Alpha Vantage": ("daily.csv", _alpha_vantage, {}),
    "FRED": ("DGS10.csv", _fred, {}),
    "Dukascopy": ("EURUSD.csv", _dukascopy, {}),
    "MetaTrader": ("mt5.csv", _metatrader, {"timezone": "Europe/Athens"}),
    "MetaTrader 4": ("mt4.csv", _metatrader_4, {"timezone": "UTC"}),
    "Investing.com": ("investing.csv", _investing, {}),
    "decimal comma": ("komma.csv", _decimal_comma, {}),
    "long": ("long.csv", _long, {"symbol": "AAA"}),
    "Tokyo": ("tokyo.csv", _utc_offsets, {}),
    "UTF-16": ("utf16.csv", lambda: _text(bars()).encode("utf-16"), {}),
    "gz": ("prices.csv.gz", lambda: gzip.compress(_text(bars()).encode()), {}),
    "zip": ("prices.zip", lambda: _packed(_text(bars())), {}),
    "Parquet": ("prices.parquet", _parquet, {}),
    "Arrow": ("prices.feather", _arrow, {}),
}
"""Name of the file, its content, and what it leaves open."""


def write_table(name: str, content: str | bytes) -> Path:
    """A table in the current folder."""
    path = Path(name)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
