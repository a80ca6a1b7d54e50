"""Rows of a figure: a name, a dot at a value, and a thin line from a low to a high value."""

from collections.abc import Sequence

from search.watching.plots.plotly_parts import (
    GREY,
    REFERENCE_COLOUR,
    Json,
    axis,
    layout,
    plot_label,
    plot_number,
)

MOST_ROWS = 16
"""More do not fit into the box that the dashboard has for a plot."""
_LONGEST = 18


def row_names(names: Sequence[str]) -> list[str]:
    """Return the names as text for the axis, each of them once."""
    labels = [plot_label(name, _LONGEST) for name in names]
    return [
        label if labels.count(label) == 1 else plot_label(name, 80)
        for label, name in zip(labels, names, strict=True)
    ]


def dots(name: str, rows: Sequence[str], values: Sequence[float], *, filled: bool) -> Json:
    """Return dots: filled ones are told from the hollow ones by their shape, not by their colour."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [plot_number(value) for value in values],
        "y": list(rows),
        "marker": {
            "size": 11,
            "color": REFERENCE_COLOUR,
            "symbol": "circle" if filled else "circle-open",
            "line": {"width": 2, "color": REFERENCE_COLOUR},
        },
        "hovertemplate": "%{y}: %{x}",
    }


def spans(name: str, rows: Sequence[str], lows: Sequence[float], highs: Sequence[float]) -> Json:
    """Return a line for each row, with gaps between them."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [
            end
            for low, high in zip(lows, highs, strict=True)
            for end in (plot_number(low), plot_number(high), None)
        ],
        "y": [at for row in rows for at in (row, row, None)],
        "line": {"color": GREY, "width": 4},
        "opacity": 0.55,
        "hoverinfo": "skip",
    }


def ticks(name: str, rows: Sequence[str], values: Sequence[float]) -> Json:
    """Return a short upright mark for each value."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [plot_number(value) for value in values],
        "y": list(rows),
        "marker": {"symbol": "line-ns-open", "size": 12, "color": GREY, "line": {"width": 2}},
        "hovertemplate": "%{y}: %{x}",
    }


def row_layout(title: str, note: str, rows: Sequence[str], across: str) -> Json:
    """Return the layout: the first row at the top, a line at zero."""
    return layout(
        title,
        note,
        xaxis=axis(across, zeroline=True, zerolinecolor=GREY, rangemode="tozero"),
        yaxis=axis(
            "",
            type="category",
            categoryorder="array",
            categoryarray=list(rows),
            range=[len(rows) - 0.5, -0.5],
        ),
    )
