"""The windows that the GRU sees, as rows of regressors."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from trainer.data.windows import Dataset
from trainer.rivals.regressors import Floats, Rows

MOST_ROWS = 50_000
"""Training rows that a rival is fitted on, the latest ones: the memory of its regressors stays below 1 GB at
2,500 cells a window."""


def flat_windows(data: Dataset, rows: Rows) -> Floats:
    """The window of each row, flattened: (len(rows), seq_len · F), feature by feature, oldest row first."""
    windows = sliding_window_view(data.features, data.seq_len, axis=0)  # (T − seq_len + 1, F, seq_len)
    return windows[rows - data.seq_len + 1].reshape(len(rows), -1).astype(np.float64)


def latest(rows: Rows) -> Rows:
    """The last of ascending `rows`, at most `MOST_ROWS`."""
    return rows[-MOST_ROWS:]
