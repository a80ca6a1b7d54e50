"""The windows of the GRU, flattened into rows of regressors."""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from trainer.data.arrays import Floats, Rows
from trainer.data.panel import newest_rows
from trainer.data.windows import Dataset

MOST_COLUMNS = 1_000
"""Most regressors of one window; the decomposition of their matrix then takes one or two seconds."""
MOST_ROWS = 50_000
"""A regression is fitted on at most this many training rows, the latest ones."""
_MOST_CELLS = 25_000_000
"""Most numbers in the regressors of all training rows: 200 MB."""


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


def latest_rows(data: Dataset, rows: Rows, columns: int) -> Rows:
    """The latest of the ascending training `rows`, as many as fit in memory with `columns` regressors."""
    return newest_rows(data.times, rows, min(MOST_ROWS, _MOST_CELLS // columns))


def training_windows(data: Dataset) -> tuple[Rows, Floats]:
    """The training rows that a rival is fitted on, and their flattened windows."""
    rows = latest_rows(data, data.train, flat_windows(data, data.train[-1:]).shape[1])
    return rows, flat_windows(data, rows)
