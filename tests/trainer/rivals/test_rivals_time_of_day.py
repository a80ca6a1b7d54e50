"""Naive forecasts of bars within the day: half days, lunch breaks, weekends and changes of the clock."""

import numpy as np
import pandas as pd
import pytest

from tests.trainer.bar_fixtures import TOKYO, Times, currencies, new_york, table_of
from trainer.config import DataConfig
from trainer.data.arrays import Floats
from trainer.data.source import Table
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_forecasts

MARKETS = pytest.mark.parametrize(
    ("table", "per_day"),
    [
        (table_of(currencies()), 24),
        (table_of(new_york("30min"), "America/New_York"), 13),
        (table_of(TOKYO, "Asia/Tokyo"), 60),
    ],
    ids=["currencies", "half days", "lunch breaks"],
)


def clock(table: Table) -> Times:
    offsets = 0 if table.offsets is None else table.offsets
    return table.times + pd.to_timedelta(offsets, unit="s")


def with_a_season(table: Table) -> Dataset:
    """A log volatility that follows the hour of the source's clock and its own last value."""
    local = clock(table)
    hour = np.asarray(local.hour + local.minute / 60, dtype=np.float64)
    noise = np.random.default_rng(0).standard_normal(len(hour))
    values = np.sin(2 * np.pi * hour / 24)
    for row in range(1, len(values)):
        values[row] += 0.3 * values[row - 1] + 0.3 * noise[row]
    config = DataConfig.model_validate(
        {
            "source": "bars.csv",
            "time": "time",
            "features": ("vol",),
            "target": {"column": "vol", "kind": "volatility", "already_shifted": False},
            "split": {"fractions": {"train": 0.6, "validation": 0.2}},
            "seq_len": 2,
        }
    )
    frame = pd.DataFrame({"vol": values}, index=table.frame.index)
    return prepare_last_fold(config, Table(**{**vars(table), "frame": frame}))


def loss(data: Dataset, forecasts: Floats) -> float:
    return float(np.mean((data.target[data.validation] - forecasts) ** 2))


@MARKETS
def test_seasonal_is_the_mean_of_the_same_bar_over_the_last_22_days(table: Table, per_day: int) -> None:
    data = with_a_season(table)
    assert data.history.per_day == per_day
    times = pd.Series(clock(table).strftime("%H:%M"), index=table.times).loc[pd.DatetimeIndex(data.times)]
    target = pd.Series(data.target.astype(np.float64), index=times.index)
    past = target.groupby(times.to_numpy()).transform(lambda same: same.shift(1).rolling(22).mean())
    expected = past.to_numpy()[data.validation]
    found = baseline_forecasts(data, data.validation, MSE)["seasonal"]
    known = np.isfinite(expected)
    assert known.mean() > 0.5
    np.testing.assert_allclose(found[known], expected[known], rtol=1e-6, atol=1e-9)


@MARKETS
def test_har_is_as_good_as_least_squares_on_days_and_dummies_of_the_bar(table: Table, per_day: int) -> None:
    data = with_a_season(table)
    own = pd.Series(data.history.own)
    days = [days for days in (1, 5, 22) if days * per_day <= len(data.fitting) // 4]
    means = [own, *(own.rolling(n * per_day, min_periods=1).mean() for n in days)]
    terms = np.column_stack([*means, pd.get_dummies(data.history.slots, dtype=float)])
    fit = data.fitting[max(days) * per_day :]
    weights, *_ = np.linalg.lstsq(terms[fit], data.target[fit].astype(np.float64), rcond=None)
    found = baseline_forecasts(data, data.validation, MSE)
    assert loss(data, found["har"]) == pytest.approx(loss(data, (terms @ weights)[data.validation]), rel=0.03)
    assert loss(data, found["har"]) < loss(data, found["seasonal"]) < loss(data, found["train_mean"])
