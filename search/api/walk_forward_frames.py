"""The record of a walk-forward as pandas data frames, and as a file of forecasts."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from search.api.trials_table import write_parquet
from search.atomic_text import write_text_atomically
from search.errors import RequestError
from search.selection.walk_forward_record import WalkForwardRecord
from trainer.data.times import on_clock

_BLOCK = ("study", "from", "until", "trial", "skill", "validation_skill", "said_skill", "rows", "seconds")


def blocks_frame(record: WalkForwardRecord) -> pd.DataFrame:
    """A row for each block: its own columns first, then one for each searched setting."""
    rows: list[dict[str, Any]] = []
    for position, block in enumerate(record.blocks):
        result = block.result or {}
        rows.append(
            {
                "study": block.study,
                "from": block.begin,
                "until": block.until,
                "trial": result.get("trial"),
                "skill": record.block_skill(position),
                "validation_skill": (result.get("validation") or {}).get("skill"),
                "said_skill": result.get("said_skill"),
                "rows": result.get("rows"),
                "seconds": None if not result else result["seconds"]["trials"] + result["seconds"]["refits"],
                **block.settings,
            }
        )
    return pd.DataFrame(rows, columns=[*_BLOCK, *record.wandering()])


def forecasts_frame(record: WalkForwardRecord) -> pd.DataFrame:
    """A row for each forecast row; the first column names the series of a panel."""
    rows = record.rows
    if rows is None:
        return pd.DataFrame(columns=["time", "split", "block", "target", "forecast"])
    studies = np.array([block.study for block in record.blocks], object)
    named = {"series": np.array(rows.series_names, object)[rows.series]} if rows.series_names else {}
    rivals = {
        name if name not in rows.naive else f"{name} (fitted)": each for name, each in rows.rivals.items()
    }
    return pd.DataFrame(
        {
            **named,
            "time": on_clock(pd.DatetimeIndex(rows.times), rows.offsets, record.zone),
            "split": "test",
            "block": studies[rows.blocks],
            "target": rows.target,
            "forecast": rows.forecast,
            **rows.naive,
            **rivals,
            "loss": rows.loss,
            **rows.bounds,
        }
    )


def require_forecast_file(path: Path) -> None:
    """Raise RequestError unless the name of the file says what to write."""
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise RequestError(f"--save-forecasts {path}: name a file that ends in .csv or .parquet")


def write_forecasts(record: WalkForwardRecord, path: Path) -> int:
    """Write the stitched forecasts as CSV or Parquet, by the ending of the name; returns the rows."""
    require_forecast_file(path)
    frame = forecasts_frame(record)
    if path.suffix.lower() == ".parquet":
        write_parquet(frame, path)
    else:
        write_text_atomically(frame.to_csv(index=False), path, "forecasts.csv")
    return len(frame)
