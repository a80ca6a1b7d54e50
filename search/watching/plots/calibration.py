"""The calibration of the forecast intervals: the share of test rows within bounds, against their level."""

from collections.abc import Mapping
from typing import Any

from search.watching.blocks import Plot
from search.watching.plots.plotly_parts import GREY, Json, axis, layout, line_trace, plot_number

_COLOUR = "#0072b2"
_AIM = 5.0
"""Points of a percent around the level that an 80 % interval should keep to."""


def plot_calibration(report: Mapping[str, Any] | None) -> Plot | None:
    """Draw the newest `verify` answer, a `report` in the shape of `verify --json`; None if it has no
    calibration.
    """
    coverage = None if report is None else report.get("coverage")
    if not coverage or not coverage.get("calibration"):
        return None
    points = [(100 * each["level"], 100 * each["covered"]) for each in coverage["calibration"]]
    levels, shares = ([plot_number(value) for value in values] for values in zip(*points, strict=True))
    rows = coverage["levels"][0]["rows"]
    title = "Calibration of the bounds"
    return Plot(
        id="calibration",
        title=title,
        about=(
            "How often the target lay within the bounds of the forecast, in percent of the test rows, "
            "against how often it should. On the line the bounds hold what they promise; below it they are "
            "too narrow, above it too wide. The band is five points to either side."
        ),
        figure={
            "data": [
                _band(),
                line_trace("as promised", [0, 100], [0, 100], GREY, dash="dash"),
                _measured(levels, shares),
            ],
            "layout": layout(
                title,
                f"{rows:,} test rows",
                xaxis=axis("level of the bounds (%)", range=[0, 100], dtick=20),
                yaxis=axis("test rows within them (%)", range=[0, 100], dtick=20),
            ),
        },
    )


def _measured(levels: list[float | None], shares: list[float | None]) -> Json:
    trace = line_trace("measured", levels, shares, _COLOUR)
    marker = {"color": _COLOUR, "symbol": "circle", "size": 8}
    hover = "%{x} % bounds hold %{y:.1f} % of the rows<extra></extra>"
    return trace | {"mode": "lines+markers", "marker": marker, "hovertemplate": hover}


def _band() -> Json:
    """Five points around the diagonal, cut to 0 … 100."""
    x = [0.0, 100.0 - _AIM, 100.0, 100.0, _AIM, 0.0]
    y = [_AIM, 100.0, 100.0, 100.0 - _AIM, 0.0, 0.0]
    return line_trace("five points", x, y, width=0) | {
        "fill": "toself",
        "fillcolor": "rgba(128,128,128,0.15)",
        "hoverinfo": "skip",
    }
