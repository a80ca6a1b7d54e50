"""Settings of the best trial that lie at an end: of the range asked for, of the choices, or of the safe range
(the clamp). `status`, the report and the notes say it in the same words.
"""

from collections.abc import Sequence

from search.config.space import Choices
from search.watching.plots.dimension_axis import (
    DimensionAxis,
    clamped_intervals,
    dimension_axis,
    dimension_values,
    in_force,
)
from search.watching.plots.plotly_parts import is_number
from search.watching.view import SearchedDimension
from storage import tables

_NEAR = 0.02
"""Share of a range, on a log scale of a log range, that counts as its end."""
_FEWEST_CHOICES = 3
"""Of two choices each is an end."""


def range_end_sentences(best: tables.Trial | None, space: Sequence[SearchedDimension]) -> list[str]:
    """A sentence for each searched number of the best trial that lies at an end of the range in force."""
    if best is None:
        return []
    found = ((one, _end(dimension_axis(in_force(one)), best.params.get(one.key))) for one in space)
    return [_sentence(one, best.params[one.key], end) for one, end in found if end is not None]


def _end(line: DimensionAxis, value: object) -> str | None:
    """`lower` or `upper`; None for a value elsewhere, and for choices that have no order."""
    place, choices = line.position(value), line.choices
    if place is None or line.low == line.high:
        return None
    if choices is not None and not (len(choices) >= _FEWEST_CHOICES and all(map(is_number, choices))):
        return None
    share = (place - line.low) / (line.high - line.low)
    return "lower" if share <= _NEAR else "upper" if share >= 1 - _NEAR else None


def _sentence(searched: SearchedDimension, value: object, end: str) -> str:
    place = dimension_axis(searched).position(value)
    cuts = clamped_intervals(searched)
    is_clamped = place is not None and any(
        (high <= place + _room(searched) if end == "lower" else low >= place - _room(searched))
        for low, high in cuts
    )
    shown = f"{value:.4g}" if isinstance(value, float) else value
    begins = f"{searched.key} of the best trial, {shown}, lies at"
    if is_clamped:
        return f"{begins} the clamp, the {end} end of its safe range: more was asked for and clamped away."
    if _is_safe_end(searched, end):
        return f"{begins} the {end} end of its range, and of its safe range: nothing beyond it is safe."
    if isinstance(searched.effective, Choices):
        most = "lowest" if end == "lower" else "highest"
        return f"{begins} an end of its choices, the {most}: a better one may lie beyond it."
    return f"{begins} the {end} end of the range asked for: a better value may lie beyond it."


def _is_safe_end(searched: SearchedDimension, end: str) -> bool:
    """Whether the range in force ends where the safe range does."""
    safe, values = searched.safe, dimension_values(searched.effective)
    if safe is None:
        return False
    bound = safe.low if end == "lower" else safe.high
    return bound is not None and bound == (min(values) if end == "lower" else max(values))


def _room(searched: SearchedDimension) -> float:
    line = dimension_axis(searched)
    return 0.5 if line.choices is not None else _NEAR * (line.high - line.low)
