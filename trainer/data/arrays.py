"""Types of arrays, and the shift by rows that every lag uses."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
"""Positions of rows, ascending unless said otherwise."""


def lagged(values: Floats, rows: int, *, fill: float = np.nan) -> Floats:
    """The value `rows` ≥ 0 rows before each row of (T,); `fill` in the first rows."""
    return np.concatenate([np.full(min(rows, len(values)), fill), values[: max(len(values) - rows, 0)]])
