"""Chooses the series that are held back whole, to be scored as assets that the model never saw."""

import hashlib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from trainer.config import DataConfig
from trainer.errors import SplitError
from trainer.text import did_you_mean


def unseen_series(config: DataConfig, source: str, names: Sequence[str]) -> frozenset[int]:
    """The positions in `names` of the series that `data.split.unseen_series` holds back; none without it.

    A share takes the series whose names have the lowest SHA-256: the choice depends neither on the data nor
    on the order, and it changes little when series are added. At least one series is held back and at least
    one is left. Raises SplitError if that cannot be done.
    """
    asked = config.split.unseen_series
    if asked is None:
        return frozenset()
    if len(names) < 2:
        raise SplitError(
            f"data.split.unseen_series holds back whole series, and {source} has one; name the column of the "
            "series in data.series, or remove unseen_series"
        )
    if isinstance(asked, float):
        order = sorted(range(len(names)), key=lambda number: hashlib.sha256(names[number].encode()).digest())
        return frozenset(order[: min(max(1, round(asked * len(names))), len(names) - 1)])
    patterns = (asked,) if isinstance(asked, str) else asked
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise SplitError(
                f"data.split.unseen_series: {source} has no series {pattern!r}{did_you_mean(pattern, names)}"
            )
    chosen = frozenset(
        number for number, name in enumerate(names) if any(fnmatchcase(name, pattern) for pattern in patterns)
    )
    if len(chosen) == len(names):
        raise SplitError(
            f"data.split.unseen_series holds back all {len(names)} series of {source}, and none is left to "
            "train on; name fewer"
        )
    return chosen
