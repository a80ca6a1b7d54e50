"""Reading tables: what is read, and what every kind of bad file gets."""

import gzip
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from trainer.config import DataConfig
from trainer.data.reading.samples import SAMPLES, Sample
from trainer.data.source import Table, read_table
from trainer.errors import ColumnError, DataError, SourceError

Lines = list[list[str]]
Settings = Callable[..., DataConfig]
Read = Callable[[DataConfig, Lines], Table]


def test_the_sample_is_the_real_series_of_arch(sp500: Table) -> None:
    from arch.data import sp500 as shipped

    frame = shipped.load()
    assert sp500.rows == len(frame) == 5031
    assert sp500.times.equals(pd.DatetimeIndex(frame.index).as_unit("ns"))
    np.testing.assert_array_equal(sp500.frame["Close"], frame["Close"])


def test_reading_a_sample_does_not_import_arch(
    sp500_config: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "arch"]:
        monkeypatch.delitem(sys.modules, name)
    read_table(sp500_config, folder=tmp_path)
    assert "arch" not in sys.modules


def test_a_sample_whose_file_moved_is_loaded_through_arch(
    sp500_config: DataConfig, sp500: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SAMPLES, "sp500", Sample("arch", "arch/moved.csv.gz"))
    again = read_table(sp500_config, folder=tmp_path)
    pd.testing.assert_frame_equal(again.frame, sp500.frame)


def test_holidays_of_the_oil_series_are_no_rows(settings: Settings, tmp_path: Path) -> None:
    raw = {"column": "DCOILWTICO", "transform": "log_return"}
    config = settings(source="sample:wti", features=({"name": "r", **raw},), target={"kind": "return", **raw})
    table = read_table(config, folder=tmp_path)
    assert table.rows == 8611
    assert 8300 < len(table.frame) < 8611
    assert bool(np.isfinite(table.frame.to_numpy()).all())


def test_an_unknown_sample_names_the_known_ones(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"'sample:dax' is not a sample; there are sp500, nasdaq, wti, us"):
        read_table(settings(source="sample:dax"), folder=tmp_path)


def test_only_the_used_columns_must_be_numbers(settings: Settings, read: Read, lines: Lines) -> None:
    table = read(settings(), [[*line, "note"] for line in lines])
    assert list(table.frame) == ["Close", "High", "Low"]
    assert table.frame.dtypes.unique().tolist() == [np.dtype(np.float64)]
    assert table.place(0) == "prices.csv, line 2"


def test_quoted_numbers_crlf_bom_and_blank_lines_are_read(
    settings: Settings, tmp_path: Path, lines: Lines
) -> None:
    text = "\r\n\r\n".join(",".join(f'"{cell}"' for cell in line) for line in lines)
    (tmp_path / "prices.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    table = read_table(settings(), folder=tmp_path)
    assert table.rows == 200
    assert table.place(1) == "prices.csv, line 5"
    assert table.frame["Close"].iloc[1] == float(lines[2][3])


def test_missing_infinite_unsorted_and_repeated_rows_are_kept_for_the_audit(
    settings: Settings, read: Read, lines: Lines
) -> None:
    lines[3][3], lines[4][3], lines[5][3] = "", "NaN", "-inf"
    lines[7], lines[9] = lines[9], lines[8]
    table = read(settings(), lines)
    assert table.frame["Close"].iloc[[2, 3]].isna().all()
    assert table.frame["Close"].iloc[4] == -np.inf
    assert not table.times.is_monotonic_increasing
    assert table.times.has_duplicates


@pytest.mark.parametrize("text", ["n.a.", "1_000", "12%", "--"])
def test_text_in_a_number_column_is_told_with_value_and_line(
    settings: Settings, read: Read, lines: Lines, text: str
) -> None:
    lines[16][3] = text
    with pytest.raises(
        ColumnError, match=rf"^prices.csv, line 17: column Close holds '{text}', which is not a number"
    ):
        read(settings(), lines)


def test_a_thousands_separator_is_read_and_named(settings: Settings, read: Read, lines: Lines) -> None:
    lines[16][3] = '"1,234.5"'
    table = read(settings(), lines)
    assert table.frame["Close"].iloc[15] == 1234.5
    assert table.detected["thousands"] == ","


def test_an_unquoted_thousands_separator_is_a_row_too_wide(
    settings: Settings, read: Read, lines: Lines
) -> None:
    lines[16][3] = "1,234.5"
    with pytest.raises(SourceError, match=r"line 17: 5 cells where the header has 4; quote numbers"):
        read(settings(), lines)


def test_all_column_problems_are_told_at_once(settings: Settings, read: Read, lines: Lines) -> None:
    lines[0] = ["Date", "high", "Low", "Close"]
    lines[4][0], lines[6][2], lines[8][3], lines[9][3] = "yesterday", "low", "x", "y"
    with pytest.raises(ColumnError) as raised:
        read(settings(), lines)
    message = str(raised.value)
    assert "column 'High' is missing; did you mean 'high'?" in message
    assert "line 5: time 'yesterday' in Date is not written like the first time, '2010-01-01'" in message
    assert "line 7: column Low holds 'low'" in message
    assert "line 9: column Close holds 'x', which is not a number (2 such cells)" in message


def test_a_repeated_column_is_refused(settings: Settings, read: Read, lines: Lines) -> None:
    lines[0] = ["Date", "High", "Low", "Low"]
    with pytest.raises(ColumnError, match=r"column 'Low' occurs 2 times in the header"):
        read(settings(), lines)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"'prices.csv' is empty; it needs a header and rows"),
        (b" \n\n", r"is empty"),
        (b"Date,High,Low,Close\n", r"holds no rows below its header"),
        (b"Date,High\n2010-01-01,caf\xe9\n", r"line 2: byte 0xe9 is not UTF-8"),
        (b'Date,High\n2010-01-01,"1\n', r"line 2: not CSV, unexpected end of data"),
        (b"Date,High,Low,Close\n2010-01-01,1,2\n", r"line 2: 3 cells where the header has 4"),
    ],
)
def test_a_file_that_is_no_table_is_told_why(
    settings: Settings, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "prices.csv").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read_table(settings(), folder=tmp_path)


def test_a_missing_file_names_the_nearest_one(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "price.csv").touch()
    with pytest.raises(SourceError, match=r"'prices.csv' does not exist in .*; did you mean 'price.csv'\?"):
        read_table(settings(), folder=tmp_path)


def test_a_missing_folder_is_a_missing_file(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"does not exist in .*nowhere; check the path"):
        read_table(settings(source="nowhere/x.csv"), folder=tmp_path)


def test_a_folder_is_no_table(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"'\.' is a folder"):
        read_table(settings(source="."), folder=tmp_path)


def test_another_kind_of_file_is_refused_by_its_name(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "prices.xlsx").write_bytes(b"PK")
    with pytest.raises(SourceError, match=r"ends in '\.xlsx'; save the table as \.csv or \.parquet"):
        read_table(settings(source="prices.xlsx"), folder=tmp_path)


def test_parquet_gives_the_numbers_of_the_csv(
    settings: Settings, read: Read, tmp_path: Path, lines: Lines
) -> None:
    csv = read(settings(), lines)
    frame = csv.frame.copy()
    frame.index.name = "Date"
    frame.to_parquet(tmp_path / "indexed.parquet")
    frame.reset_index().astype({"Date": str}).to_parquet(tmp_path / "texts.parquet")
    for name in ("indexed.parquet", "texts.parquet"):
        table = read_table(settings(source=name), folder=tmp_path)
        pd.testing.assert_frame_equal(table.frame, csv.frame, check_names=False, check_freq=False)
        assert table.place(0) == f"{name}, row 1"


def test_text_in_a_parquet_column_is_told_with_its_row(
    settings: Settings, read: Read, tmp_path: Path, lines: Lines
) -> None:
    frame = read(settings(), lines).frame.rename_axis("Date").reset_index()
    frame["Close"] = frame["Close"].astype(str)
    frame.loc[4, "Close"] = "1,2"
    frame.to_parquet(tmp_path / "prices.parquet")
    with pytest.raises(ColumnError, match=r"^prices.parquet, row 5: column Close holds '1,2'"):
        read_table(settings(source="prices.parquet"), folder=tmp_path)


def test_bytes_that_are_no_parquet_are_told_so(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "prices.parquet").write_bytes(gzip.compress(b"Date,Close"))
    with pytest.raises(SourceError, match=r"prices.parquet is not a Parquet file"):
        read_table(settings(source="prices.parquet"), folder=tmp_path)


def test_the_fingerprint_is_that_of_the_bytes(settings: Settings, read: Read, lines: Lines) -> None:
    first, again = read(settings(), lines).sha256, read(settings(), lines).sha256
    lines[5][3] = "100.5"
    assert first == again != read(settings(), lines).sha256


GARBAGE = st.binary(max_size=80) | st.text(
    alphabet='Date,HighLowClose\n\r";0123456789.-/ \x00', max_size=80
).map(lambda rows: f"Date,High,Low,Close\n{rows}".encode())


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=GARBAGE, suffix=st.sampled_from(["csv", "parquet"]))
@example(content=b"Date,High,Low,Close\n2010-01-01,1e999,-0,1" + b"0" * 400, suffix="csv")
@example(content=b'Date,High,Low,Close\n"' + b"x" * 140_000, suffix="csv")
def test_any_bytes_give_a_table_or_an_error_of_ours(
    settings: Settings, tmp_path: Path, content: bytes, suffix: str
) -> None:
    (tmp_path / f"any.{suffix}").write_bytes(content)
    try:
        table = read_table(settings(source=f"any.{suffix}"), folder=tmp_path)
    except DataError as error:
        told = str(error)
    else:
        told = f"{table.rows} rows in {table.source}"
        assert len(table.frame) == table.rows > 0
    assert f"any.{suffix}" in told or "column" in told
    assert "\n" not in told
