"""The trials of a study as a table: sorted, cut to the best, and as a CSV or Parquet file."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from search.api.record_frames import trials_frame
from search.atomic_text import write_bytes_atomically
from search.selection.objectives import study_front
from search.selection.trial_order import ordered_trials
from storage import query
from storage.engine import Store
from storage.verdicts import Verdict

if TYPE_CHECKING:
    import pandas as pd


def trials_table(
    store: Store,
    name: str,
    verdict: Verdict | None = None,
    *,
    sort: str | None = None,
    best: int | None = None,
) -> "pd.DataFrame":
    """The frame of `Study.trials`; `verdict`: only such trials. Raises StudyUnknown, and RequestError for a
    `sort` that is no column.
    """
    front = study_front(store, query.study(store, name))
    return trials_frame(ordered_trials(query.trials(store, name, verdict), sort, best), front)


def table_to_csv(table: "pd.DataFrame") -> str:
    """The table as CSV with a header; several reasons are joined by a semicolon."""
    return table.assign(reasons=table["reasons"].map("; ".join)).to_csv(index=False)


def write_csv(table: "pd.DataFrame", path: Path) -> None:
    """Write the table as CSV. Raises RequestError if the file cannot be written."""
    write_bytes_atomically(table_to_csv(table).encode(), path, "trials.csv", "--csv")


def write_parquet(table: "pd.DataFrame", path: Path) -> None:
    """Write the table as Parquet: times in UTC, reasons as lists. A setting whose values have several types
    becomes text. Raises RequestError if the file cannot be written.
    """
    file = io.BytesIO()
    table.apply(_of_one_type).to_parquet(file, index=False)
    write_bytes_atomically(file.getvalue(), path, "trials.parquet", "--parquet")


def _of_one_type(column: "pd.Series") -> "pd.Series":
    """The column, as text if it holds numbers and texts: Parquet has one type for each."""
    types = {type(value) for value in column if value is not None and value == value}
    return column.map(lambda value: None if value is None else str(value)) if len(types) > 1 else column
