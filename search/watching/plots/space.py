"""The search space: a strip per dimension with a row per verdict; the clamped part is shaded."""

from collections.abc import Mapping, Sequence

from search.watching.blocks import Plot
from search.watching.plots.dimension_axis import (
    clamped_intervals,
    dimension_axis,
    drawn_value,
    setting_axis,
    shortest_unique_names,
    spread,
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
            "Every trial by the value it was given, one row per verdict. The shaded part was asked for and "
            "clamped away: no trial can lie in it."
        ),
        figure={"data": data, "layout": drawing},
    )


def _points(
    searched: SearchedDimension, groups: Mapping[Verdict | None, Sequence[tables.Trial]], axes: str
) -> list[Json]:
    line = dimension_axis(searched)
    traces = []
    for row, (verdict, trials) in enumerate(groups.items()):
        placed = [t for t in trials if line.position(t.params.get(searched.key)) is not None]
        numbers = [trial.number for trial in placed]
        x = [drawn_value(line, trial.params[searched.key], trial.number) for trial in placed]
        y = [round(row + spread(trial.number), 1) for trial in placed]
        hover = "trial %{customdata}" + ("" if line.choices else ": %{x}")
        trace = scatter_trace(verdict, x, y, numbers)
        trace["marker"]["size"] = min(5, trace["marker"]["size"])
        traces.append(trace | {"xaxis": f"x{axes}", "yaxis": f"y{axes}", "hovertemplate": hover})
    return traces


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
