"""Studies and frames that the tests of the Python API share."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]


def small_study(name: str = "small", trials: int = 1, epochs: int = 1) -> dict[str, Any]:
    """A study of a second on the columns of the sample."""
    return {
        "study": {"name": name, "trials": trials, "sampler": "random", "pruner": "none"},
        "data": {
            "source": "sample:sp500",
            "time": "Date",
            "features": [{"name": "ret", "column": "Close", "transform": "log_return"}],
            "target": {"column": "Close", "transform": "log_return", "kind": "return", "horizon": 1},
            "seq_len": 5,
            "split": {"train_until": "2010-12-31", "validation_until": "2014-12-31"},
        },
        "models": {"gru": {"batch_size": 256, "hidden_size": 8}},
        "training": {"epochs": epochs},
        "space": {"models.gru.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}},
    }


def framed_data() -> dict[str, Any]:
    """The data section of a study whose source is a frame."""
    return {key: value for key, value in small_study()["data"].items() if key != "source"}


def frame(rows: int = 5026) -> pd.DataFrame:
    """Prices with a DatetimeIndex that has a zone."""
    times = pd.date_range("1999-01-04", periods=rows, freq="B", tz="America/New_York")
    close = 100 * np.exp(np.cumsum(np.random.default_rng(0).standard_t(4, rows) * 0.01))
    return pd.DataFrame({"Close": close}, index=times)
