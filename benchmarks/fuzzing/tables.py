"""Bad tables: CSV and Parquet files and what is read of them, and what is done with them."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from benchmarks.fuzzing.edits import LONG, edited
from trainer.audit.audit import audit
from trainer.config import DataConfig, GuardConfig
from trainer.data.source import read_table

ROWS = 60
_COLUMNS = ("Date", "Close", "High", "Low")
_CELLS = st.one_of(
    st.sampled_from((
        "", " ", "nan", "NaN", "inf", "-inf", "1e400", "-1e400", "1e308", "5e-324", "-0", "0", "1_000",
        "1,000", "0x1p3", "१२३", "½", "1e", "--1", "+1", "1.2.3", "true", "None", "#N/A", ".", "9" * 400,
        "\x00", "\"", "a\nb", "2001-13-45", "31/12/2001", "12/31/2001",
        "01/02/2001", "0001-01-01", "9999-12-31", "2262-04-12", "1677-09-20", "978307200", "978307200000",
        "9" * 19, "9" * 20, "2001-01-01T00:00:00Z", "2001-01-01 00:00:00+25:00", "2001-01-01T24:00:00",
        "2001-W01-1", "2001-001", "20010101", "noon", "NaT", "1e9", "²²²²²²²²²",
    )),
    LONG.map("x".__mul__),
    st.floats().map(repr),
    st.integers().map(str),
    st.dates().map(str),
    st.datetimes().map(str),
    st.text(max_size=10),
)  # fmt: skip
_PIECES = st.one_of(
    st.sampled_from((b"nan,", b"inf,", b"1e400,", b'"unclosed', b"Date,Date\n", b"\n,,,\n")),
    LONG.map(b"9".__mul__),
)


def prices(rows: int = ROWS) -> pd.DataFrame:
    """Daily prices as a table of text and numbers; the same ones each time."""
    random = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, rows)))
    dates = pd.bdate_range("2001-01-01", periods=rows).strftime("%Y-%m-%d")
    return pd.DataFrame({"Date": dates, "Close": close, "High": close * 1.01, "Low": close * 0.99})


def _csv(rows: list[list[str]], line_end: str = "\n", separator: str = ",") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end, delimiter=separator).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def _parquet(frame: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.to_parquet(content, compression=None)  # so that edits reach the values
    return content.getvalue()


_TEXTS = [list(_COLUMNS), *(list(map(str, row)) for row in prices().itertuples(index=False))]
CSV = _csv(_TEXTS)
PARQUET = _parquet(prices())


@dataclass(frozen=True)
class TableFile:
    """A file, by its name, and the time column and split that a study asks of it."""

    name: str
    content: bytes
    time: str = "Date"
    train_until: str | None = None


@st.composite
def mangled_cells(draw: st.DrawFn) -> bytes:
    """The prices with cells, rows and names exchanged, written as CSV of one kind or another."""
    rows = [list(row) for row in _TEXTS]
    for _ in range(draw(st.integers(1, 6))):
        row = draw(st.integers(0, len(rows) - 1))
        action = draw(st.sampled_from(("cell", "cell", "cell", "column", "drop", "double", "ragged", "name")))
        if action == "cell" and rows[row]:
            rows[row][draw(st.integers(0, len(rows[row]) - 1))] = draw(_CELLS)
        elif action == "column":
            column, cell = draw(st.integers(0, 3)), draw(_CELLS)
            rows[1:] = [[*cells[:column], cell, *cells[column + 1 :]] for cells in rows[1:]]
        elif action == "drop":
            del rows[row : row + draw(st.integers(1, ROWS))]
        elif action == "double":
            rows.insert(row, list(rows[row]))
        elif action == "ragged":
            rows[row].append(draw(_CELLS))
        elif action == "name" and rows[0]:
            rows[0][draw(st.integers(0, len(rows[0]) - 1))] = draw(st.sampled_from(_COLUMNS) | _CELLS)
        if not rows:
            rows = [[draw(_CELLS)]]
    encode = draw(st.sampled_from(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "cp500")))
    text = _csv(rows, draw(st.sampled_from(("\n", "\r\n", "\r"))), draw(st.sampled_from(",,,,;\t|")))
    return text if encode == "utf-8" else text.decode("utf-8", "replace").encode(encode, "replace")


_TYPES: tuple[Any, ...] = (
    lambda column: column.astype("category"),
    lambda column: column.astype("string"),
    lambda column: pd.to_timedelta(range(len(column)), unit="D"),
    lambda column: pd.date_range("2001-01-01", periods=len(column), tz="America/New_York"),
    lambda column: pd.date_range("2001-01-01", periods=len(column)).date,
    lambda column: [b"\xff\x00"] * len(column),
    lambda column: [[1.0, 2.0]] * len(column),
    lambda column: [{"a": 1}] * len(column),
    lambda column: [True, *[False] * (len(column) - 1)],
    lambda column: pd.array([None, *range(len(column) - 1)], dtype="Int64"),
    lambda column: np.arange(len(column), dtype="uint64") + 2**63,
    lambda column: [None] * len(column),
    lambda column: np.full(len(column), np.inf),
    lambda column: np.arange(len(column), dtype="float16"),
    lambda column: pd.period_range("2001-01", periods=len(column), freq="M"),
)


@st.composite
def mangled_frames(draw: st.DrawFn) -> bytes:
    """The prices with columns of other types, names and an index that are not asked for, as Parquet."""
    frame = prices(draw(st.sampled_from((0, 1, 2, 5, ROWS))))
    changes = st.tuples(
        st.sampled_from((_retyped, _retyped, _retyped, _renamed, _indexed)), st.sampled_from(_COLUMNS)
    )
    try:
        for change, column in draw(st.lists(changes, min_size=1, max_size=2)):
            frame = change(draw, frame, column) if column in frame.columns else frame
        return _parquet(frame)
    except (ValueError, TypeError, NotImplementedError, OSError):  # what pandas or pyarrow cannot write
        return b"PAR1" + PARQUET[8:]


def _retyped(draw: st.DrawFn, frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.assign(**{column: draw(st.sampled_from(_TYPES))(frame[column])})


def _renamed(draw: st.DrawFn, frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.rename(columns={column: draw(st.text(alphabet=st.characters(codec="utf-8"), max_size=8))})


def _indexed(_: st.DrawFn, frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.set_index(column)


_NAMES = st.sampled_from(("prices.csv", "prices.csv", "prices.CSV", "prices.parquet"))
_UNTIL = st.none() | st.sampled_from(("2001-02-01", "0001-01-01", "20010201", "2001-02-01T12:00"))
TABLES: st.SearchStrategy[TableFile] = st.one_of(
    st.builds(TableFile, st.just("prices.csv"), mangled_cells(), train_until=_UNTIL),
    st.builds(TableFile, st.just("prices.csv"), edited((CSV,), _PIECES)),
    st.builds(TableFile, _NAMES, st.binary(max_size=300)),
    st.builds(TableFile, st.just("prices.parquet"), mangled_frames(), train_until=_UNTIL),
    st.builds(TableFile, st.just("prices.parquet"), edited((PARQUET,), _PIECES)),
    st.builds(
        TableFile, st.just("prices.csv"), st.just(CSV), time=st.sampled_from(("Date", "", "date")) | _CELLS
    ),
)
"""Tables of which nearly all are bad."""


def read_and_audit(table: TableFile, folder: Path) -> None:
    """Read the table and audit it, as `check` does."""
    (folder / table.name).write_bytes(table.content)
    split: dict[str, Any] = {"fractions": {"train": 0.5, "validation": 0.25}}
    if table.train_until is not None:
        split = {"train_until": table.train_until, "validation_until": "2001-03-01"}
    config = DataConfig.model_validate(
        {
            "source": table.name,
            "time": table.time,
            "features": (
                {"name": "ret", "column": "Close", "transform": "log_return"},
                {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"},
                {"name": "raw", "column": "Close", "transform": "raw"},
                {"name": "std", "of": "ret", "transform": "rolling_std", "window": 5},
            ),
            "target": {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": "volatility"},
            "seq_len": 3,
            "split": split,
        }
    )
    audit(config, GuardConfig(), read_table(config, folder=folder))
