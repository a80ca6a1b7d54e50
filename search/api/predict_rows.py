"""Forecasts new rows with a saved model; `ballast predict` and `Model.predict` call it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from search.atomic_text import write_text_atomically
from search.errors import AnswerIsNo, RequestError
from trainer.durations import duration_seconds
from trainer.errors import DataError
from trainer.inference.forecasts import Forecasts
from trainer.inference.panel_checks import files_are_series
from trainer.inference.prediction import LoadedModel, forecast_table
from trainer.text import names_of

FRAME_SERIES = "series"
"""The column of the names of the series in a frame, where those of the training were names of files."""


def predict_rows(
    model: LoadedModel,
    data: Any,
    *,
    allow_range: bool = False,
    allow_unseen: bool = False,
    last: int | None = None,
    max_age: str | None = None,
) -> Forecasts:
    """Forecast the rows of `data` that have a whole window behind them: all, or the `last` ones.

    `data` is the path of a file, a pattern of files, `sample:NAME` or a frame. Series of a panel whose newest
    row is older than `max_age` have no forecast, and a warning names them. Raises what
    `trainer.inference.prediction.forecast_table` raises, RequestError for another type and for a `max_age`
    that is no duration, and AnswerIsNo if there is no forecast, or if the newest of all series is from a row
    older than `max_age`.
    """
    oldest = None if max_age is None else _seconds(max_age)
    is_frame = not isinstance(data, str | Path)
    series_in = FRAME_SERIES if is_frame and files_are_series(model.description) else None
    with _as_source(data, model.description.data.time_columns[0]) as source:
        shown = "data" if is_frame else source
        if series_in is not None:
            _require_column(source, series_in, model.folder)
        try:
            found = forecast_table(
                model,
                source,
                allow_range=allow_range,
                allow_unseen=allow_unseen,
                last=last,
                series_in=series_in,
            )
        except DataError as error:
            raise type(error)(str(error).replace(source, shown)) from None  # a frame's file is gone by then
    if not len(found.times):
        raise AnswerIsNo(_no_forecast(found, shown, model.description.data.seq_len).replace(source, shown))
    if oldest is None:
        return found
    if (age := found.age()) > oldest:
        newest = found.times_text[int(found.times.argmax())]
        raise AnswerIsNo(
            f"{shown}: the newest row that can be forecast from is {newest}, "
            f"{_age_text(age)} old, and --max-age allows {max_age}; get newer rows, then predict again"
        )
    return _without_old_series(found, oldest, str(max_age))


def _require_column(kept: str, series_in: str, folder: Path) -> None:
    """Raise RequestError if the kept frame has no column that says which series a row is of."""
    import pyarrow.parquet as pq

    if series_in not in pq.read_schema(kept).names:
        raise RequestError(
            f"the model in {folder} was trained on a file for each series, and data has no column "
            f"{series_in!r} that says which series a row is of; add it with the names of the files, such as "
            "AAPL, or give the files: 'prices/*.csv'"
        )


def _without_old_series(found: Forecasts, oldest: float, max_age: str) -> Forecasts:
    """The forecasts of the series whose newest row is at most `oldest` seconds old. Those of the others are
    left out: such a series has ended, or its newest rows did not arrive.
    """
    newest = found.newest_rows()
    old = {name: row for name, row in newest.items() if found.age_of(row) > oldest}
    if not old:
        return found
    told = [f"{name} (newest row {found.times_text[row]})" for name, row in old.items()]
    warning = (
        f"no forecast of {len(old)} of {len(newest)} series, older than --max-age {max_age} allows: "
        f"{names_of(told)}"
    )
    kept = found.chosen(~np.isin(found.series, list(old)))
    return replace(kept, warnings=(*kept.warnings, warning), old=tuple(old))


def _seconds(max_age: object) -> float:
    try:
        return duration_seconds(max_age)
    except ValueError as error:
        raise RequestError(f"--max-age: {error}") from None


def _no_forecast(found: Forecasts, shown: str, seq_len: int) -> str:
    count = len(found.left_out)
    if not count:
        return f"{shown}: no row can be forecast: {'; '.join(found.warnings)}"
    return (
        f"{shown}: no row can be forecast: every window of {seq_len} rows, with the rows that its features "
        f"need, holds a row that cannot be used, such as {found.left_out[-1]} ({count} such "
        f"row{'' if count == 1 else 's'}); correct these rows, or give more"
    )


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
    write_text_atomically(forecasts_to_csv(found), output, "predictions.csv")


def forecasts_to_csv(found: Forecasts) -> str:
    """The text of a forecast file, with a header."""
    return found.frame().to_csv(index=False)


def forecasts_to_json(found: Forecasts) -> dict[str, object]:
    """The shape that `predict --json` promises."""
    columns: dict[str, list[object]] = {
        **({"series": [*found.series]} if found.series else {}),
        "time": [*found.times_text],
        "forecast": found.values.tolist(),
        "of": [*found.target_times_text],
        "split": [*found.splits],
        **{
            name: values.tolist()
            for name, values in {**found.in_units(), **found.bounds(), **found.in_quantiles()}.items()
        },
    }
    return {
        "unit": found.unit,
        "horizon": found.horizon,
        "rows": len(found.times),
        "unseen": found.unseen,
        "seen_until": found.seen_until,
        "warnings": list(found.warnings),
        "forecasts": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
        "bars_per_year": found.bars_per_year,
        "left_out": [row.to_json() for row in found.left_out],
        "intervals": None if found.intervals is None else found.intervals.model_dump(mode="json"),
        "series": _series_to_json(found),
    }


def _series_to_json(found: Forecasts) -> dict[str, object] | None:
    """What was forecast of each series and what was not; None for one series without a name."""
    if not found.series:
        return None
    counts = Counter(found.series)
    newest = [
        {
            "name": name,
            "rows": counts[name],
            "newest": found.times_text[row],
            "trained": name not in found.new,
        }
        for name, row in found.newest_rows().items()
    ]
    return {
        "column": found.series_column,
        "forecast": newest,
        "none": list(found.none),
        "old": list(found.old),
    }


def _age_text(seconds: float) -> str:
    """An age in whole days, or in hours if it is less than two days."""
    days, hours = int(seconds // 86_400), int(seconds // 3600)
    return f"{days} days" if days >= 2 else f"{hours} hours"
