"""Requested and safe ranges: for each key what was asked for, what is safe, and what is in force."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from search.config.space import Choices
from search.text import short_value
from search.watching.blocks import Plot
from search.watching.plots.dimension_axis import dimension_values, range_text
from search.watching.plots.plotly_parts import (
    GREY,
    LINE_COLOURS,
    Json,
    is_number,
    layout,
    plot_label,
    plot_number,
)
from search.watching.view import SearchedDimension, StudyView
from storage import tables

_BARS = {"asked for": LINE_COLOURS[5], "safe": LINE_COLOURS[3], "in force": LINE_COLOURS[0]}
"""The bars of each key, in this order."""
_TALLEST, _LOWEST = 24.0, 11.5
"""Pixels of a line, which has text at the left and a bar at the right: 8 keys fit into the dashboard's 450
pixels."""
_HEIGHT, _FRAME, _FOOT = 450, 58, 8
_LETTER = 0.58
"""Width of a letter as a share of its height."""
_LONGEST = 34
"""Characters of the text beside a bar; hovering shows the whole text."""
_ROOM = 0.08
"""Share of the plot beyond the outermost end: bars with an open end extend through it to the edge."""

End = float | None


@dataclass(frozen=True)
class _RangeBar:
    """A range in words, not escaped. An end of None is open; values without an order have no ends."""

    text: str
    ends: tuple[End, End] | None = None


@dataclass(frozen=True)
class _RangeBars:
    """One key: its bars in the order of `_BARS`."""

    key: str
    bars: Sequence[_RangeBar]
    log: bool = False


def plot_safe_ranges(view: StudyView) -> Plot:
    """Draw three bars for each searched dimension and for each setting that was clamped."""
    rows = [_searched(searched) for searched in view.space] + _clamped(view)
    title = "Requested and safe ranges"
    note = "each key on a scale of its own" if rows else "nothing was searched or clamped"
    lines = max(1, len(rows)) * (len(_BARS) + 1)
    line = min(_TALLEST, max(_LOWEST, (_HEIGHT - _FRAME - _FOOT) / lines))
    size = round(min(12.0, line - 1.5), 1)
    longest = max((len(text) for row in rows for text in _bar_texts(row)), default=0)
    left = round(min(longest, _LONGEST) * size * _LETTER) + 22
    drawing = layout(title, note, round(_FRAME + _FOOT + lines * line), showlegend=False)
    drawing |= {
        "margin": {"l": left, "r": 12, "t": _FRAME, "b": _FOOT},
        "xaxis": {"range": [0, 1], "visible": False, "fixedrange": True},
        "yaxis": {"range": [lines - 0.5, -0.5], "visible": False, "fixedrange": True},
        "barmode": "overlay",
        "annotations": [text for i, row in enumerate(rows) for text in _texts(row, 4 * i, left, size)],
    }
    return Plot(
        id="safe-ranges",
        title=title,
        about=(
            "For every searched setting, and every other one that was clamped: what was asked for, what is "
            "safe, and what is in force, which is their common part. A bar that runs to the edge is open."
        ),
        figure={"data": [_bars(rows, i) for i in range(len(_BARS))], "layout": drawing},
    )


def _searched(searched: SearchedDimension) -> _RangeBars:
    declared, effective, safe = searched.declared, searched.effective, searched.safe
    if "choices" in declared:
        asked = _choices(_listed(declared["choices"]))
    else:
        low, high = declared.get("low"), declared.get("high")
        asked = _RangeBar(range_text(low, high), (_end(low), _end(high)))
    if safe is None:
        allowed = _RangeBar("any", (None, None))
    elif safe.choices is not None:
        allowed = _choices(safe.choices)
    else:
        allowed = _RangeBar(range_text(safe.low, safe.high), (safe.low, safe.high))
    ends = dimension_values(effective)
    force = (
        _choices(ends)
        if isinstance(effective, Choices)
        else _RangeBar(range_text(*ends), (_end(ends[0]), _end(ends[1])))
    )
    wide = isinstance(effective, Choices) and all(is_number(end) and end > 0 for end in ends)
    return _RangeBars(searched.key, (asked, allowed, force), log=bool(declared.get("log")) or wide)


def _clamped(view: StudyView) -> list[_RangeBars]:
    searched = {one.key for one in view.space}
    return [_one_clamped(clamp) for clamp in view.clamps if clamp.key not in searched]


def _one_clamped(clamp: tables.ClampRow) -> _RangeBars:
    """Return the bars of a fixed value, which was moved to the nearest bound: that bound is in force."""
    asked, bound = clamp.declared, clamp.effective
    if bound is None:
        return _RangeBars(
            clamp.key, [_RangeBar(text) for text in (short_value(asked), "no value of its kind", "left out")]
        )
    if not (is_number(asked) and is_number(bound)):
        texts = (short_value(asked), f"only {short_value(bound)}", short_value(bound))
        return _RangeBars(clamp.key, [_RangeBar(text) for text in texts])
    safe = (None, bound) if asked > bound else (bound, None)
    bars = (
        _RangeBar(short_value(asked), (asked, asked)),
        _RangeBar(range_text(*safe), safe),
        _RangeBar(short_value(bound), (bound, bound)),
    )
    return _RangeBars(clamp.key, bars, log=asked > 0 and bound > 0)


def _choices(values: Sequence[Any]) -> _RangeBar:
    text = ", ".join(map(short_value, values))
    return _RangeBar(text, (min(values), max(values)) if values and all(map(is_number, values)) else None)


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _end(value: object) -> End:
    return float(value) if isinstance(value, int | float) and is_number(value) else None


def _bars(rows: Sequence[_RangeBars], which: int) -> Json:
    """Return one kind of bar for all keys. A bar starts at its `base` and its length is its `x`."""
    name, colour = list(_BARS.items())[which]
    drawn = [(4 * i + 1 + which, _stretch(row, row.bars[which]), row) for i, row in enumerate(rows)]
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "y": [y for y, _, _ in drawn],
        "base": [plot_number(low) for _, (low, _), _ in drawn],
        "x": [plot_number(high - low) for _, (low, high), _ in drawn],
        "text": [
            f"{plot_label(row.key)}, {name}: {html.escape(row.bars[which].text, quote=False)}"
            for _, _, row in drawn
        ],
        "textposition": "none",
        "width": 0.5,
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": "%{text}<extra></extra>",
    }


def _stretch(row: _RangeBars, bar: _RangeBar) -> tuple[float, float]:
    """Return start and end of a bar, from 0 to 1, on the row's own scale; an open end is at the edge."""
    if bar.ends is None:
        return 0.0, 0.0
    places = [_place(end, row.log) for one in row.bars for end in one.ends or ()]
    known = [place for place in places if place is not None]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    span = (high - low) or 1.0

    def share(end: End, edge: float) -> float:
        place = _place(end, row.log)
        return edge if place is None else _ROOM + (1 - 2 * _ROOM) * (place - low) / span

    left, right = share(bar.ends[0], 0.0), share(bar.ends[1], 1.0)
    return (left, right) if left < right else (left - 0.004, left + 0.004)


def _place(end: End, log: bool) -> float | None:
    """Return the position of an end; None, an open end, for 0 and below on a log scale."""
    if end is None or not log:
        return end
    return math.log10(end) if end > 0 else None


def _bar_texts(row: _RangeBars) -> list[str]:
    """Return name and range of each bar; of many choices the first two and the last."""
    found = []
    for name, bar in zip(_BARS, row.bars, strict=True):
        text, parts = f"{name} {bar.text}", bar.text.split(", ")
        many = len(text) > _LONGEST and len(parts) > 3
        found.append(f"{name} {parts[0]}, {parts[1]} … {parts[-1]}" if many else text)
    return found


def _texts(row: _RangeBars, y: int, left: int, size: float) -> list[Json]:
    """Return the text of the key and of each bar, which starts `left` pixels before the bars."""
    lines = [f"<b>{plot_label(row.key)}</b>"] + [plot_label(text, _LONGEST) for text in _bar_texts(row)]
    return [
        {
            "text": text,
            "x": 0,
            "xanchor": "left",
            "xshift": (8 if i == 0 else 14) - left,
            "y": y + i,
            "yanchor": "middle",
            "showarrow": False,
            "font": {"size": size, "color": GREY},
        }
        for i, text in enumerate(lines)
    ]
