"""Tables that are easily read wrongly without a word: each is read rightly, or refused with both readings."""

import datetime as dt
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.trainer.data.reading.table_shapes import ReadText, config_of, values_of
from trainer.config import CsvConfig
from trainer.data.source import Table, read_table
from trainer.errors import ColumnError, DataError, SourceError

ReadArrow = Callable[..., Table]


@pytest.fixture
def read_arrow(tmp_path: Path) -> ReadArrow:
    """Write Arrow columns to a Parquet file and read `Close`."""

    def write_and_read(columns: dict[str, Any], time: str | list[str] = "Date", **data: Any) -> Table:
        pq.write_table(pa.table(columns), tmp_path / "t.parquet")
        return read_table(config_of("t.parquet", "Close", time, **data), folder=tmp_path)

    return write_and_read


def _days(read: ReadText, *cells: str, **csv: Any) -> list[str]:
    table = read("Date;Close\n" + "".join(f"{cell};{row}\n" for row, cell in enumerate(cells, 1)), csv=csv)
    return [table.when(row).removesuffix(" 00:00:00") for row in range(len(cells))]


@pytest.mark.parametrize(
    ("clocks", "first", "second"),
    [
        (("10000", "93000", "100000"), "01:00:00", "09:30:00"),
        (("90000", "91500"), "09:00:00", "09:15:00"),
        (("0", "930", "1600"), "00:00:00", "09:30:00"),
        (("0", "9", "10"), "00:00:00", "09:00:00"),
        (("093000", "093500"), "09:30:00", "09:35:00"),
        (("T09:30:00", "T09:35:00"), "09:30:00", "09:35:00"),
    ],
)
def test_times_of_day_get_back_the_zeros_that_a_spreadsheet_took(
    read: ReadText, clocks: tuple[str, ...], first: str, second: str
) -> None:
    text = "d;t;Close\n" + "".join(f"20240102;{clock};1\n" for clock in clocks)
    table = read(text, time=["d", "t"])
    assert [table.when(row) for row in (0, 1)] == [f"2024-01-02 {first}", f"2024-01-02 {second}"]


def test_a_date_with_midnight_and_a_time_of_day_are_joined(read: ReadText, read_arrow: ReadArrow) -> None:
    table = read("d;t;Close\n2024-01-02 00:00:00;09:30;1\n", time=["d", "t"])
    assert table.when(0) == "2024-01-02 09:30:00"
    closes = pa.array([1.5, 2.5])
    for day in (dt.date(2024, 1, 2), dt.datetime(2024, 1, 2)):
        columns = {"d": pa.array([day] * 2), "t": pa.array([dt.time(9, 30), dt.time(9, 31)]), "Close": closes}
        assert read_arrow(columns, ["d", "t"]).when(1) == "2024-01-02 09:31:00"
    columns = {"d": pa.array([dt.date(2024, 1, 2)] * 2), "t": pa.array([93000, 100000]), "Close": closes}
    assert read_arrow(columns, ["d", "t"]).when(0) == "2024-01-02 09:30:00"


@pytest.mark.parametrize(
    "cells",
    [
        ("24/01/02", "24/01/03", "24/01/04"),
        ("24.01.02", "24.01.03", "24.01.04"),
        ("24-01-02", "24-01-03", "24-01-04"),
        ("02.01.24", "03.01.24", "04.01.24"),
        ("2024-01-02 12:00:00 AM", "2024-01-03 12:00:00 AM", "2024-01-04 12:00:00 AM"),
        ("1/2/2024 12:00 a.m.", "1/3/2024 12:00 a.m.", "1/4/2024 12:00 a.m."),
    ],
)
def test_a_year_of_two_digits_is_never_taken_for_a_day(read: ReadText, cells: tuple[str, ...]) -> None:
    csv = {"day_first": False} if cells[0].startswith("1/") else {}
    assert _days(read, *cells, **csv) == ["2024-01-02", "2024-01-03", "2024-01-04"]


def test_a_year_that_may_be_first_or_last_is_refused_with_both_readings(read: ReadText) -> None:
    with pytest.raises(ColumnError, match=r"may be 2024-01-13 or 2013-01-24; set data\.csv\.date_f"):
        _days(read, "13.01.24")


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (("45292", "45293"), r"no date that can be read \(a day number of a spreadsheet, 2024-01-01\?\)"),
        (("45292.5", "45293.5"), r"no date \(a day number of a spreadsheet, 2024-01-01\?\)"),
        (("1.70415E+12", "1.70424E+12"), r"'1\.70415E\+12' in Date is rounded to 6 digits; write the times"),
        (("2.01704E+13", "2.01704E+13"), r"is rounded to 6 digits"),
        (("2024112", "2024113"), r"is no date that can be read"),
        (("20240102 93000", "20240102 100000"), r"is no date that can be read"),
    ],
)
def test_numbers_that_are_no_exact_times_are_refused(
    read: ReadText, cells: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(ColumnError, match=problem):
        _days(read, *cells)


def test_a_form_with_an_offset_is_used(read: ReadText) -> None:
    days = _days(read, "02.01.2024 09:30 +0900", "03.01.2024 09:30 +0900", date_format="%d.%m.%Y %H:%M %z")
    assert days[0] == "2024-01-02 09:30:00+09:00"


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ("%Q", "is no form of dates; write it as"),
        ("", "is no form of dates"),
        ("%d.%m.%Y %H:%M %p", "has %p or %I without the other"),
        ("%d.%m.%Y %I:%M", "has %p or %I without the other"),
    ],
)
def test_a_form_that_would_be_read_wrongly_is_refused(form: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        CsvConfig(date_format=form)


def _closes(read: ReadText, *rows: str, **data: Any) -> list[float]:
    lines = (f"2024-01-0{day};{row}" for day, row in enumerate(rows, 1))
    return values_of(read("\n".join(["Date;Close;Vol", *lines, ""]), **data))


@pytest.mark.parametrize("cell", ["1,250%", "1,250M", "$1,250", "(1,250)", "1.250"])
def test_a_mark_beside_a_unit_or_a_currency_is_refused_with_both_readings(read: ReadText, cell: str) -> None:
    with pytest.raises(ColumnError, match=r"1[,.]250 in column Close may be -?1250 or -?1\.250; set"):
        _closes(read, f"{cell};1", f"{cell};2")


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["99,5;12.345", "98,5;13.345"], [12345, 13345]),
        (["99.5;12,345", "98.5;13,345"], [12345, 13345]),
        (["5;999,123", "6;1234,567"], [999.123, 1234.567]),
        (["5;999.123", "6;1234.567"], [999.123, 1234.567]),
        (["5;(1.5)", "6;−2.5"], [-1.5, -2.5]),
        (["5;12,34,567.5", "6;1.5"], [1234567.5, 1.5]),
        (["5;(1,234.5)", "6;$1,250.0"], [-1234.5, 1250]),
    ],
)
def test_the_other_numbers_of_a_file_show_its_marks(
    read: ReadText, cells: list[str], values: list[float]
) -> None:
    assert _closes(read, *cells, column="Vol") == values


def test_a_stated_mark_is_used_for_cells_that_are_plain_numbers(read: ReadText) -> None:
    assert _closes(read, "12.345;1", "13.345;2", csv={"decimal": ","}) == [12345, 13345]
    assert _closes(read, "12.345;1", "13.345;2", csv={"thousands": "."}) == [12345, 13345]
    assert _closes(read, "12.345;1", "13.345;2", csv={"decimal": "."}) == [12.345, 13.345]


def test_no_row_is_lost_as_a_header(read: ReadText) -> None:
    text = "AAA,2024-01-02,5\nAAA,2024-01-03,6\n"
    columns = ("Symbol", "Date", "Close")
    with pytest.raises(SourceError, match=r"may begin with a header or with a row, AAA, 2024-01-02, 5; set"):
        read(text, csv={"columns": columns})
    assert values_of(read(text, csv={"columns": columns, "header": 0})) == [5, 6]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (",\n,\nDate,Close\n2024-01-02,5\n2024-01-03,6\n", "t.csv, line 5"),
        ("Date,Close\n2024-01-02,5,\n2024-01-03,6,\n", "t.csv, line 3"),
        ("#Date,Close\n2024-01-02,5\n2024-01-03,6\n", "t.csv, line 3"),
        ("#,Date,Close\n1,2024-01-02,5\n2,2024-01-03,6\n", "t.csv, line 3"),
        ("# made by, somebody\nDate,Close\n2024-01-02,5\n2024-01-03,6\n", "t.csv, line 4"),
        ("Date,Close\r2024-01-02,5\r2024-01-03,6\r", "t.csv, line 3"),
        ("Date,Close\r\n\r\n2024-01-02,5\r\n2024-01-03,6\r\n", "t.csv, line 4"),
    ],
)
def test_odd_lines_around_the_rows_cost_no_row(read: ReadText, text: str, place: str) -> None:
    table = read(text)
    assert (values_of(table), table.place(1)) == ([5, 6], place)


def test_a_column_without_a_name_has_the_one_that_pandas_gives(read: ReadText) -> None:
    text = ",Close\n2024-01-02,5\n2024-01-03,6\n"
    assert values_of(read(text, time="Unnamed: 0")) == [5, 6]
    with pytest.raises(ColumnError, match=r"there are \['Unnamed: 0', 'Close'\]"):
        read(text)


def test_rows_with_one_cell_more_than_the_header_are_explained(read: ReadText) -> None:
    text = "Date,Close\n1,2024-01-02,5\n2,2024-01-03,6\n"
    with pytest.raises(SourceError, match=r"has 3 cells in each row where the header has 2, .*csv\.columns"):
        read(text)
    assert values_of(read(text, csv={"columns": ("n", "Date", "Close"), "header": 1})) == [5, 6]


def test_empty_rows_are_dropped_if_asked_and_else_named(read: ReadText) -> None:
    text = "Date,Close\n2024-01-02,5\n,\n2024-01-03,6\n,\n"
    assert values_of(read(text, drop_empty=True)) == [5, 6]
    with pytest.raises(ColumnError, match=r"line 3: the row is empty; remove it, or set data\.drop_empty"):
        read(text)


@pytest.mark.parametrize(
    ("content", "csv", "problem"),
    [
        ("<!DOCTYPE html><html></html>\n", {}, r"is a web page and no table"),
        ('{"Note": "too many calls"}\n', {}, r"is JSON and no table"),
        ("Date,Close\n2024-01-02,5\n".encode("utf-16")[:-1], {}, r"byte 0x0a is not utf-16"),
        ("Date,Close\n2024-01-02,5\n", {"encoding": "undefined"}, r"'undefined' is not known; write it as"),
        ("Date,Close\n2024-01-02,5\n", {"encoding": "utf\0"}, r"is not known; write it as"),
        (
            "Date,Close," + "," * 30_000 + "\n2024-01-02,5\n",
            {},
            r"has about 30003 columns, and at most",
        ),
        ("Date,Close\n2024-01-02," + "1" * 300_000 + "\n", {}, r"line 2: a cell has more than 131072 char"),
        ("Date;Close\n2024-01-01;1,5\n", {"columns": ("a",)}, r"data\.csv\.columns names 1 columns"),
    ],
)
def test_what_is_no_table_gets_a_sentence(
    read: ReadText, content: str | bytes, csv: dict[str, Any], problem: str
) -> None:
    with pytest.raises(SourceError, match=problem):
        read(content, csv=csv)


def test_a_misspelt_name_is_not_taken_for_a_doubtful_separator(read: ReadText) -> None:
    with pytest.raises(ColumnError, match=r"'Clos' is missing; did you mean 'Close'"):
        read("Date;Close\n2024-01-02;1,5\n2024-01-03;2,5\n", "Clos")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("a" * 300 + ".csv", r"cannot be read: File name too long; check the path"),
        ("a**b/*.csv", r"is no pattern: .*; write it as prices/\*\.csv"),
        ("/dev/zero", r"has a name without \.csv or \.parquet; save the table as"),
        ("zero.csv", r"is a device and no file"),
        ("pipe.csv", r"is a pipe, which can be read only once"),
        ("folder.csv", r"is a folder; name a CSV or Parquet file in it"),
    ],
)
def test_what_is_no_file_gets_a_sentence(tmp_path: Path, source: str, problem: str) -> None:
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SourceError, match=problem):
        read_table(config_of(source, "Close", "Date"), folder=tmp_path)


def test_a_zip_file_of_macos_holds_one_table_and_a_broken_one_gets_a_sentence(read: ReadText) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("prices/t.csv", "Date,Close\n2024-01-02,5\n2024-01-03,6\n" * 20)
        archive.writestr("__MACOSX/prices/._t.csv", b"\0\5\x16\7")
    content = bytearray(packed.getvalue())
    content[60:70] = b"x" * 10
    with pytest.raises(SourceError, match=r"'t\.zip' cannot be unpacked: .*; pack it again"):
        read(bytes(content), name="t.zip")
    whole = packed.getvalue()
    with pytest.raises(ColumnError, match=r"t\.zip, line 4: time 'Date' in Date"):
        read(whole, name="t.zip")


def test_columns_of_lists_records_and_bytes_are_refused_before_they_are_read(read_arrow: ReadArrow) -> None:
    days = pa.array([dt.date(2024, 1, 2), dt.date(2024, 1, 3)])
    closes = pa.array([1.5, 2.5])
    for odd in (pa.array([[1], [2]]), pa.array([{"a": 1}] * 2), pa.array([b"1", b"2"])):
        with pytest.raises(SourceError, match=r"column Close holds .*, and neither numbers, texts nor times"):
            read_arrow({"Date": days, "Close": odd})
        with pytest.raises(SourceError, match=r"column Date holds"):
            read_arrow({"Date": odd, "Close": closes})
        with pytest.raises(SourceError, match=r"column S holds"):
            read_arrow({"Date": days, "Close": closes, "S": odd}, where={"S": 1})


def test_moments_that_pandas_cannot_hold_are_refused_and_nanoseconds_are_kept(read_arrow: ReadArrow) -> None:
    closes = pa.array([1.5, 2.5])
    moments = pa.array([1704153600000000001, 1704153600000000002], pa.timestamp("ns"))
    assert read_arrow({"Date": moments, "Close": closes}).when(1) == "2024-01-02 00:00:00.000000002"
    for far in (pa.array([10**13] * 2, pa.timestamp("s")), pa.array([dt.date(9999, 1, 2)] * 2)):
        with pytest.raises(ColumnError, match=r"row 1: time .* in Date lies outside the years 1678 to 2261"):
            read_arrow({"Date": far, "Close": closes})


def test_rows_are_chosen_by_true_and_false(read: ReadText, read_arrow: ReadArrow) -> None:
    days = pa.array([dt.date(2024, 1, 2), dt.date(2024, 1, 3)])
    columns = {"Date": days, "S": pa.array([True, False]), "Close": pa.array([1.5, 2.5])}
    assert values_of(read_arrow(columns, where={"S": False})) == [2.5]
    assert values_of(read("Date,S,Close\n2024-01-02,TRUE,5\n2024-01-03,false,6\n", where={"S": True})) == [5]


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_texts_of_every_type_are_read(read_arrow: ReadArrow, kind: pa.DataType) -> None:
    days, closes = (pa.array(texts).cast(kind) for texts in (["2024-01-02", "2024-01-03"], ["1,234.5", "2"]))
    assert values_of(read_arrow({"Date": days, "Close": closes})) == [1234.5, 2]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "+05:30", "America/New_York", "Asia/Kolkata"])
def test_moments_with_a_zone_are_shown_on_its_clock(read_arrow: ReadArrow, zone: str) -> None:
    moments = pa.array([dt.datetime(2024, 7, 2), dt.datetime(2024, 1, 3)], pa.timestamp("us", zone))
    table = read_arrow({"Date": moments, "Close": pa.array([1.5, 2.5])})
    shown = {"Asia/Tokyo": "09:00:00+09:00", "America/New_York": "20:00:00-04:00"}.get(zone, "05:30:00+05:30")
    assert table.when(0).endswith(shown)


def test_a_message_about_a_file_is_a_data_error(read: ReadText) -> None:
    for content in (bytes(range(256)) * 10, b"PK\x05\x06" + bytes(18), b"Date,Close", b"\0" * 99):
        with pytest.raises(DataError):
            read(content)
    assert np.isnan(values_of(read("Date,Close\n2024-01-02,\n"))[0])
