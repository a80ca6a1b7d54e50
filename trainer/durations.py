"""Durations as people write them: `4d`, `2h`, `30min`, `90m`, `1d12h`."""

import re
from itertools import pairwise

_SECONDS = {"d": 86400, "h": 3600, "min": 60, "m": 60, "s": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?) ?(d|h|min|m|s)")


def duration_seconds(value: object) -> float:
    """The seconds, above 0, of a duration such as `4d`, `30min` or `1d12h`; units descend, and m is minutes.

    Raises ValueError if `value` is no such text.
    """
    parts = list(_PART.finditer(value)) if isinstance(value, str) else []
    sizes = [_SECONDS[unit] for _, unit in (part.groups() for part in parts)]
    seconds = sum(float(part[1]) * size for part, size in zip(parts, sizes, strict=True))
    is_whole = isinstance(value, str) and "".join(part[0] for part in parts) == value
    if not is_whole or seconds <= 0 or any(left <= right for left, right in pairwise(sizes)):
        raise ValueError(f"{value!r} is no duration; write it as 4d, 2h, 30min or 90s")
    return seconds


def short_duration(seconds: float) -> str:
    """The duration in the largest unit that gives a whole number, such as `2d`, `49h`, `30min` or `0.5s`."""
    unit = next((unit for unit in ("d", "h", "min") if seconds % _SECONDS[unit] == 0), "s")
    return f"{seconds / _SECONDS[unit]:.15g}{unit}"
