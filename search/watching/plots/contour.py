"""The two most important settings together: the median loss of the accepted trials by cell."""

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from search.watching.blocks import Plot
from search.watching.plots.dimension_axis import (
    DimensionAxis,
    dimension_axis,
    drawn_value,
    idle_text,
    in_force,
    setting_axis,
    shortest_unique_names,
)
from search.watching.plots.plotly_parts import (
    Json,
    group_by_verdict,
    layout,
    plot_number,
    scatter_trace,
    shown_of_all_text,
    thin_trials,
)
from search.watching.view import SearchedDimension, StudyView
from storage import tables
from storage.verdicts import Verdict

MAX_POINTS_DRAWN = 600
_FEWEST_CELLS, _MOST_CELLS = 3, 12
_TRIALS_A_CELL = 3
"""So many accepted trials a cell on average, if they lay evenly."""
_COLOURS = [[0.0, "rgba(106,111,209,0.95)"], [1.0, "rgba(106,111,209,0.06)"]]
"""Strong is a low loss; the weak end is nearly transparent, so that it suits a light and a dark page."""


def plot_contour(view: StudyView) -> Plot | None:
    """Draw the two settings with the highest importance; None while no importance can be told."""
    important = view.setting_importances
    if important is None or len(important.settings) < 2:
        return None
    by_key = {searched.key: in_force(searched) for searched in view.space}
    across, up = (by_key[each.key] for each in important.settings[:2])
    names = shortest_unique_names([*by_key])
    accepted = [trial for trial in view.trials if trial.verdict is Verdict.ACCEPTED]
    cells = min(_MOST_CELLS, max(_FEWEST_CELLS, round((len(accepted) / _TRIALS_A_CELL) ** 0.5)))
    drawn = thin_trials(view.trials, view.summary.best, MAX_POINTS_DRAWN)
    title = "Two settings together" + shown_of_all_text(len(drawn), len(view.trials))
    return Plot(
        id="contour",
        title=title,
        about=(
            f"The two settings with the highest importance, {names[across.key]} and {names[up.key]}: the "
            "stronger the colour, the lower the median validation loss of the accepted trials in the cell. "
            "Other trials are points in the shape of their verdict, and none of them counts for a colour. "
            "An empty cell has no accepted trial; one with a single trial is mostly luck."
            f"{idle_text((across, up))}"
        ),
        figure={
            "data": [_cells(accepted, across, up, cells), *_points(drawn, across, up)],
            "layout": layout(
                title,
                xaxis=_axis(across, names[across.key], cells),
                yaxis=_axis(up, names[up.key], cells),
            ),
        },
    )


def cell_edges(searched: SearchedDimension, cells: int) -> list[float]:
    """The edges of the cells along an axis, as plotly draws them: equal parts of the axis, on a log axis
    equal factors. Each choice has a cell of its own, and so has each step of a range with few.
    """
    line, dimension = dimension_axis(searched), searched.effective
    if line.choices is not None:
        return [i - 0.5 for i in range(len(line.choices) + 1)]
    values = dimension.values() or ()
    if 1 < len(values) <= _MOST_CELLS:
        half = (values[1] - values[0]) / 2
        return [values[0] - half, *(value + half for value in values)]
    places = [line.low + i * (line.high - line.low) / cells for i in range(cells + 1)]
    return [10**place if line.log else place for place in places]


def _axis(searched: SearchedDimension, name: str, cells: int) -> Json:
    """The axis, from the first to the last edge of the cells."""
    ends = [cell_edges(searched, cells)[i] for i in (0, -1)]
    reach = [math.log10(end) for end in ends] if dimension_axis(searched).log else ends
    return setting_axis(searched, name, range=list(map(plot_number, reach)))


def _cells(
    accepted: Sequence[tables.Trial], across: SearchedDimension, up: SearchedDimension, cells: int
) -> Json:
    x, y = cell_edges(across, cells), cell_edges(up, cells)
    found = cell_medians(accepted, (across, x), (up, y))
    counts = {at: len(losses) for at, losses in found.items()}
    medians = {at: plot_number(median(losses)) for at, losses in found.items()}
    rows, columns = range(len(y) - 1), range(len(x) - 1)
    return {
        "type": "heatmap",
        "x": [plot_number(edge) for edge in x],
        "y": [plot_number(edge) for edge in y],
        "z": [[medians.get((column, row)) for column in columns] for row in rows],
        "customdata": [[counts.get((column, row), 0) for column in columns] for row in rows],
        "colorscale": _COLOURS,
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"title": {"text": "median<br>loss"}, "thickness": 10},
        "hovertemplate": "median loss %{z} of %{customdata} accepted trials<extra></extra>",
    }


def cell_medians(
    trials: Sequence[tables.Trial],
    across: tuple[SearchedDimension, Sequence[float]],
    up: tuple[SearchedDimension, Sequence[float]],
) -> dict[tuple[int, int], list[float]]:
    """The losses of the trials by cell, (column, row); each dimension comes with the edges of its cells."""
    found: dict[tuple[int, int], list[float]] = defaultdict(list)
    for trial in trials:
        cell = [
            _cell(dimension_axis(searched), trial.params.get(searched.key), edges)
            for searched, edges in (across, up)
        ]
        column, row = cell
        if column is not None and row is not None and plot_number(trial.value) is not None:
            found[column, row].append(float(trial.value or 0.0))
    return found


def _cell(line: DimensionAxis, value: object, edges: Sequence[float]) -> int | None:
    at = drawn_value(line, value)
    if at is None:
        return None
    inside = sum(edge <= at for edge in edges) - 1
    return min(max(inside, 0), len(edges) - 2)


def _points(trials: Sequence[tables.Trial], across: SearchedDimension, up: SearchedDimension) -> list[Json]:
    traces = []
    for verdict, group in group_by_verdict(trials).items():
        x, y = (
            [drawn_value(dimension_axis(one), t.params.get(one.key)) for t in group] for one in (across, up)
        )
        trace = scatter_trace(verdict, x, y, [trial.number for trial in group])  # a missing value is a gap
        trace["marker"]["size"] = min(6, trace["marker"]["size"])
        traces.append(trace | {"hovertemplate": "trial %{customdata}"})
    return traces
