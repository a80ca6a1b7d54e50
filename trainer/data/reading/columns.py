"""The columns of a source as read: text or numbers, not yet judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Columns:
    """Columns of one file: `names` are all of the file, `cells` Arrow arrays of those that are needed.

    `positions` is, for each row, its line in the file or its row (1-based), as `counted_in` says.
    """

    shown: str
    names: tuple[str, ...]
    cells: Mapping[str, "pa.Array"]
    positions: npt.NDArray[np.int64]
    counted_in: Literal["line", "row"]
    detected: Mapping[str, Any] = field(default_factory=dict)
    sample: tuple[str, ...] = ()
    """Numbers of the first rows as they are written, also those of other columns."""
    points_are_doubtful: bool = False
    """Whether a point may be a thousands mark: in files with semicolons, as programs write them where the
    comma is the decimal mark.
    """
