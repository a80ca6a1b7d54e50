"""A study of a made-up panel."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    pass


NAMES = ("A", "B", "C", "D", "E", "F")


RETURNS: dict[str, Any] = {
    "data": {
        "source": "panel.csv",
        "series": "Ticker",
        "features": [
            {"name": "ret", "column": "Close", "transform": "log_return"},
            {"name": "size", "column": "Close", "transform": "abs_log_return"},
        ],
        "target": {"column": "Close", "transform": "log_return", "horizon": 2, "kind": "return"},
        "split": {"train_until": "2002-06-28", "validation_until": "2002-12-31", "fractions": None},
        "seq_len": 5,
    },
    "training": {"epochs": 2},
}


def write_panel(folder: Path) -> None:
    """Six series that share most of their moves; the last one begins late."""
    random = np.random.default_rng(4)
    days = pd.bdate_range("2001-01-01", periods=640)
    common, parts = 0.01 * random.standard_normal(len(days)), []
    for number, name in enumerate(NAMES):
        first = 300 if name == "F" else 0
        moves = (common + 0.005 * np.random.default_rng(number).standard_normal(len(days)))[first:]
        close = 100 * np.exp(np.cumsum(moves))
        parts.append(pd.DataFrame({"Date": days[first:], "Ticker": name, "Close": close}))
    pd.concat(parts).sort_values(["Date", "Ticker"]).to_csv(folder / "panel.csv", index=False)
