"""Rows out of order, repeated or empty: the message names the setting that reads them rightly."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.trainer.data.reading.table_shapes import config_of
from trainer.audit.check_table import table_findings
from trainer.data.source import read_table


def _messages(folder: Path, text: str, **data: Any) -> dict[str, str]:
    (folder / "t.csv").write_text(text)
    config = config_of(data.pop("source", "t.csv"), "Close", "Date", **data)
    return {found.code: found.message for found in table_findings(config, read_table(config, folder=folder))}


def test_rows_out_of_order_name_the_setting_that_sorts_them(tmp_path: Path) -> None:
    text = "Date,Close\n2024-01-03,1\n2024-01-02,2\n"
    assert "sort the rows by time: set data.sort: true" in _messages(tmp_path, text)["unsorted_time"]
    assert _messages(tmp_path, text, sort=True) == {}


def test_rows_without_any_number_name_the_setting_that_drops_them(tmp_path: Path) -> None:
    text = "Date,Close\n2024-01-01,1\n2024-01-02,.\n2024-01-03,2\n"
    assert "set data.drop_empty: true" in _messages(tmp_path, text)["nan_cells"]
    assert _messages(tmp_path, text, drop_empty=True) == {}


@pytest.mark.parametrize("freq", ["h", "15min"])
def test_an_hour_that_occurs_twice_in_autumn_is_explained(tmp_path: Path, freq: str) -> None:
    times = pd.date_range("2024-11-02 20:00", "2024-11-03 08:00", freq=freq, tz="America/New_York")
    text = "Date,Close\n" + "".join(f"{time:%Y-%m-%d %H:%M},{row}\n" for row, time in enumerate(times, 1))
    found = _messages(tmp_path, text)
    assert found
    for code, message in found.items():
        assert code in ("repeated_time", "unsorted_time")
        assert "the clock is set back in autumn" in message
        assert "set data.timezone: America/New_York" in message
        assert "keep one row" not in message
    assert _messages(tmp_path, text, timezone="America/New_York") == {}


PANEL = (
    "Date,Note,Symbol,Close\n2024-01-02,x,AAA,1\n2024-01-02,x,BBB,2\n2024-01-03,x,AAA,3\n2024-01-03,x,BBB,4\n"
)


def test_a_table_of_several_assets_is_called_a_panel(tmp_path: Path) -> None:
    message = _messages(tmp_path, PANEL)["repeated_time"]
    assert "looks like a panel: column Symbol tells the rows of one time apart (AAA, BBB)" in message
    assert "data.where: {Symbol: AAA}" in message
    assert "data.series: Symbol" in message
    assert "keep one row" not in message
    assert _messages(tmp_path, PANEL, where={"Symbol": "AAA"}) == {}


def test_a_panel_in_parquet_is_called_one_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(PANEL)
    frame = pd.read_csv(tmp_path / "t.csv", parse_dates=["Date"])
    frame.sort_values("Date", ascending=False).to_parquet(tmp_path / "t.parquet")
    message = _messages(tmp_path, PANEL, source="t.parquet", sort=True)["repeated_time"]
    assert "looks like a panel: column Symbol" in message


def test_files_that_share_a_row_at_their_edge_are_named(tmp_path: Path) -> None:
    for name, days in (("AAA", (2, 3, 4)), ("BBB", (4, 5, 6))):
        rows = "".join(f"2024-01-0{day},{day}\n" for day in days)
        (tmp_path / f"{name}.csv").write_text(f"Date,Close\n{rows}")
    message = _messages(tmp_path, PANEL, source=["AAA.csv", "BBB.csv"], sort=True)["repeated_time"]
    assert "AAA.csv and BBB.csv both have it; keep each row once, or set data.layout: files if" in message


def test_rows_that_are_there_twice_are_to_be_kept_once(tmp_path: Path) -> None:
    text = "Date,Note,Close\n2024-01-02,x,1\n2024-01-02,x,2\n2024-01-03,y,3\n"
    assert _messages(tmp_path, text)["repeated_time"].endswith("keep one row of each")
