"""Forecasts new rows with a saved model; `ballast predict` and `Model.predict` call it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from search.atomic_text import write_text_atomically
from trainer.errors import DataError
from trainer.inference.prediction import Forecasts, LoadedModel, forecast_table


def predict_rows(model: LoadedModel, data: Any, *, allow_range: bool = False) -> Forecasts:
    """Forecast every row of `data` that has a full window behind it.

    `data` is the path of a file, `sample:NAME` or a frame. Raises what
    `trainer.inference.prediction.forecast_table` raises, and RequestError for another type.
    """
    with _as_source(data, model.description.data.time_columns[0]) as source:
        try:
            return forecast_table(model, source, allow_range=allow_range)
        except DataError as error:
            if isinstance(data, str | Path):
                raise
            raise type(error)(str(error).replace(source, "data")) from None  # the file is gone by then


@contextmanager
def _as_source(data: Any, time: str) -> Iterator[str]:
    """The path of the table while the block runs: a frame is a file for so long."""
    if isinstance(data, str | Path):
        yield str(data)
        return
    from search.api.frames import keep_frame, parquet_bytes

    with TemporaryDirectory(prefix="ballast-") as folder:
        path = Path(folder) / "data.parquet"
        keep_frame(parquet_bytes(data, time), path)
        yield str(path)


def write_forecasts(found: Forecasts, output: Path) -> None:
    """Write forecasts as CSV. Raises RequestError if the file cannot be written."""
    write_text_atomically(found.frame().to_csv(index=False), output, "predictions.csv")


def forecasts_to_json(found: Forecasts) -> dict[str, object]:
    """The shape that `predict --json` promises."""
    rows = zip(found.times_text, found.values.tolist(), found.target_times_text, strict=True)
    return {
        "unit": found.unit,
        "horizon": found.horizon,
        "rows": len(found.times),
        "unseen": found.unseen,
        "seen_until": found.seen_until,
        "warnings": list(found.warnings),
        "forecasts": [{"time": time, "forecast": value, "of": of} for time, value, of in rows],
    }
