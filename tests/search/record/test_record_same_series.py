"""Whether rows of two tables are the same: by their times and by the values of the target."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from search.record.same_series import shared_rows
from search.record.scored_series import ScoredSeries, scored_series
from trainer.config import DataConfig
from trainer.data.source import Table

RETURN: dict[str, Any] = {"column": "Close", "transform": "log_return", "kind": "return"}
ROWS = 1500
FIRST, LAST = 900, 1300
"""The rows that are scored, in the table of `prices`."""


def prices(seed: int = 0, like: float = 0.0) -> pd.DataFrame:
    """Daily prices; `like` is the correlation of their returns with those of seed 0."""
    common, own = np.random.default_rng(0), np.random.default_rng(seed + 100)
    moves = like * common.normal(0, 0.01, ROWS) + np.sqrt(1 - like**2) * own.normal(0, 0.01, ROWS)
    close = 100 * np.exp(np.cumsum(moves))
    width = np.exp(own.normal(-4.5, 0.4, ROWS))
    index = pd.bdate_range("2010-01-04", periods=ROWS)
    return pd.DataFrame({"Close": close, "High": close * (1 + width), "Low": close * (1 - width)}, index)


def rows_of(
    frame: pd.DataFrame, target: dict[str, Any] | None = None, *, first: int = FIRST, last: int = LAST
) -> ScoredSeries:
    """The scored rows of a table between the dates of two rows of `prices`, as the record gives them back."""
    dates = prices().index
    data = {
        "source": "any.csv",
        "time": "Date",
        "features": [{"name": "ret", "column": frame.columns[0], "transform": "log_return"}],
        "target": RETURN if target is None else target,
        "split": {"fractions": {"train": 0.5, "validation": 0.25}},
    }
    table = Table(frame, "any.csv", "ab", len(frame), np.arange(len(frame)), "line")
    ends = (int(row) for row in frame.index.searchsorted(dates[[first, last]]))
    return ScoredSeries.unpacked(scored_series(DataConfig.model_validate(data), table, *ends).packed())


def one_row_more(frame: pd.DataFrame) -> pd.DataFrame:
    saturday = moved(frame.iloc[[1004]], days=1)
    return pd.concat([frame, saturday]).sort_index()


def moved(frame: pd.DataFrame, *, hours: int = 0, days: int = 0) -> pd.DataFrame:
    return frame.set_index(pd.DatetimeIndex(frame.index) + pd.Timedelta(hours=hours + 24 * days))


def in_new_york(frame: pd.DataFrame) -> pd.DataFrame:
    """Midnight in New York, as UTC: four or five hours, by season."""
    index = pd.DatetimeIndex(frame.index).tz_localize("America/New_York").tz_convert("UTC").tz_localize(None)
    return frame.set_index(index)


def with_a_wrong_cell(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(Close=frame.Close.where(frame.index != frame.index[1100], 5000.0))


@pytest.mark.parametrize(
    "altered",
    [
        pytest.param(lambda frame: frame.copy(), id="a copy"),
        pytest.param(one_row_more, id="one row more"),
        pytest.param(lambda frame: frame.drop(frame.index[::9]), id="every ninth row missing"),
        pytest.param(lambda frame: frame * 100, id="rescaled"),
        pytest.param(lambda frame: frame.round(2), id="rounded to cents"),
        pytest.param(lambda frame: 1 / frame, id="the other currency"),
        pytest.param(with_a_wrong_cell, id="one wrong cell"),
        pytest.param(lambda frame: moved(frame, hours=9), id="another time zone"),
        pytest.param(lambda frame: moved(one_row_more(frame), hours=9), id="time zone and one row more"),
        pytest.param(in_new_york, id="a clock that changes twice a year"),
        pytest.param(lambda frame: moved(frame, days=1), id="the label of the next day"),
        pytest.param(lambda frame: frame.resample("W-FRI").last(), id="weekly"),
    ],
)
def test_an_altered_copy_is_the_same_rows(altered: Any) -> None:
    found = shared_rows(rows_of(prices()), rows_of(altered(prices())))
    assert found is not None
    assert found.share > 0.98


@pytest.mark.parametrize(
    "target",
    [
        {**RETURN, "horizon": 21},
        {"column": "Close", "transform": "abs_log_return", "kind": "volatility", "horizon": 5},
        {"of": "ret", "transform": "rolling_std", "window": 5, "kind": "volatility", "horizon": 5},
        {"column": "Close", "transform": "raw", "kind": "other", "already_shifted": True},
    ],
)
def test_another_target_of_the_same_column_scores_the_same_rows(target: dict[str, Any]) -> None:
    found = shared_rows(rows_of(prices()), rows_of(prices(), target))
    assert found is not None
    assert found.share > 0.95


def test_returns_as_a_column_of_their_own_are_those_of_the_prices() -> None:
    tomorrow = np.log(prices().Close).diff().shift(-1).to_frame("y").dropna()
    target = {"column": "y", "transform": "raw", "kind": "return", "already_shifted": True}
    found = shared_rows(rows_of(prices()), rows_of(tomorrow, target))
    assert found is not None
    assert found.share == 1


@pytest.mark.parametrize("like", [0.0, 0.9, 0.96])
def test_another_asset_is_not_the_same_rows(like: float) -> None:
    assert shared_rows(rows_of(prices()), rows_of(prices(seed=1, like=like))) is None


def test_the_range_of_an_asset_is_no_use_of_its_returns() -> None:
    ranges = {"high": "High", "low": "Low", "transform": "log_parkinson", "kind": "volatility"}
    assert shared_rows(rows_of(prices()), rows_of(prices(), ranges)) is None
    assert shared_rows(rows_of(prices(), ranges), rows_of(prices().rename(columns=str), ranges)) is not None


def test_the_share_is_that_of_my_rows_and_named_by_its_span() -> None:
    found = shared_rows(rows_of(prices(), first=900, last=1300), rows_of(prices(), first=700, last=999))
    assert found is not None
    assert found.share == pytest.approx(100 / 401)
    dates = prices().index
    assert (found.first.date(), found.last.date()) == (dates[901].date(), dates[1000].date())


def test_rows_before_or_behind_are_not_shared() -> None:
    before, behind = rows_of(prices(), last=1100), rows_of(prices(), first=1101)
    assert shared_rows(before, behind) is None
    assert shared_rows(behind, before) is None


def test_a_season_is_no_shift_of_time() -> None:
    hours = np.arange(ROWS * 8)
    load = np.exp(np.sin(hours * 2 * np.pi / 24) + 0.01 * np.random.default_rng(3).normal(size=len(hours)))
    frame = pd.DataFrame({"Close": load}, pd.date_range("2010-01-04", periods=len(hours), freq="h"))
    assert shared_rows(rows_of(frame, last=1000), rows_of(frame, first=1001)) is None


def test_a_series_that_never_changes_is_itself() -> None:
    times = np.arange(40) * 86_400_000_000_000
    rate, other = (ScoredSeries(times, np.full(40, level), adds_up=False) for level in (1.5, 2.5))
    assert shared_rows(rate, rate) is not None
    assert shared_rows(rate, other) is None
