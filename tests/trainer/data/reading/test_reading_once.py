"""The names of the columns need the beginning of a file alone, and a file that is open is not read again."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pytest

from tests.trainer.data.reading.table_shapes import config_of
from trainer.bounded_reading import read_file_or_pipe
from trainer.config import CsvConfig
from trainer.data.reading import content
from trainer.data.reading.content import digest_of_source, open_source
from trainer.data.reading.table_columns import table_columns
from trainer.data.source import read_table
from trainer.errors import SourceError

ROWS = 200_000
LINES = "Date,Close\n" + "2024-01-02,1.5\n" * ROWS


@pytest.fixture
def read_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each read of a file gave."""
    sizes: list[int] = []
    read = read_file_or_pipe

    def counted(path: Path, most: int) -> bytes:
        found = read(path, most)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(content, "read_file_or_pipe", counted)
    return sizes


def names(source: str, folder: Path, **csv: object) -> tuple[str, ...]:
    return table_columns(source, CsvConfig.model_validate(csv), (), folder)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252"])
def test_the_names_of_a_long_text_table_need_its_first_megabyte(
    tmp_path: Path, read_bytes: list[int], encoding: str
) -> None:
    (tmp_path / "t.csv").write_bytes(LINES.replace("Close", "Schlußkurs").encode(encoding))
    csv = {"encoding": encoding} if encoding == "cp1252" else {}
    assert names("t.csv", tmp_path, **csv) == ("Date", "Schlußkurs")
    assert sum(read_bytes) < 1.1 * (1 << 20)


def test_the_names_of_a_packed_text_table_need_its_first_megabyte(
    tmp_path: Path, read_bytes: list[int]
) -> None:
    noise = np.random.default_rng(0).integers(0, 10**9, ROWS)
    text = "Date,Close\n" + "".join(f"2024-01-02,{number}\n" for number in noise)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode(), 1))
    assert (tmp_path / "t.csv.gz").stat().st_size > 1.1 * (1 << 20)
    assert names("t.csv.gz", tmp_path) == ("Date", "Close")
    assert sum(read_bytes) < 1.1 * (1 << 20)


def test_the_names_of_a_long_arrow_file_need_its_first_megabyte(
    tmp_path: Path, read_bytes: list[int]
) -> None:
    table = pa.table({"Date": pa.array(pd.date_range("2024-01-02", periods=ROWS)), "Close": np.zeros(ROWS)})
    with pa.ipc.new_file(tmp_path / "t.arrow", table.schema) as writer:
        writer.write_table(table)
    assert names("t.arrow", tmp_path) == ("Date", "Close")
    assert sum(read_bytes) < 1.1 * (1 << 20)


@pytest.mark.parametrize("suffix", [".parquet", ".csv.gz", ".zip", ".csv"])
def test_the_names_of_other_files_are_those_of_the_whole_file(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"Date": ["2024-01-02"] * 3, "Close": [1.5, 1.6, 1.7]})
    if suffix == ".parquet":
        frame.to_parquet(tmp_path / "t.parquet")
    elif suffix == ".zip":
        frame.to_csv(tmp_path / "t.zip", index=False, compression={"method": "zip", "archive_name": "t.csv"})
    else:
        frame.to_csv(tmp_path / f"t{suffix}", index=False)
    assert names(f"t{suffix}", tmp_path) == ("Date", "Close")


def test_a_header_of_more_than_a_megabyte_is_read_whole(tmp_path: Path) -> None:
    many = [f"{'x' * 100}{number}" for number in range(15_000)]
    (tmp_path / "t.csv").write_text(",".join(many) + "\n" + ",".join("1" for _ in many) + "\n")
    assert names("t.csv", tmp_path) == tuple(many)


def test_a_file_that_is_open_is_not_read_again(tmp_path: Path, read_bytes: list[int]) -> None:
    (tmp_path / "t.csv").write_text("Date,Close\n2024-01-02,1.5\n2024-01-02,1.6\n")
    first = next(open_source("t.csv", tmp_path))
    table = read_table(config_of("t.csv", "Close", "Date"), folder=tmp_path, first=first)
    assert table.frame["Close"].tolist() == [1.5, 1.6]
    assert len(read_bytes) == 1


def test_a_damaged_packed_file_is_told(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(2 << 20)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(LINES.encode())[:20] + noise)
    with pytest.raises(SourceError, match="cannot be unpacked"):
        names("t.csv.gz", tmp_path)


def test_an_empty_file_has_no_names(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n")
    with pytest.raises(SourceError, match="is empty"):
        names("t.csv", tmp_path)


@pytest.mark.parametrize("how", ["in place", "by another file"])
def test_a_parquet_file_that_changes_after_its_digest_is_refused(tmp_path: Path, how: str) -> None:
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"Date": pd.date_range("2024-01-02", periods=3), "Close": [1.5, 1.6, 1.7]})
    frame.to_parquet(path)
    first = next(open_source("t.parquet", tmp_path))
    longer = pd.concat([frame, frame.assign(Date=frame["Date"] + pd.Timedelta(days=9))])
    longer.to_parquet(path if how == "in place" else tmp_path / "new.parquet")
    if how == "by another file":
        (tmp_path / "new.parquet").replace(path)
    with pytest.raises(SourceError, match=r"'t.parquet' changed while it was read; run the command again"):
        read_table(config_of("t.parquet", "Close", "Date"), folder=tmp_path, first=first)


def test_the_digest_of_a_parquet_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"Date": pd.date_range("2024-01-02", periods=3), "Close": [1.5, 1.6, 1.7]}).to_parquet(path)
    table = read_table(config_of("t.parquet", "Close", "Date"), folder=tmp_path)
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest_of_source("t.parquet", tmp_path) == table.sha256
