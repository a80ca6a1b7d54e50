"""The windows of the GRU, flattened into rows of regressors."""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from trainer.data.arrays import Floats, Rows
from trainer.data.windows import Dataset
from trainer.rivals.regressors import MOST_PANEL_ROWS, rows_of_some_times
from trainer.rivals.ridge import PIECE_CELLS

MOST_COLUMNS = 1_000
"""Most regressors of one window; the decomposition of their matrix then takes one or two seconds."""
MOST_ROWS = 50_000
"""A regression is fitted on at most this many times, the latest ones; of one series these are rows."""


def flat_windows(data: Dataset, rows: Rows, features: Sequence[int] | None = None) -> Floats:
    """The window of each row, flattened: (len(rows), steps · F), feature by feature, oldest row first.

    `features` are the positions of the features to use; None: all. If a whole window has more than
    `MOST_COLUMNS` cells, only every k-th row of it is used, counted back from the last.
    """
    chosen = data.features if features is None else data.features[:, list(features)]  # (T, F)
    every = -(-data.seq_len * chosen.shape[1] // MOST_COLUMNS)
    windows = sliding_window_view(chosen, data.seq_len, axis=0)  # (T − seq_len + 1, F, seq_len)
    thinned = windows[:, :, (data.seq_len - 1) % every :: every]
    return thinned[rows - data.seq_len + 1].reshape(len(rows), -1).astype(np.float64)


def window_columns(data: Dataset) -> int:
    """The number of regressors of one window."""
    return int(flat_windows(data, data.train[-1:]).shape[1])


def latest_rows(data: Dataset, rows: Rows, columns: int, *, most: int = MOST_PANEL_ROWS) -> Rows:
    """The rows, of the ascending training `rows`, that a regression on `columns` regressors is fitted on.

    They are the rows of the latest `MOST_ROWS` times, or of fewer if the regressors of one series would not
    fit in memory. If several series have more than `most` rows at these times, every k-th time is used, with
    all its rows.
    """
    times = np.unique(data.times[rows])[-min(MOST_ROWS, PIECE_CELLS // columns) :]
    return rows_of_some_times(data, rows[data.times[rows] >= times[0]], most)
