"""A panel may be written in three ways, and all three give the same rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trainer.config import DataConfig
from trainer.data.source import Table, read_table
from trainer.errors import DataError

NAMES = ("AAPL", "BRK.B", "MSFT")


def rows_of(name: str) -> pd.DataFrame:
    seed = NAMES.index(name)
    days = pd.bdate_range("2020-01-01", periods=30 + 5 * seed)[seed:]
    close = 100 + np.arange(len(days)) + 1000.0 * seed
    return pd.DataFrame({"Date": days, "Ticker": name, "Close": close, "Volume": 10 * close})


def long_table() -> pd.DataFrame:
    return pd.concat([rows_of(name) for name in reversed(NAMES)], ignore_index=True)


def config_of(source: Any, columns: tuple[str, ...] = ("Close",), **keys: Any) -> DataConfig:
    return DataConfig.model_validate(
        {
            "source": source,
            "time": "Date",
            "features": columns,
            "target": {"column": columns[0], "transform": "log_return", "kind": "return"},
            "split": {"fractions": {"train": 0.6, "validation": 0.2}},
            **keys,
        }
    )


def read(folder: Path, source: Any, columns: tuple[str, ...] = ("Close",), **keys: Any) -> Table:
    return read_table(config_of(source, columns, **keys), folder=folder)


def require_the_panel(table: Table, column: str = "Close") -> None:
    assert table.series_names == NAMES
    for name, span in zip(NAMES, table.spans, strict=True):
        assert table.frame[column].to_numpy()[span].tolist() == rows_of(name)["Close"].tolist()
        assert table.times[span].tolist() == rows_of(name)["Date"].tolist()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("by", [["Ticker", "Date"], ["Date", "Ticker"]])
def test_a_long_table_is_grouped_by_series_whatever_its_order(
    tmp_path: Path, suffix: str, by: list[str]
) -> None:
    frame = long_table().sort_values(by)
    if suffix == "csv":
        frame.to_csv(tmp_path / "long.csv", index=False)
    else:
        frame.astype({"Ticker": "category"}).to_parquet(tmp_path / "long.parquet")
    table = read(tmp_path, f"long.{suffix}", series="Ticker")
    require_the_panel(table)
    row = int(table.series_starts[1])
    assert table.series_of(row) == "BRK.B"
    at = int(np.flatnonzero((frame["Ticker"] == "BRK.B").to_numpy())[0]) + (2 if suffix == "csv" else 1)
    assert table.place(row) == f"long.{suffix}, {'line' if suffix == 'csv' else 'row'} {at}, series BRK.B"


def test_a_wide_table_has_no_row_where_a_cell_is_empty(tmp_path: Path) -> None:
    long_table().pivot(index="Date", columns="Ticker", values="Close").to_csv(tmp_path / "wide.csv")
    require_the_panel(read(tmp_path, "wide.csv", ("value",), layout="wide"), "value")
    chosen = read(tmp_path, "wide.csv", ("value",), layout="wide", series=["A*", "MSFT"])
    assert chosen.series_names == ("AAPL", "MSFT")


@pytest.mark.parametrize("pattern", ["{field} {series}", "{series}_{field}", "{field}.{series}"])
def test_a_wide_table_may_have_several_fields_of_each_series(tmp_path: Path, pattern: str) -> None:
    wide = long_table().pivot(index="Date", columns="Ticker", values=["Close", "Volume"])
    wide.columns = pd.Index([pattern.format(field=pair[0], series=pair[1]) for pair in wide.columns])
    wide.to_csv(tmp_path / "wide.csv")
    table = read(tmp_path, "wide.csv", ("Close", "Volume"), layout="wide")
    require_the_panel(table)
    assert (table.frame["Volume"] == 10 * table.frame["Close"]).all()


@pytest.mark.parametrize("source", [[f"{name}.csv" for name in NAMES], "*.csv"])
@pytest.mark.parametrize("layout", ["files", None])
def test_files_that_cover_the_same_time_are_one_series_each(
    tmp_path: Path, source: Any, layout: str | None
) -> None:
    for name in NAMES:
        rows_of(name).to_csv(tmp_path / f"{name}.csv", index=False)
    table = read(tmp_path, source, layout=layout)
    require_the_panel(table)
    assert table.place(0) == "AAPL.csv, line 2, series AAPL"
    assert table.detected["layout"] == "files"


def test_files_of_one_series_after_the_other_stay_one_series(tmp_path: Path) -> None:
    whole = rows_of("AAPL")
    whole[:20].to_csv(tmp_path / "one.csv", index=False)
    whole[20:].to_csv(tmp_path / "two.csv", index=False)
    table = read(tmp_path, ["one.csv", "two.csv"])
    assert table.series_names == ()
    assert len(table.frame) == len(whole)


def test_long_files_of_several_series_are_joined_by_name(tmp_path: Path) -> None:
    frame = long_table().sort_values("Date")
    frame[:50].to_csv(tmp_path / "early.csv", index=False)
    frame[50:].to_csv(tmp_path / "late.csv", index=False)
    require_the_panel(read(tmp_path, ["early.csv", "late.csv"], series="Ticker"))


def test_each_series_is_sorted_by_time_if_asked(tmp_path: Path) -> None:
    long_table()[::-1].to_csv(tmp_path / "long.csv", index=False)
    require_the_panel(read(tmp_path, "long.csv", series="Ticker", sort=True))


def test_series_may_be_named_by_numbers(tmp_path: Path) -> None:
    numbers = {"AAPL": 14593, "MSFT": 10107, "BRK.B": 83443}
    frame = long_table().replace({"Ticker": numbers}).infer_objects()
    frame.to_parquet(tmp_path / "crsp.parquet")
    table = read(tmp_path, "crsp.parquet", series="Ticker")
    assert table.series_names == ("10107", "14593", "83443")


def test_a_row_that_names_no_series_is_refused_with_its_line(tmp_path: Path) -> None:
    frame = long_table()
    frame.loc[3, "Ticker"] = None
    frame.to_csv(tmp_path / "long.csv", index=False)
    with pytest.raises(DataError, match=r"long.csv, line 5: column Ticker names no series; fill it"):
        read(tmp_path, "long.csv", series="Ticker")


def test_a_series_column_that_is_missing_is_named(tmp_path: Path) -> None:
    long_table().to_csv(tmp_path / "long.csv", index=False)
    with pytest.raises(DataError, match="column 'ticker' is missing; did you mean 'Ticker'"):
        read(tmp_path, "long.csv", series="ticker")


def test_a_wide_series_that_is_missing_is_named(tmp_path: Path) -> None:
    long_table().pivot(index="Date", columns="Ticker", values="Close").to_csv(tmp_path / "wide.csv")
    with pytest.raises(DataError, match="no series is named 'APPL'; did you mean 'AAPL'"):
        read(tmp_path, "wide.csv", ("value",), layout="wide", series=["APPL"])


def test_a_wide_column_of_texts_is_refused_with_the_key_that_leaves_it_out(tmp_path: Path) -> None:
    wide = long_table().pivot(index="Date", columns="Ticker", values="Close")
    wide.assign(Note="x").to_csv(tmp_path / "wide.csv")
    with pytest.raises(DataError, match=r"column Note holds 'x', which is not a number .* in data.series if"):
        read(tmp_path, "wide.csv", ("value",), layout="wide")
    assert read(tmp_path, "wide.csv", ("value",), layout="wide", series=NAMES).series_names == NAMES


def test_two_fields_of_a_wide_table_with_one_column_each_are_refused(tmp_path: Path) -> None:
    long_table().pivot(index="Date", columns="Ticker", values="Close").to_csv(tmp_path / "wide.csv")
    with pytest.raises(DataError, match="no column is named by Close or Volume and a series, as Close"):
        read(tmp_path, "wide.csv", ("Close", "Volume"), layout="wide")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"layout": "long"}, "layout: long needs series"),
        ({"layout": "files", "series": "Ticker"}, "the files name the series; remove series"),
        ({"series": ["A", "B"]}, "series is one column; a list of series belongs to layout: wide"),
        ({"series": "Date"}, "series 'Date' is a column of times or of where"),
    ],
)
def test_a_layout_that_does_not_fit_the_series_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config_of("prices.csv", **keys)
