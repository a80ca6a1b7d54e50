"""The Pareto front of points whose coordinates are all minimised, and its knee."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def pareto_front(points: Sequence[Sequence[float]]) -> list[int]:
    """The positions, ascending, of the points (n, d) that no other point dominates.

    A point dominates another one if it is as low in every coordinate and lower in one. Of points that are
    equal in all coordinates, the first alone is on the front. All numbers must be finite.
    """
    found: list[int] = []
    values = np.asarray(points, np.float64)
    for i, point in enumerate(values):
        no_higher = (values <= point).all(axis=1)
        beats = no_higher & (values < point).any(axis=1)
        if not beats.any() and not (no_higher & (values == point).all(axis=1))[:i].any():
            found.append(i)
    return found


def knee_point(front: Sequence[Sequence[float]]) -> int:
    """The position of the knee of a front (n, d): the point farthest below the plane through its ends.

    Each coordinate is scaled to 0 … 1 over the front; one that does not vary is left out. For two objectives
    the plane is the line between the two ends of the front, and the knee the point with the largest distance
    to it, on the side of low values (Das 1999, "On characterizing the 'knee' of the Pareto curve based on
    normal-boundary intersection"). For more, the plane is the one through the points that are the highest in
    one coordinate and the lowest in all others, sum of coordinates = 1, which for two is that same line. Of
    equal ones, the first. Raises ValueError for an empty front.
    """
    values = np.asarray(front, np.float64)
    if not len(values):
        raise ValueError("an empty front has no knee")
    depth = 1 - _scaled(values).sum(axis=1)
    return int(np.argmax(np.round(depth, 12)))


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, span = values.min(axis=0), np.ptp(values, axis=0)
    varying = span > 0
    scaled: NDArray[np.float64] = (values[:, varying] - low[varying]) / span[varying]
    return scaled
