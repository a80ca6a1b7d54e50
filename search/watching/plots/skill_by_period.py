"""Skill by year and by how volatile the time was: whether it holds, or comes from one stretch."""

from collections.abc import Callable, Sequence

import numpy as np

from search.record.scored_forecasts import ScoredForecasts
from search.record.validation_rows import Floats
from search.selection.statistics.grouped_skill import GroupedSkill, skill_by_group
from search.selection.statistics.past_volatility import REGIMES, WINDOW, past_volatility, regimes
from search.watching.blocks import Plot
from search.watching.plots import row_parts
from search.watching.plots.plotly_parts import GREY, Json, axis, layout, plot_label, plot_number
from search.watching.plots.row_parts import MODEL_COLOUR, RIVAL_COLOUR, Clock
from search.watching.view import StudyView
from trainer.data.arrays import Rows

_Groups = Callable[[ScoredForecasts], tuple[Rows, list[str]]]
_STYLES = (("circle", MODEL_COLOUR), ("diamond-open", RIVAL_COLOUR))
"""Symbol and colour of the best naive forecast and of the strongest rival."""
_GAP = 0.22
"""Share of the height between the two parts, for the names of the groups."""


def plot_skill_by_period(view: StudyView) -> Plot | None:
    """Draw skill over the best naive forecast and over the strongest rival by year and, below, by thirds of
    past volatility; None if no year has rows enough.
    """
    clock = row_parts.clock_of(view)
    scored = [each for each in view.scored if len(each.moments.times)]
    parts = [
        _points(scored, lambda each: _years(each, clock)),
        _points(scored, _regimes),
    ]
    if not parts[0]:
        return None
    parts = [part for part in parts if part]
    title = "Skill by year and by volatility"
    axes: Json = {}
    for number, part in enumerate(parts):
        end, domain = str(number + 1) if number else "", row_parts.height_of_part(number, len(parts), _GAP)
        names = list(dict.fromkeys(name for trace in part for name in trace["x"]))
        axes[f"xaxis{end}"] = axis(
            ("year", "past volatility")[number],
            "category",
            anchor=f"y{end}",
            categoryorder="array",
            categoryarray=names,
        )
        axes[f"yaxis{end}"] = axis("skill", domain=domain, anchor=f"x{end}") | {
            "zeroline": True,
            "zerolinecolor": GREY,
        }
    traces = [
        trace | ({} if number == 0 else {"xaxis": "x2", "yaxis": "y2", "showlegend": False})
        for number, part in enumerate(parts)
        for trace in part
    ]
    return Plot(
        id="skill-by-year",
        title=title,
        about=_about(scored),
        figure={
            "data": traces,
            "layout": layout(
                title,
                "1 − loss / loss of the reference",
                height=640,
                scattermode="group",
                scattergap=0.75,
                **axes,
            ),
        },
    )


def _about(scored: Sequence[ScoredForecasts]) -> str:
    by_date = " Of a panel each date is the mean over its series." if scored[0].is_panel else ""
    return (
        "Skill in each year and in each third of the rows by past volatility, with 95 % intervals "
        "(autocorrelation-robust; none where rows are few): a skill that holds is on one side of 0 "
        "everywhere, and the intervals of single years are wide. The volatility of a row is that of the "
        f"last {WINDOW} targets that were known when it was forecast (returns: root of the mean square; "
        "volatilities: mean); the limits of the thirds are those of the rows drawn, so that they were not "
        f"known beforehand.{by_date} {row_parts.splits_text(scored)}"
    )


def _points(scored: Sequence[ScoredForecasts], groups: _Groups) -> list[Json]:
    """A trace for each reference and split, with its interval in each group."""
    traces = []
    for found in scored:
        numbers, names = groups(found)
        moments = found.moments
        model = moments.means(found.loss)
        for (name, theirs), (symbol, colour) in zip(_references(found), _STYLES, strict=False):
            known = skill_by_group(model, moments.means(theirs), numbers, names, moments.horizon)
            if known:
                shown = f"{found.split}, over {plot_label(name, 24)}"
                traces.append(_trace(shown, known, symbol, colour))
    return traces


def _references(found: ScoredForecasts) -> list[tuple[str, Floats]]:
    """The best naive forecast, and the strongest rival if it is another one, with their losses (n,)."""
    known = [(found.baseline_name, found.baseline_loss)]
    if found.rival_name is not None and found.rival_loss is not None and found.has_own_rival:
        known.append((found.rival_name, found.rival_loss))
    return known


def _trace(name: str, known: Sequence[GroupedSkill], symbol: str, colour: str) -> Json:
    reach = [0.0 if each.interval is None else each.interval.high - each.skill for each in known]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [each.name for each in known],
        "y": [plot_number(each.skill) for each in known],
        "error_y": {
            "type": "data",
            "array": [plot_number(value) for value in reach],
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        },
        "marker": {"color": colour, "symbol": symbol, "size": 9},
        "offsetgroup": symbol,
        "customdata": [each.rows for each in known],
        "hovertemplate": "%{x}: skill %{y:+.4f} on %{customdata} times<extra></extra>",
    }


def _years(found: ScoredForecasts, clock: Clock) -> tuple[Rows, list[str]]:
    """The year of each moment, by number, and their names; those of test rows say so."""
    years = clock.years(found, found.first_rows)
    distinct, numbers = np.unique(years, return_inverse=True)
    return numbers, [_named(str(year), found) for year in distinct]


def _regimes(found: ScoredForecasts) -> tuple[Rows, list[str]]:
    """The third of each moment by past volatility, of a panel by its mean over the series."""
    runs = found.series_numbers * (int(found.fold_numbers.max()) + 1) + found.fold_numbers
    known = past_volatility(found.target, runs, found.horizon, found.kind)
    number, there = found.moments.number, np.isfinite(known)
    m = len(found.moments.times)
    sums = np.bincount(number[there], known[there], m)
    counts = np.bincount(number[there], minlength=m)
    with np.errstate(invalid="ignore"):
        return regimes(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)), [
            _named(name, found) for name in REGIMES
        ]


def _named(name: str, found: ScoredForecasts) -> str:
    return f"{name} test" if found.split == "test" else name
