"""The S&P 500 as benchmarks and tests of the trainer see it: one data section, to be varied."""

from typing import Any

RETURN: dict[str, Any] = {"column": "Close", "transform": "log_return", "kind": "return"}
VOLATILITY: dict[str, Any] = {
    "transform": "log_parkinson",
    "high": "High",
    "low": "Low",
    "kind": "volatility",
}
SP500: dict[str, Any] = {
    "source": "sample:sp500",
    "time": "Date",
    "features": (
        {"name": "ret", "column": "Close", "transform": "log_return"},
        {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"},
        {"name": "vol5", "of": "vol", "transform": "rolling_mean", "window": 5},
    ),
    "target": VOLATILITY,
    "seq_len": 22,
    "split": {"train_until": "2010-12-31", "validation_until": "2014-12-31"},
}
"""Features known at the close of a day, the volatility of the next day, windows of a month."""
