"""The weights of the training rows, by which each counts in the training loss.

They are scaled to a mean of 1 over the training rows of a fold, so that a learning rate means the same with
and without them. Validation losses, scores, naive forecasts and rivals count all rows the same.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trainer.config import DataConfig
from trainer.data.arrays import Floats, Rows
from trainer.data.source import Table
from trainer.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_ADVICE = "a weight is a number from 0 on; correct the cell, or set data.weights to another column"


def training_weights(
    config: DataConfig, table: Table, rows: Rows, train: Rows
) -> npt.NDArray[np.float32] | None:
    """The weights of `rows` of the table, (len(rows),), in which all rows but those of `train` have 0.

    None if all training rows count the same. Raises DataError for a weight of a training row that is negative
    or not finite, and if all are 0.
    """
    if config.weights == "none":
        return None
    own = (
        _equal_per_time(table.times, train) if config.weight_column is None else _cells(config, table, train)
    )
    weights = np.zeros(len(rows), np.float32)
    weights[np.searchsorted(rows, train)] = own / own.mean() if len(own) else own
    return weights


def forgetting_weights(
    weights: npt.NDArray[np.float32] | None,
    times: npt.NDArray[np.datetime64],
    train: Rows,
    half_life: float | None,
) -> npt.NDArray[np.float32] | None:
    """`weights` (T,) of rows at `times` (T,), those of `train` halved for every `half_life` distinct times of
    training rows that lie between a row and the last training row, and scaled to a mean of 1 again.
    """
    if half_life is None or len(train) == 0:
        return weights
    moments, number = np.unique(times[train], return_inverse=True)
    kept = 0.5 ** ((len(moments) - 1 - number) / half_life)
    own = kept if weights is None else kept * weights[train]
    forgotten = np.zeros(len(times), np.float32)
    forgotten[train] = own / own.mean()
    return forgotten


def _equal_per_time(times: "pd.DatetimeIndex", train: Rows) -> Floats:
    """1 / the number of training rows at the time of each."""
    _, numbers, counts = np.unique(times.asi8[train], return_inverse=True, return_counts=True)
    shares: Floats = 1.0 / counts[numbers]
    return shares


def _cells(config: DataConfig, table: Table, train: Rows) -> Floats:
    """The column of the weights at the training rows."""
    column = config.weight_column
    cells: Floats = table.frame[column].to_numpy(np.float64)[train]
    wrong = np.flatnonzero(~(np.isfinite(cells) & (cells >= 0)))
    if len(wrong):
        row, value = int(train[wrong[0]]), cells[wrong[0]]
        held = "NaN or empty" if np.isnan(value) else f"{value:g}"
        more = f" ({len(wrong)} such training rows)" if len(wrong) > 1 else ""
        raise DataError(
            f"{table.place(row)}: data.weights: column {column} is {held} at {table.when(row)}{more}; "
            f"{_ADVICE}"
        )
    largest = float(cells.max(initial=0.0))
    if len(cells) and largest == 0:
        raise DataError(
            f"{table.source}: data.weights: column {column} is 0 in all {len(cells)} training rows; {_ADVICE}"
        )
    return cells / largest if len(cells) else cells  # their sum could overflow
