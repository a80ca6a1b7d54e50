"""Tables of one and of several made-up series, and a study of them."""

from dataclasses import replace
from string import ascii_uppercase
from typing import Any

import numpy as np
import pandas as pd

from trainer.config import DataConfig
from trainer.data.source import Table

SEQ_LEN, HORIZON = 6, 3
SPLITS: dict[str, dict[str, Any]] = {
    "holdout": {"train_until": "2001-06-30", "validation_until": "2001-12-31"},
    "fractions": {"fractions": {"train": 0.6, "validation": 0.2}},
    "walk_forward": {
        "method": "walk_forward",
        "folds": 3,
        "train_until": "2001-06-30",
        "validation_until": "2001-12-31",
    },
    "cpcv": {"method": "cpcv", "groups": 4, "held_out": 2, "validation_until": "2001-12-31"},
}


def config_of(split: dict[str, Any] = SPLITS["holdout"]) -> DataConfig:
    features = (
        {"name": "ret", "column": "close", "transform": "log_return"},
        {"name": "size", "column": "close", "transform": "abs_log_return"},
        {"name": "month", "of": "size", "transform": "rolling_mean", "window": 22},
        {"name": "before", "of": "ret", "transform": "lag", "window": 2},
    )
    target = {
        "of": "size",
        "transform": "rolling_mean",
        "window": HORIZON,
        "kind": "volatility",
        "horizon": HORIZON,
    }
    return DataConfig.model_validate(
        {
            "source": "made.csv",
            "time": "date",
            "features": features,
            "target": target,
            "split": split,
            "seq_len": SEQ_LEN,
        }
    )


def one(seed: int, begin: str, rows: int) -> Table:
    """A made-up price by day, some days of which are absent."""
    random = np.random.default_rng(seed)
    days = pd.bdate_range(begin, periods=rows + 40)[np.sort(random.permutation(rows + 40)[:rows])]
    sizes = 0.01 * np.exp(np.convolve(random.standard_normal(rows + 20), np.ones(21) / 10, "valid"))
    close = 100 * np.exp(np.cumsum(sizes * random.standard_normal(rows)))
    frame = pd.DataFrame({"close": close}, index=days)
    return Table(frame, "made.csv", "0" * 64, rows, np.arange(2, rows + 2), "line")


def panel_of(*tables: Table) -> Table:
    """The tables laid end to end."""
    lengths = [len(table.frame) for table in tables]
    return Table(
        pd.concat([table.frame for table in tables]),
        "made.csv",
        "0" * 64,
        sum(lengths),
        np.arange(2, sum(lengths) + 2),
        "line",
        series_starts=np.cumsum([0, *lengths[:-1]]),
    )


LONG, LATE = one(1, "2000-01-03", 640), one(2, "2000-09-01", 420)
PANEL = panel_of(LONG, LATE)


def with_names(table: Table) -> Table:
    """The table with its series named A, B, C and so on."""
    return replace(table, series_names=tuple(ascii_uppercase[: len(table.series_starts)]))
