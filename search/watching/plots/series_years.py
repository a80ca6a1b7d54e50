"""A heat map of skill by series and year: whether it comes from a few series, or from one year."""

from search.selection.panel_result import PanelResult
from search.watching.blocks import Plot
from search.watching.pages.panel_sections import listed_series
from search.watching.plots.plotly_parts import axis, layout, plot_label, plot_number

_COLOURS = [[0.0, "#d55e00"], [0.5, "rgba(128,128,128,0.12)"], [1.0, "#0072b2"]]
"""Orange for a loss above that of the reference, blue for one below it, which people who cannot tell red from
green do tell apart (Okabe & Ito 2008); grey where they are equal."""
_ROW, _FRAME = 18, 150
"""Pixels of one series, and of title and axes together."""


def plot_series_years(panel: PanelResult) -> Plot:
    """Draw skill over the reference on the validation rows, a row for each series that the table lists."""
    skill = panel.skill
    known = {name for name, _ in skill.by_series_and_year}
    names = [each.name for each in listed_series(skill.by_series) if each.name in known]
    years = [each.name for each in skill.by_year]
    cells = [[_drawn(skill.by_series_and_year.get((name, year))) for year in years] for name in names]
    largest = max((abs(value) for row in cells for value in row if value is not None), default=0.0)
    reach = min(largest, 1.0) or 1.0
    title = f"Skill over {plot_label(skill.reference)} by series and year"
    trace = {
        "type": "heatmap",
        "x": years,
        "y": [plot_label(name, 20) for name in names],
        "z": cells,
        "zmin": -reach,
        "zmax": reach,
        "colorscale": _COLOURS,
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"title": {"text": "skill"}, "thickness": 12},
        "hovertemplate": "%{y}, %{x}: skill %{z:+.4f}<extra></extra>",
    }
    return Plot(
        id="series-years",
        title=title,
        about=(
            f"Skill of the best trial over {skill.reference} on the validation rows, the series with the "
            "highest skill at the top. Single cells have few rows and much noise; a colour that a whole row "
            "or column shares says more. An empty cell has no rows."
        ),
        figure={
            "data": [trace],
            "layout": layout(
                title,
                height=_FRAME + _ROW * max(len(names), 4),
                xaxis=axis("year", kind="category"),
                yaxis=axis("", kind="category", autorange="reversed"),
            ),
        },
    )


def _drawn(skill: float | None) -> float | None:
    return None if skill is None else plot_number(skill)
