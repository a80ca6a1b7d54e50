"""Frames that a program may give as data: each is kept with its times, or refused in one sentence."""

import io

import pandas as pd
import pytest

from search.api.frames import parquet_bytes
from search.errors import RequestError

PRICES = pd.DataFrame({"Close": [1.0, 2.0]}, index=pd.date_range("2020-01-01", periods=2))
INDEXES: dict[str, pd.Index] = {
    "periods": pd.period_range("2020-01-01", periods=2, freq="D"),
    "dates as objects": pd.Index([day.date() for day in pd.date_range("2020-01-01", periods=2)]),
    "texts": pd.Index(["2020-01-01", "2020-01-02"]),
    "two levels": pd.MultiIndex.from_product([pd.date_range("2020-01-01", periods=2), ["SPY"]]),
    "a zone": pd.date_range("2020-01-01", periods=2, tz="UTC"),
}
REFUSED = {
    r"column names of 2 levels, such as \('Close', 'SPY'\)": pd.concat({"SPY": PRICES}, axis=1).swaplevel(
        axis=1
    ),
    "several columns named '1'": PRICES.assign(**{"1": 1.0}).join(PRICES["Close"].rename(1)),
    "data holds no rows": PRICES.iloc[:0],
    "data is of type Series": PRICES["Close"],
}


@pytest.mark.parametrize("kind", INDEXES)
def test_the_index_is_the_column_of_times(kind: str) -> None:
    kept = pd.read_parquet(io.BytesIO(parquet_bytes(PRICES.set_axis(INDEXES[kind]), "Date")))
    days = pd.to_datetime(kept["Date"]).dt.strftime("%Y-%m-%d")
    assert list(days) == ["2020-01-01", "2020-01-02"]


def test_an_index_that_counts_rows_is_not_a_column_of_times() -> None:
    kept = pd.read_parquet(io.BytesIO(parquet_bytes(PRICES.reset_index(drop=True), "Date")))
    assert list(kept) == ["Close"]


@pytest.mark.parametrize("said", REFUSED)
def test_a_frame_that_cannot_be_used_is_refused(said: str) -> None:
    with pytest.raises(RequestError, match=said):
        parquet_bytes(REFUSED[said], "Date")
