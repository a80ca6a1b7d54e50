"""How volatile the target was, as it was known when each forecast was made. Pure functions."""

import numpy as np
from numpy.typing import NDArray

WINDOW = 22
"""Known targets that are averaged: a month of days."""
REGIMES = ("low", "middle", "high")


def past_volatility(
    target: NDArray[np.floating], runs: NDArray[np.integer], horizon: int, kind: str
) -> NDArray[np.float64]:
    """The volatility of the last 22 targets that were known at each row, (n,); NaN where there are fewer.

    The target of a row is known `horizon` rows later. `target` (n,) is in its own unit, and `runs` (n,)
    numbers the stretches of successive rows, such as series and folds; no window reaches from one into
    another. For a `kind` of return it is the root of the mean square, for a volatility the mean, for
    anything else the standard deviation.
    """
    found = np.full(len(target), np.nan)
    for run in np.unique(runs):
        rows = np.flatnonzero(runs == run)
        if len(rows) < WINDOW + horizon:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(target[rows].astype(np.float64), WINDOW)
        if kind == "volatility":
            values = windows.mean(axis=1)
        else:
            centre = 0.0 if kind == "return" else windows.mean(axis=1, keepdims=True)
            values = np.sqrt(np.square(windows - centre).mean(axis=1))
        found[rows[WINDOW - 1 + horizon :]] = values[: len(rows) - WINDOW + 1 - horizon]
    return found


def regimes(volatility: NDArray[np.float64]) -> NDArray[np.int64]:
    """The third of the rows that each belongs to, 0 for the calmest; −1 where the volatility is not known.

    The limits between thirds are those of all rows given, which nobody knew before the last of them.
    """
    known = np.isfinite(volatility)
    found = np.full(len(volatility), -1)
    if known.any():
        limits = np.quantile(volatility[known], [1 / 3, 2 / 3])
        found[known] = np.searchsorted(limits, volatility[known])
    return found
