"""The market and the learner of `fit_fixtures`, and a small table that tests may spoil."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.trainer.fit_fixtures import (
    all_finite,
    kernel,
    lab,
    market,
    naive,
    prices,
    run_fit,
    settings_of,
    whole_market,
)
from trainer.config import DataConfig
from trainer.data.source import Table, read_table

__all__ = [
    "all_finite",
    "kernel",
    "lab",
    "market",
    "naive",
    "prices",
    "run_fit",
    "settings_of",
    "whole_market",
]

Lines = list[list[str]]


@pytest.fixture
def lines() -> Lines:
    """Header and 200 business days of Date, High, Low, Close; line k of the file is `lines[k - 1]`."""
    random = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(0.01 * random.standard_normal(200)))
    spread = 1 + 0.002 + 0.01 * random.random(200)
    days = pd.bdate_range("2010-01-01", periods=200).strftime("%Y-%m-%d")
    rows = zip(days, close * spread, close / spread, close, strict=True)
    return [
        ["Date", "High", "Low", "Close"],
        *([day, *(f"{x:.6f}" for x in numbers)] for day, *numbers in rows),
    ]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Lines], Path]:
    def write_lines(lines: Lines) -> Path:
        path = tmp_path / "prices.csv"
        path.write_text("\n".join(",".join(line) for line in lines) + "\n")
        return path

    return write_lines


@pytest.fixture
def settings() -> Callable[..., DataConfig]:
    """A data section on prices.csv; keyword arguments replace whole keys."""

    def make(**changes: Any) -> DataConfig:
        values: dict[str, Any] = {
            "source": "prices.csv",
            "time": "Date",
            "features": (
                {"name": "ret", "column": "Close", "transform": "log_return"},
                {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"},
            ),
            "target": {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": "volatility"},
            "seq_len": 5,
            "split": {"fractions": {"train": 0.6, "validation": 0.2}},
        }
        return DataConfig.model_validate(values | changes)

    return make


@pytest.fixture
def read(tmp_path: Path, write: Callable[[Lines], Path]) -> Callable[[DataConfig, Lines], Table]:
    """Write the lines as prices.csv and read them as a study would."""

    def write_and_read(config: DataConfig, lines: Lines) -> Table:
        write(lines)
        return read_table(config, folder=tmp_path)

    return write_and_read


@pytest.fixture
def sp500_config(settings: Callable[..., DataConfig]) -> DataConfig:
    return settings(
        source="sample:sp500",
        seq_len=22,
        split={"train_until": "2010-12-31", "validation_until": "2014-12-31"},
    )


@pytest.fixture
def sp500(sp500_config: DataConfig, tmp_path: Path) -> Table:
    return read_table(sp500_config, folder=tmp_path)
