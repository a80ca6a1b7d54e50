"""Places the values of a searched dimension on an axis, and finds what was clamped."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from search.config.conditions import conditions_in_words
from search.config.space import Choices, Dimension
from search.watching.plots.plotly_parts import Json, axis, is_number, log_axis, plot_label, plot_number
from search.watching.view import SearchedDimension


@dataclass(frozen=True)
class DimensionAxis:
    """A part of a plotly axis: from `low` to `high`, which are exponents of 10 if `log`, else values.

    `choices` are those of a categorical dimension, numbers in ascending order, others as they were declared;
    their positions are 0, 1, 2 …
    """

    low: float
    high: float
    log: bool = False
    choices: tuple[Any, ...] | None = None

    def position(self, value: Any) -> float | None:
        """Return the position of a value; None for another type and for a choice that was not declared."""
        if self.choices is not None:
            return float(self.choices.index(value)) if value in self.choices else None
        if not is_number(value):
            return None
        if not self.log:
            return float(value)
        return math.log10(value) if value > 0 else None


def dimension_axis(searched: SearchedDimension) -> DimensionAxis:
    """Return the axis of a dimension: its declared range, extended if the range in force is wider."""
    declared, effective = searched.declared, searched.effective
    listed = declared.get("choices")
    if isinstance(listed, list | tuple):
        added = [choice for choice in dimension_values(effective) if choice not in listed]
        choices = (*listed, *added)
        ordered = tuple(sorted(choices)) if all(map(is_number, choices)) else choices
        return DimensionAxis(0, len(choices) - 1, choices=ordered)
    ends = [
        end
        for end in (declared.get("low"), declared.get("high"), *dimension_values(effective))
        if is_number(end)
    ]
    log = bool(declared.get("log")) and min(ends) > 0
    places = [math.log10(end) if log else float(end) for end in ends]
    return DimensionAxis(min(places), max(places), log)


def setting_axis(searched: SearchedDimension, name: str, most: int = 3, **more: Any) -> Json:
    """Return the plotly axis of a dimension, with a tick for each choice, or for up to `most` decades of a
    log axis; `more` has plotly's settings.
    """
    line = dimension_axis(searched)
    room = 0.5 if line.choices is not None else 0.04 * (line.high - line.low) or 0.5
    more = {"range": [plot_number(line.low - room), plot_number(line.high + room)], **more}
    if line.choices is not None:
        more |= {
            "tickvals": list(range(len(line.choices))),
            "ticktext": [plot_label(c) for c in line.choices],
        }
    drawing = log_axis(name, [10**line.low, 10**line.high], most, **more) if line.log else axis(name, **more)
    drawing["title"]["standoff"] = 4
    return drawing | {"nticks": 5}


def drawn_value(line: DimensionAxis, value: Any) -> float | None:
    """Return what plotly draws for a value: the position of a choice, else the number itself, which plotly
    places on a log axis. None if the value has no position.
    """
    place = line.position(value)
    return place if place is None or line.choices is not None else plot_number(value)


def in_force(searched: SearchedDimension) -> SearchedDimension:
    """Return the dimension without what was clamped away."""
    return replace(searched, declared=searched.effective.to_json())


def clamped_intervals(searched: SearchedDimension) -> list[tuple[float, float]]:
    """Return the declared parts that are not in force, as intervals of the axis; a choice has width 1."""
    line = dimension_axis(searched)
    kept = [line.position(value) for value in dimension_values(searched.effective)]
    if line.choices is not None:
        return [(i - 0.5, i + 0.5) for i in range(len(line.choices)) if float(i) not in kept]
    known = sorted(place for place in kept if place is not None)
    if not isinstance(searched.effective, Choices):  # nothing is clamped between the two ends of a range
        return [cut for cut in ((line.low, known[0]), (known[-1], line.high)) if cut[0] < cut[1]]
    edges = [line.low, *known, line.high]
    return [(a, b) for a, b in pairwise(edges) if a < b]


def idle_text(space: Sequence[SearchedDimension]) -> str:
    """A sentence for each setting that is searched only in some trials; empty if there is none."""
    return "".join(
        f" {searched.key} is searched only if {conditions_in_words(searched.effective.when)}: other trials "
        "have no value of it here."
        for searched in space
        if searched.effective.when
    )


def dimension_values(dimension: Dimension) -> Sequence[Any]:
    """Return the two ends of a range, or all choices."""
    return dimension.choices if isinstance(dimension, Choices) else (dimension.low, dimension.high)


def range_text(low: Any, high: Any) -> str:
    """Return a range in words; None is an open end."""
    if low is None and high is None:
        return "any"
    if low is None or high is None:
        return f"at most {plot_label(high)}" if low is None else f"at least {plot_label(low)}"
    return f"{plot_label(low)} to {plot_label(high)}"


def shortest_unique_names(keys: Sequence[str]) -> dict[str, str]:
    """Return the end of each key with as few whole parts as no other key ends with."""
    return {key: plot_label(next(end for end in _ends(key) if _is_own(end, key, keys))) for key in keys}


def _ends(key: str) -> list[str]:
    """Return the last part of a key, the last two, and so on up to all of it."""
    parts = key.split(".")
    return [".".join(parts[i:]) for i in range(len(parts) - 1, -1, -1)]


def _is_own(end: str, key: str, keys: Sequence[str]) -> bool:
    return end == key or not any(other != key and f".{other}".endswith(f".{end}") for other in keys)
