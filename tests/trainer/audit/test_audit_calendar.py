"""The leak audit accepts features of the calendar, which are known ahead."""

import numpy as np
import pandas as pd
import pytest

from trainer.audit.audit import audit
from trainer.config import DataConfig, GuardConfig
from trainer.data.source import Table

SEASON = {
    "source": "hours.csv",
    "time": "Date",
    "features": (
        {"name": "size", "column": "Close", "transform": "abs_log_return"},
        {"name": "tod", "transform": "time_of_day"},
        {"name": "dow", "transform": "day_of_week"},
    ),
    "target": {"column": "Close", "transform": "abs_log_return", "kind": "volatility"},
    "seq_len": 6,
    "split": {"fractions": {"train": 0.6, "validation": 0.2}},
}


def hours_with_a_season(rows: int = 2400) -> Table:
    """Hourly closes whose volatility depends on the hour and nothing else."""
    times = pd.date_range("2024-01-01", periods=rows, freq="1h")
    spread = 0.002 * np.exp(1.5 * np.cos(2 * np.pi * times.hour.to_numpy() / 24))
    close = 100 * np.exp(np.cumsum(spread * np.random.default_rng(3).standard_normal(rows)))
    frame = pd.DataFrame({"Close": close}, index=times)
    return Table(frame, "hours.csv", "", rows, np.arange(2, rows + 2), "line")


@pytest.mark.slow
def test_the_time_of_day_is_not_taken_for_a_leak_where_it_decides_the_volatility() -> None:
    found = audit(DataConfig.model_validate(SEASON), GuardConfig(), hours_with_a_season())
    blamed = [each for each in found.findings if each.where.startswith(("tod", "dow"))]
    assert [each.code for each in blamed if each.severity != "info"] == []
    assert not [each for each in found.findings if each.severity == "error"]
    assert found.dataset is not None
    assert found.dataset.feature_names == ("size", "tod_sin", "tod_cos", "dow_sin", "dow_cos")
