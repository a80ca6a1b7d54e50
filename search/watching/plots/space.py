"""The search space: a strip per dimension with a row per verdict; the clamped part is shaded."""

from collections import Counter
from collections.abc import Mapping, Sequence

from search.watching.blocks import Plot
from search.watching.plots.dimension_axis import (
    DimensionAxis,
    clamped_intervals,
    dimension_axis,
    idle_text,
    setting_axis,
    shortest_unique_names,
)
from search.watching.plots.panel_grid import BOTTOM, Panel, PanelGrid
from search.watching.plots.plotly_parts import (
    GREY,
    Json,
    axis,
    group_by_verdict,
    layout,
    plot_number,
    scatter_trace,
    shown_of_all_text,
    thin_trials,
    verdict_text,
)
from search.watching.view import SearchedDimension, StudyView
from storage import tables
from storage.verdicts import Verdict

_STRIP = 94
"""Pixels of a strip with its ticks and its name, at least."""
_BINS = 60
"""Parts of a strip: points in one part lie above each other, so that they do not hide each other."""
_ROW = 0.36
"""How far a point may lie from the middle of its row, whose height is 1."""
_LAYER = 0.12
"""Distance between two points above each other; less where there are many."""
_SHADE = "rgba(213,94,0,0.16)"


def plot_space(view: StudyView) -> Plot:
    """Draw a strip for each searched dimension, on its own scale."""
    drawn = thin_trials(view.trials, view.summary.best)
    groups = group_by_verdict(drawn)
    names = shortest_unique_names([searched.key for searched in view.space])
    grid = PanelGrid(len(view.space), _STRIP)
    title = "Search space" + shown_of_all_text(len(drawn), len(view.trials))
    note = "" if view.space else "nothing is searched, or an older Ballast did not keep the space"
    drawing = layout(title, note, grid.height, showlegend=False, shapes=[], annotations=[])
    drawing["margin"] |= {"b": BOTTOM}
    data: list[Json] = []
    for i, searched in enumerate(view.space):
        axes = f"{i + 1}" if i else ""
        data += _points(searched, groups, axes)
        place = grid.place(i)
        more: Json = {"domain": place.across, "anchor": f"y{axes}"}
        drawing[f"xaxis{axes}"] = setting_axis(searched, names[searched.key], **more)
        drawing[f"yaxis{axes}"] = _y_axis(list(groups), axes, place)
        _shade(drawing, searched, axes)
    return Plot(
        id="space",
        title=title,
        about=(
            "Every trial at the value it was given, one row per verdict: trials of nearly the same value lie "
            "above each other, and for choices the number is that of their trials. The shaded part was asked "
            f"for and clamped away: no trial can lie in it.{idle_text(view.space)}"
        ),
        figure={"data": data, "layout": drawing},
    )


def _points(
    searched: SearchedDimension, groups: Mapping[Verdict | None, Sequence[tables.Trial]], axes: str
) -> list[Json]:
    """Return the points of each verdict, or for choices a point a choice with the number of its trials."""
    line = dimension_axis(searched)
    traces = []
    for row, (verdict, trials) in enumerate(groups.items()):
        found = [(trial, line.position(trial.params.get(searched.key))) for trial in trials]
        placed = [(trial, place) for trial, place in found if place is not None]
        if line.choices is None:
            trace = _swarm(verdict, row, placed, line, searched.key)
        else:
            trace = _counts(verdict, row, [place for _, place in placed])
        traces.append(trace | {"xaxis": f"x{axes}", "yaxis": f"y{axes}"})
    return traces


def _swarm(
    verdict: Verdict | None,
    row: int,
    placed: Sequence[tuple[tables.Trial, float]],
    line: DimensionAxis,
    key: str,
) -> Json:
    """Return each trial at its own value; those of nearly the same value lie above each other."""
    span = (line.high - line.low) or 1.0
    shifts = stacked([round(_BINS * min(2.0, max(-1.0, (at - line.low) / span))) for _, at in placed])
    x = [plot_number(trial.params[key]) for trial, _ in placed]
    y = [round(row + shift, 3) for shift in shifts]
    trace = scatter_trace(verdict, x, y, [trial.number for trial, _ in placed])
    trace["marker"]["size"] = min(5, trace["marker"]["size"])
    return trace | {"hovertemplate": "trial %{customdata}: %{x}"}


def stacked(bins: Sequence[int]) -> list[float]:
    """Return a shift for each point from the middle of its row: 0, then up and down in turn in each bin."""
    most = max(Counter(bins).values(), default=1)
    layer = min(_LAYER, _ROW / max(1, most // 2))
    seen: Counter[int] = Counter()
    shifts = []
    for place in bins:
        n = seen[place]
        seen[place] += 1
        shifts.append(layer * ((n + 1) // 2) * (1 if n % 2 else -1))
    return shifts


def _counts(verdict: Verdict | None, row: int, places: Sequence[float]) -> Json:
    """Return a point for each choice that trials were given, with their number beside it."""
    found = sorted(Counter(map(round, places)).items())
    trace = scatter_trace(verdict, [at for at, _ in found], [row] * len(found), [count for _, count in found])
    trace["marker"]["size"] = 5
    return trace | {
        "mode": "markers+text",
        "text": [f"{count:,}" for _, count in found],
        "textposition": "middle right",
        "textfont": {"size": 9, "color": GREY},
        "cliponaxis": False,
        "hovertemplate": f"{verdict_text(verdict)}: %{{customdata}} trials",
    }


def _y_axis(verdicts: Sequence[Verdict | None], axes: str, place: Panel) -> Json:
    row = place.pixels / max(1, len(verdicts))
    return axis(
        "",
        range=[len(verdicts) - 0.5, -0.5],
        tickvals=list(range(len(verdicts))),
        ticktext=[verdict_text(verdict) for verdict in verdicts],
        showticklabels=place.column == 0,
        tickfont={"size": round(min(12.0, max(8.0, row - 1)), 1)},
        domain=place.up,
        anchor=f"x{axes}",
        fixedrange=True,
    )


def _shade(drawing: Json, searched: SearchedDimension, axes: str) -> None:
    """Shade and label what was clamped. On a log axis plotly needs values for shapes, exponents for text."""
    line, cuts = dimension_axis(searched), clamped_intervals(searched)
    for low, high in cuts:
        ends = [plot_number(10**end if line.log else end) for end in (low, high)]
        drawing["shapes"].append(
            {
                "type": "rect",
                "layer": "below",
                "xref": f"x{axes}",
                "yref": f"y{axes} domain",
                "x0": ends[0],
                "x1": ends[1],
                "y0": 0,
                "y1": 1,
                "fillcolor": _SHADE,
                "line": {"width": 0},
            }
        )
        drawing["annotations"].append(_named(plot_number((low + high) / 2), axes))


def _named(x: float | None, axes: str) -> Json:
    return {
        "text": "clamped",
        "xref": f"x{axes}",
        "yref": f"y{axes} domain",
        "x": x,
        "y": 0.5,
        "textangle": -90,
        "showarrow": False,
        "font": {"size": 11, "color": GREY},
    }
