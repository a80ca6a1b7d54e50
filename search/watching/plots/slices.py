"""Loss by the value of each searched setting: a panel for each setting, a point for each trial."""

from collections.abc import Mapping, Sequence

from search.watching.blocks import Plot
from search.watching.plots.dimension_axis import (
    dimension_axis,
    drawn_value,
    idle_text,
    in_force,
    setting_axis,
    shortest_unique_names,
)
from search.watching.plots.loss_window import loss_window
from search.watching.plots.panel_grid import PanelGrid
from search.watching.plots.plotly_parts import (
    REFERENCE_COLOUR,
    Json,
    axis,
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

MAX_POINTS_A_PANEL = 600
"""Each trial has a point in every panel."""
MAX_PANELS = 4
"""More do not fit into the box that the dashboard has for a plot."""
_PANEL, _LEGEND = 112, 40
"""Pixels of a panel with its ticks and name, and of the legend."""


def plot_slices(view: StudyView) -> Plot | None:
    """Draw a panel for each searched setting; None if no trial has a loss or nothing is searched."""
    ended = [trial for trial in view.trials if plot_number(trial.value) is not None]
    if not ended or not view.space:
        return None
    drawn = thin_trials(ended, view.summary.best, MAX_POINTS_A_PANEL)
    baseline = view.study.facts["baseline"]["loss"]
    low, high = loss_window(view.trials, baseline)
    groups = group_by_verdict(drawn)
    space = [in_force(searched) for searched in _most_important(view)]
    names = shortest_unique_names([searched.key for searched in view.space])
    grid = PanelGrid(len(space), _PANEL, least=450 - _LEGEND)
    title = "Loss by setting" + shown_of_all_text(len(drawn), len(view.trials))
    drawing = layout(title, _note(drawn, low, high), grid.height + _LEGEND, shapes=[])
    data: list[Json] = []
    for i, searched in enumerate(space):
        axes, place = f"{i + 1}" if i else "", grid.place(i)
        data += _points(searched, groups, axes, is_first=i == 0)
        drawing[f"xaxis{axes}"] = setting_axis(
            searched, names[searched.key], most=2, domain=place.across, anchor=f"y{axes}"
        )
        drawing[f"yaxis{axes}"] = axis(
            "loss" if place.column == 0 else "",
            range=[plot_number(low), plot_number(high)],
            domain=place.up,
            anchor=f"x{axes}",
            showticklabels=place.column == 0,
            nticks=5,
        )
        drawing["shapes"].append(_baseline(baseline, axes))
    return Plot(
        id="slices",
        title=title,
        about=(
            "Validation loss of each trial by the value that it used, after clamping; an unpromising trial "
            "has its lowest loss until it was stopped. Below the dashed line a trial beats the best naive "
            "forecast. A suspicious trial keeps its own shape and colour, as its loss is not believed. "
            f"Choices stand in their order.{_omitted(len(space), len(view.space))}{idle_text(space)}"
        ),
        figure={"data": data, "layout": drawing},
    )


def _most_important(view: StudyView) -> list[SearchedDimension]:
    """The settings that have a panel, in the order of the space: all, or the MAX_PANELS most important; the
    first ones while no importance can be told.
    """
    found = view.setting_importances
    keys = [each.key for each in view.space] if found is None else [each.key for each in found.settings]
    return [searched for searched in view.space if searched.key in keys[:MAX_PANELS]]


def _omitted(drawn: int, everything: int) -> str:
    return "" if drawn == everything else f" Of {everything} settings the {drawn} most important are drawn."


def _points(
    searched: SearchedDimension,
    groups: Mapping[Verdict | None, Sequence[tables.Trial]],
    axes: str,
    *,
    is_first: bool,
) -> list[Json]:
    line, traces = dimension_axis(searched), []
    for verdict, trials in groups.items():
        places = {t.number: drawn_value(line, t.params.get(searched.key)) for t in trials}
        placed = [trial for trial in trials if places[trial.number] is not None]
        numbers = [trial.number for trial in placed]
        trace = scatter_trace(
            verdict, [places[n] for n in numbers], [plot_number(t.value) for t in placed], numbers
        )
        trace["marker"]["size"] = min(6, trace["marker"]["size"])
        traces.append(
            trace
            | {"xaxis": f"x{axes}", "yaxis": f"y{axes}"}
            | {"legendgroup": trace["name"], "showlegend": is_first}
        )
    return traces


def _baseline(loss: float, axes: str) -> Json:
    return {
        "type": "line",
        "xref": f"x{axes} domain",
        "yref": f"y{axes}",
        "x0": 0,
        "x1": 1,
        "y0": plot_number(loss),
        "y1": plot_number(loss),
        "line": {"width": 1, "dash": "dash", "color": REFERENCE_COLOUR},
    }


def _note(drawn: Sequence[tables.Trial], low: float, high: float) -> str:
    values = [trial.value for trial in drawn if trial.value is not None]
    outside = [
        f"{count:,} {where} the axes"
        for count, where in (
            (sum(value > high for value in values), "above"),
            (sum(value < low for value in values), "below"),
        )
        if count
    ]
    return "trials: " + ", ".join(outside) if outside else ""
