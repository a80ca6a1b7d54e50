"""The windows that the GRU sees, as rows of regressors."""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from trainer.data.arrays import Floats, Rows
from trainer.data.windows import Dataset

MOST_COLUMNS = 1_000
"""Regressors of a window: decomposing their matrix takes a second or two."""
MOST_ROWS = 50_000
"""Training rows that a regression is fitted on, the latest ones."""
_MOST_CELLS = 25_000_000
"""Of the regressors of all training rows: 200 MB."""


def flat_windows(data: Dataset, rows: Rows, features: Sequence[int] | None = None) -> Floats:
    """The window of each row, flattened: (len(rows), steps · F), feature by feature, oldest row first.

    `features` are the positions of those that are wanted, by default all. Where a whole window has more than
    `MOST_COLUMNS` cells, every k-th row of it is taken, counted back from the last.
    """
    chosen = data.features if features is None else data.features[:, list(features)]  # (T, F)
    every = -(-data.seq_len * chosen.shape[1] // MOST_COLUMNS)
    windows = sliding_window_view(chosen, data.seq_len, axis=0)  # (T − seq_len + 1, F, seq_len)
    thinned = windows[:, :, (data.seq_len - 1) % every :: every]
    return thinned[rows - data.seq_len + 1].reshape(len(rows), -1).astype(np.float64)


def latest_rows(rows: Rows, columns: int) -> Rows:
    """The last of ascending training `rows`, as many as fit into memory with `columns` regressors each."""
    return rows[-min(MOST_ROWS, _MOST_CELLS // columns) :]


def training_windows(data: Dataset) -> tuple[Rows, Floats]:
    """The training rows that a rival is fitted on, and their flattened windows."""
    rows = latest_rows(data.train, flat_windows(data, data.train[-1:]).shape[1])
    return rows, flat_windows(data, rows)
