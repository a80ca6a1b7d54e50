"""Settings of the best trial that lie at an end of their range: a better value may lie beyond it."""

from search.watching.plots.dimension_axis import DimensionAxis, clamped_intervals, dimension_axis, in_force
from search.watching.plots.plotly_parts import is_number
from search.watching.view import SearchedDimension, StudyView

_NEAR = 0.02
"""Share of a range, on a log scale of a log range, that counts as its end."""
_FEWEST_CHOICES = 3
"""Of two choices each is an end."""


def range_end_sentences(view: StudyView) -> list[str]:
    """A sentence for each searched number of the best trial that lies at an end of the range in force."""
    best = view.summary.best
    if best is None:
        return []
    found = ((one, _end(dimension_axis(in_force(one)), best.params.get(one.key))) for one in view.space)
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
    why = (
        "more was asked for beyond it and clamped away" if is_clamped else "a better value may lie beyond it"
    )
    shown = f"{value:.4g}" if isinstance(value, float) else value
    return f"{searched.key} of the best trial, {shown}, lies at the {end} end of its range: {why}."


def _room(searched: SearchedDimension) -> float:
    line = dimension_axis(searched)
    return 0.5 if line.choices is not None else _NEAR * (line.high - line.low)
