"""The shapes of tables that people download, with invented numbers."""

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pytest

from tests.trainer.data.reading.table_shapes import ReadText, config_of, values_of
from trainer.data.source import read_table
from trainer.errors import ColumnError, DataError, SourceError

YFINANCE_ONE = "Price,Close,High\nTicker,XYZ,XYZ\nDate,,\n2024-01-02,100.5,101\n2024-01-03,99.5,100\n"
YFINANCE_TWO = "Price,Close,Close\nTicker,AAA,BBB\nDate,,\n2024-01-02,100.5,7\n2024-01-03,99.5,8\n"
YFINANCE_OLD_TWO = ",Close,Close\n,AAA,BBB\nDate,,\n2024-01-02,100.5,7\n2024-01-03,99.5,8\n"
YFINANCE_BY_TICKER = "Ticker,AAA,BBB\nPrice,Close,Close\nDatetime,,\n2024-01-02,100.5,7\n2024-01-03,99.5,8\n"


def test_three_header_rows_of_yfinance_give_the_fields(read: ReadText) -> None:
    table = read(YFINANCE_ONE)
    assert values_of(table) == [100.5, 99.5]
    assert table.place(0) == "t.csv, line 4"
    assert table.detected["header"] == 3


@pytest.mark.parametrize(
    ("text", "time"), [(YFINANCE_TWO, "Date"), (YFINANCE_OLD_TWO, "Date"), (YFINANCE_BY_TICKER, "Datetime")]
)
def test_several_tickers_of_yfinance_name_each_column_by_both(read: ReadText, text: str, time: str) -> None:
    assert values_of(read(text, "Close BBB", time)) == [7, 8]
    with pytest.raises(
        ColumnError, match=r"column 'Close' is missing; did you mean 'Close AAA'\?|'Close BBB'"
    ):
        read(text, "Close", time)


def test_klines_without_a_header_have_the_names_that_binance_documents(read: ReadText) -> None:
    row = "1,2,0.5,{},9,1,10,3,4,5,0"
    stamps = [1735603200000, 1735689600000000]  # 2024-12-31 in milliseconds, 2025-01-01 in microseconds
    text = "".join(f"{stamp},{row.format(100 + i)}\n" for i, stamp in enumerate(stamps))
    table = read(text, "close", "open_time")
    assert values_of(table) == [100, 101]
    assert [table.when(row) for row in (0, 1)] == ["2024-12-31 00:00:00", "2025-01-01 00:00:00"]


def test_a_file_without_a_header_takes_the_names_that_are_given(read: ReadText) -> None:
    text = "2024-01-02,5,1.5\n2024-01-03,6,1.6\n"
    assert values_of(read(text, "px", "day", csv={"columns": ("day", "n", "px")})) == [1.5, 1.6]
    with pytest.raises(SourceError, match=r"t\.csv has no header: .*data\.csv\.columns"):
        read(text, "px", "day")
    with pytest.raises(SourceError, match=r"names 2 columns, and the first row of t\.csv has 3 cells"):
        read(text, "px", "day", csv={"columns": ("day", "px")})


def test_names_that_are_given_replace_those_of_the_header(read: ReadText) -> None:
    table = read("D,C\n2024-01-02,5\n2024-01-03,6\n", csv={"columns": ("Date", "Close")})
    assert values_of(table) == [5, 6]
    assert table.place(0) == "t.csv, line 2"


def test_dates_and_times_of_stooq_are_joined_from_two_columns(read: ReadText) -> None:
    text = "<TICKER>,<PER>,<DATE>,<TIME>,<CLOSE>\nX,5,20240102,093000,1.5\nX,5,20240102,093500,1.6\n"
    for names in (["<DATE>", "<TIME>"], ["DATE", "TIME"]):
        table = read(text, "<CLOSE>", names)
        assert [table.when(row) for row in (0, 1)] == ["2024-01-02 09:30:00", "2024-01-02 09:35:00"]
    assert values_of(read(text, "CLOSE", ["DATE", "TIME"])) == [1.5, 1.6]


def test_an_export_of_metatrader_is_read(read: ReadText) -> None:
    text = "<DATE>\t<TIME>\t<CLOSE>\n2024.01.02\t00:00:00\t1.5\n2024.01.02\t01:00:00\t1.6\n"
    table = read(text, "<CLOSE>", ["<DATE>", "<TIME>"])
    assert table.when(1) == "2024-01-02 01:00:00"
    assert table.detected["separator"] == "\t"
    table = read(
        "2024.01.02,00:00,1,2,0.5,1.5,7\n2024.01.02,00:01,1,2,0.5,1.6,7\n", "close", ["date", "time"]
    )
    assert values_of(table) == [1.5, 1.6]


def test_an_export_of_dukascopy_is_read(read: ReadText) -> None:
    text = "Gmt time,Close\n13.01.2024 22:00:00.000,1.5\n14.01.2024 22:05:00.000,1.6\n"
    assert read(text, time="Gmt time").when(0) == "2024-01-13 22:00:00"


def test_an_export_of_investing_com_is_read(read: ReadText) -> None:
    text = (
        '\ufeff"Date","Price","Vol.","Change %"\n'
        '"01/16/2024","1,234.50","1.25M","0.50%"\n"01/15/2024","1,228.36","350.10K","-0.25%"\n'
        '"01/12/2024","1,231.00","-","0.10%"\n'
    )
    table = read(text, "Price", sort=True)
    assert values_of(table) == [1231, 1228.36, 1234.5]
    assert values_of(read(text, "Vol.", sort=True))[1:] == [350_100, 1_250_000]
    assert np.isnan(values_of(read(text, "Vol.", sort=True))[0])
    np.testing.assert_allclose(values_of(read(text, "Change %", sort=True)), [0.001, -0.0025, 0.005])


def test_an_export_of_nasdaq_with_dollar_signs_is_read(read: ReadText) -> None:
    text = "Date,Close/Last,Volume\n01/16/2024,$183.63,65076640\n01/12/2024,$1185.92,40477780\n"
    assert values_of(read(text, "Close/Last", sort=True)) == [1185.92, 183.63]


def test_points_of_fred_are_dropped_if_asked(read: ReadText) -> None:
    text = "observation_date,X\n2024-01-01,.\n2024-01-02,1.5\n2024-01-03,\n2024-01-04,1.6\n"
    table = read(text, "X", "observation_date", drop_empty=True)
    assert (values_of(table), table.place(1), table.rows) == ([1.5, 1.6], "t.csv, line 5", 4)
    assert len(read(text, "X", "observation_date").frame) == 4


@pytest.mark.parametrize(
    ("rows", "values", "detected"),
    [
        (["1.234,5", "99,25"], [1234.5, 99.25], {"decimal": ",", "thousands": "."}),
        (["1234,5", "99,25"], [1234.5, 99.25], {"decimal": ","}),
        (["1 234,5", "99"], [1234.5, 99], {"decimal": ",", "thousands": " "}),
        (["1'234.5", "99.25"], [1234.5, 99.25], {"thousands": "'"}),
        (["1,234,567", "2"], [1234567, 2], {"thousands": ","}),
        (["1.234.567", "2"], [1234567, 2], {"decimal": ",", "thousands": "."}),
        (["0,125", "0,250"], [0.125, 0.25], {"decimal": ","}),
        (["1.234", "2345.5"], [1.234, 2345.5], {}),
    ],
)
def test_marks_of_numbers_are_detected(
    read: ReadText, rows: list[str], values: list[float], detected: dict[str, str]
) -> None:
    text = "Date;Close\n" + "".join(f"2024-01-0{day};{row}\n" for day, row in enumerate(rows, 1))
    table = read(text)
    assert values_of(table) == values
    assert {key: table.detected[key] for key in ("decimal", "thousands") if key in table.detected} == {
        "decimal": ".",
        **detected,
    }


def test_a_comma_with_two_readings_is_refused_with_both(read: ReadText) -> None:
    text = "Date;Close\n2024-01-01;1,234\n2024-01-02;2,345\n"
    with pytest.raises(ColumnError, match=r"1,234 in column Close may be 1234 or 1\.234; set data\.csv\."):
        read(text)
    assert values_of(read(text, csv={"decimal": ","})) == [1.234, 2.345]
    assert values_of(read(text, csv={"thousands": ","})) == [1234, 2345]


def test_a_separator_with_two_readings_is_refused_with_both(read: ReadText) -> None:
    text = "a,b;c\n1,5;2\n3,5;4\n"
    with pytest.raises(DataError, match=r"may be separated by comma .* or semicolon .*; set data\.csv\.sep"):
        read(text, "x", "y")
    with pytest.raises(ColumnError, match=r"column 'y' is missing"):
        read(text, "x", "y", csv={"separator": ";"})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_encodings_are_detected(read: ReadText, encoding: str) -> None:
    text = "Date,Close\n2024-01-02,1.5\n2024-01-03,1.6\n"
    assert values_of(read(text.encode(encoding))) == [1.5, 1.6]


def test_an_encoding_that_is_given_is_used(read: ReadText) -> None:
    content = "Date,Schluß\n2024-01-02,1.5\n".encode("cp1252")
    assert values_of(read(content, "Schluß", csv={"encoding": "cp1252"})) == [1.5]
    with pytest.raises(SourceError, match=r"line 1: byte 0xdf is not UTF-8; .*data\.csv\.encoding"):
        read(content, "Schluß")
    with pytest.raises(SourceError, match=r"data\.csv\.encoding 'latin-77' is not known"):
        read(content, "Schluß", csv={"encoding": "latin-77"})


def test_titles_comments_and_a_line_that_names_the_separator_are_skipped(read: ReadText) -> None:
    rows = "Date;Close\n2024-01-02;1,5\n2024-01-03;1,25\n"
    for above in ("sep=;\n", "# made by nobody\n", "Prices of XYZ\n\n"):
        table = read(above + rows)
        assert values_of(table) == [1.5, 1.25]
    assert read("Prices\n" + rows).place(0) == "t.csv, line 3"
    assert values_of(read("a;b;c\nx;y;z\n" + rows, csv={"skip": 2})) == [1.5, 1.25]


def test_packed_files_are_unpacked(read: ReadText) -> None:
    text = b"Date,Close\n2024-01-02,1.5\n2024-01-03,1.6\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("prices.csv", text)
        archive.writestr("readme.md", "no table")
    assert values_of(read(gzip.compress(text), name="t.csv.gz")) == [1.5, 1.6]
    assert values_of(read(packed.getvalue(), name="t.zip")) == [1.5, 1.6]
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("more.csv", text)
    with pytest.raises(SourceError, match=r"'t\.zip' holds prices\.csv, more\.csv; pack one table"):
        read(packed.getvalue(), name="t.zip")


def test_a_small_packed_file_cannot_fill_the_memory(read: ReadText, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.data.reading.content.memory", lambda: 64 << 20)
    zeros = gzip.compress(b"Date,Close\n" + b"0" * (40 << 20))
    with pytest.raises(SourceError, match=r"unpacks to 0\.0 GB or more, and this machine has"):
        read(zeros, name="t.csv.gz")


def test_a_small_parquet_file_cannot_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.data.reading.content.memory", lambda: 64 << 20)
    frame = pd.DataFrame({"Date": pd.Timestamp("2024-01-02"), "Close": np.zeros(2_000_000)})
    frame.to_parquet(tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 1 << 20
    with pytest.raises(SourceError, match=r"unpacks to 0\.0 GB or more"):
        read_table(config_of("t.parquet", "Close", "Date"), folder=tmp_path)


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("held", ["numbers", "dictionary", "another column"])
def test_a_small_arrow_file_is_refused_before_a_batch_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, held: str
) -> None:
    monkeypatch.setattr("trainer.data.reading.content.memory", lambda: 64 << 20)
    zeros = np.zeros(4_000_000)
    days, close = pa.array(zeros.astype("datetime64[s]")), pa.array(zeros)
    columns = {"Date": days, "Close": close}
    if held == "dictionary":
        close = pa.DictionaryArray.from_arrays(np.zeros(1000, np.int8), ["0" * (40 << 20)])
        columns = {"Date": days[:1000], "Close": close}
    if held == "another column":
        columns = {"Date": days[:1], "Close": close[:1], "Curve": pa.array([zeros])}
    table = pa.table(columns)
    new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with new(
        tmp_path / "t.arrow", table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as writer:
        writer.write_table(table)
    assert (tmp_path / "t.arrow").stat().st_size < 1 << 20
    pool, usual = pa.proxy_memory_pool(pa.default_memory_pool()), pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        with pytest.raises(SourceError, match=r"unpacks to 0\.\d GB or more"):
            read_table(config_of("t.arrow", "Close", "Date"), folder=tmp_path)
    finally:
        pa.set_memory_pool(usual)
    assert pool.max_memory() < 16 << 20


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("kind", ["file", "stream"])
def test_packed_arrow_files_of_many_columns_and_batches_are_read(
    tmp_path: Path, kind: str, compression: str | None
) -> None:
    columns = {
        "Curve": pa.array([[1.0, 2.0]] * 1000),
        "Symbol": pa.array(["A", "B"] * 500).dictionary_encode(),
        "Date": pa.array(pd.date_range("2024-01-02", periods=1000)),
        "Close": np.arange(1000) + 0.5,
    }
    table = pa.table(columns)
    new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with new(tmp_path / "t.arrow", table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=100)
    config = config_of("t.arrow", "Close", "Date", where={"Symbol": "B"})
    assert values_of(read_table(config, folder=tmp_path)) == [n + 0.5 for n in range(1, 1000, 2)]


@pytest.mark.parametrize("cut", [9, 40, 200, 1000, -1, -11])
def test_a_cut_arrow_file_is_told_so(tmp_path: Path, cut: int) -> None:
    table = pa.table({"Date": pa.array(pd.date_range("2024-01-02", periods=50)), "Close": np.arange(50.0)})
    with pa.ipc.new_file(tmp_path / "t.arrow", table.schema) as writer:
        writer.write_table(table)
    whole = (tmp_path / "t.arrow").read_bytes()
    (tmp_path / "t.arrow").write_bytes(whole[:cut])
    with pytest.raises(SourceError, match="is not an Arrow file"):
        read_table(config_of("t.arrow", "Close", "Date"), folder=tmp_path)


def test_a_dictionary_of_an_arrow_file_that_lacks_a_value_is_told(tmp_path: Path) -> None:
    times = pa.DictionaryArray.from_arrays(pa.array([0, 100], pa.int8()), ["2024-01-02"], safe=False)
    table = pa.table({"Date": times, "Close": [1.5, 1.6]})
    with pa.ipc.new_file(tmp_path / "t.arrow", table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(SourceError, match="is not an Arrow file"):
        read_table(config_of("t.arrow", "Close", "Date"), folder=tmp_path)


def test_arrow_files_are_read_as_parquet_is(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"Date": pd.date_range("2024-01-02", periods=3, tz="Asia/Tokyo"), "Close": [1.5, 1.6, 1.7]}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_feather(tmp_path / "t.feather")
    for name in ("t.parquet", "t.feather"):
        table = read_table(config_of(name, "Close", "Date"), folder=tmp_path)
        assert table.when(0) == "2024-01-02 00:00:00+09:00"
        assert values_of(table) == [1.5, 1.6, 1.7]


def test_rows_are_chosen_by_the_value_of_a_column(read: ReadText) -> None:
    text = "Date,Symbol,Close\n2024-01-02,AAA,1\n2024-01-02,BBB,2\n2024-01-03,AAA,3\n2024-01-03,BBB,4\n"
    table = read(text, where={"Symbol": "BBB"})
    assert (values_of(table), table.place(0), table.rows) == ([2, 4], "t.csv, line 3", 4)
    with pytest.raises(SourceError, match=r"has no row with Symbol: CCC; column Symbol holds AAA, BBB"):
        read(text, where={"Symbol": "CCC"})
    with pytest.raises(ColumnError, match=r"column 'Ticker' is missing"):
        read(text, where={"Ticker": "AAA"})
    assert values_of(read("Date,n,Close\n2024-01-02,1.0,5\n2024-01-03,2.0,6\n", where={"n": 2})) == [6]


def test_several_files_make_one_table(tmp_path: Path) -> None:
    for year, price in ((2023, 1.5), (2024, 1.6)):
        (tmp_path / f"p{year}.csv").write_text(f"Date,Close\n{year}-01-02,{price}\n{year}-01-03,{price}\n")
    for source in ("p*.csv", ["p2023.csv", "p2024.csv"]):
        table = read_table(config_of(source, "Close", "Date"), folder=tmp_path)
        assert values_of(table) == [1.5, 1.5, 1.6, 1.6]
        assert table.place(3) == "p2024.csv, line 3"
    whole = read_table(config_of(["p2024.csv", "p2023.csv"], "Close", "Date", sort=True), folder=tmp_path)
    assert whole.times.is_monotonic_increasing
    assert whole.place(0) == "p2023.csv, line 2"
    assert whole.sha256 != table.sha256
    with pytest.raises(SourceError, match=r"'q\*\.csv' matches no file"):
        read_table(config_of("q*.csv", "Close", "Date"), folder=tmp_path)


def test_a_zone_puts_a_clock_in_order_when_an_hour_occurs_twice(read: ReadText) -> None:
    hours = pd.date_range("2024-11-02 20:00", periods=12, freq="h", tz="America/New_York")
    text = "Date,Close\n" + "".join(f"{hour:%Y-%m-%d %H:%M},{i + 1}\n" for i, hour in enumerate(hours))
    table = read(text, timezone="America/New_York")
    assert table.times.equals(pd.DatetimeIndex(hours.tz_convert("UTC").tz_localize(None)).as_unit("ns"))
    assert [table.when(row) for row in (5, 6)] == ["2024-11-03 01:00:00-04:00", "2024-11-03 01:00:00-05:00"]
    backwards = "Date,Close\n" + "".join(reversed(text.splitlines(keepends=True)[1:]))
    again = read(backwards, timezone="America/New_York", sort=True)
    assert again.times.equals(table.times)


def test_a_zone_shows_counts_since_1970_on_its_clock(read: ReadText) -> None:
    table = read("Date,Close\n1704153600,1\n1704240000,2\n", timezone="America/New_York")
    assert table.when(0) == "2024-01-01 19:00:00-05:00"
    assert str(table.times[0]) == "2024-01-02 00:00:00"


def test_an_hour_that_the_order_does_not_tell_apart_is_refused(read: ReadText) -> None:
    text = "Date,Close\n2024-11-03 00:30,1\n2024-11-03 01:30,2\n2024-11-03 02:30,3\n"
    with pytest.raises(
        ColumnError, match=r"line 3: time '2024-11-03 01:30' in Date occurs twice in America/New"
    ):
        read(text, timezone="America/New_York")
    with pytest.raises(ColumnError, match=r"'2024-03-10 02:30' in Date does not exist in America/New_York"):
        read("Date,Close\n2024-03-10 02:30,1\n", timezone="America/New_York")


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'New York' is no time zone; write it as America/New_York"):
        config_of("t.csv", "Close", "Date", timezone="New York")


def test_a_row_that_breaks_the_form_is_named_by_its_line(read: ReadText) -> None:
    text = "Date;Close\n2024-01-02;1,5\n2024-01-03;1,25\n2024-01-04;1.2.3\n"
    with pytest.raises(
        ColumnError, match=r"t\.csv, line 4: column Close holds '1\.2\.3', which is not a number"
    ):
        read(text)


def test_a_long_cell_and_a_wide_header_are_cut_in_messages(read: ReadText) -> None:
    with pytest.raises(ColumnError) as raised:
        read("Date,Close\n2024-01-02," + "x" * 100_000 + "\n")
    assert len(str(raised.value)) < 300
    with pytest.raises(ColumnError) as raised:
        read(",".join(f"column_{i}" for i in range(5000)) + "\n" + ",".join("1" for _ in range(5000)) + "\n")
    assert len(str(raised.value)) < 2000


def test_rows_without_numbers_that_are_newer_than_the_last_row_are_named(read: ReadText) -> None:
    text = "Date,Close\n2024-01-02,1\n2024-01-03,.\n2024-01-04,2\n2024-01-05,\n2024-01-06,.\n"
    table = read(text, drop_empty=True)
    assert table.empty_rows == 3
    assert table.empty_tail == (
        "t.csv, line 5 at 2024-01-05 00:00:00",
        "t.csv, line 6 at 2024-01-06 00:00:00",
    )
    zoned = read(text, drop_empty=True, timezone="Asia/Tokyo")
    assert zoned.empty_tail[-1] == "t.csv, line 6 at 2024-01-06 00:00:00+09:00"
    assert read(text).empty_tail == ()
