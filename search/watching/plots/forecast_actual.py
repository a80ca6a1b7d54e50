"""What was forecast beside what came, row by row: the last year first, all rows when zoomed out."""

from collections.abc import Sequence

import numpy as np

from search.record.scored_forecasts import ScoredForecasts
from search.watching.blocks import Plot
from search.watching.plots import row_parts
from search.watching.plots.plotly_parts import Json, axis, layout, line_trace, plot_label
from search.watching.plots.row_parts import ACTUAL_COLOUR, MODEL_COLOUR, SPLIT_DASHES, Clock
from search.watching.view import StudyView
from trainer.data.arrays import Rows

MIN_ROWS = 20
"""Fewer rows are no picture."""
_SPANS: Json = {
    "buttons": [
        {"count": 3, "step": "month", "stepmode": "backward", "label": "3 months"},
        {"count": 1, "step": "year", "stepmode": "backward", "label": "1 year"},
        {"step": "all", "label": "all"},
    ],
    "bgcolor": "rgba(128,128,128,0.12)",
    "activecolor": "rgba(128,128,128,0.35)",
    "x": 0,
    "y": 1.06,
}
_TOP = 110
"""Pixels for title, buttons and menu."""
_YEAR = np.timedelta64(365, "D")
_MOST_SERIES = 8
_POINTS_OF_ONE = 400
"""Points of a line if several series are drawn, of the last year and of the rows before it."""


def plot_forecast_actual(view: StudyView) -> Plot | None:
    """Draw target and forecast of each row; of a panel some series, from the best to the worst.

    None for fewer than 20 rows.
    """
    scored = [each for each in view.scored if len(each.times) >= MIN_ROWS]
    if not scored:
        return None
    clock, chosen = row_parts.clock_of(view), _chosen_series(scored[-1])
    most = row_parts.MOST_POINTS if len(chosen) == 1 else _POINTS_OF_ONE
    traces: list[list[Json]] = []
    drawn = everything = 0
    for number in chosen:
        own = [each if number is None else each.chosen(each.series_numbers == number) for each in scored]
        rows = [_drawn_rows(each, most) for each in own]
        drawn, everything = drawn + sum(map(len, rows)), everything + sum(len(each.times) for each in own)
        traces.append(
            [
                trace
                for place, (each, kept) in enumerate(zip(own, rows, strict=True))
                for trace in _traces(each, kept, clock, is_first=place == 0)
            ]
        )
    title = "Forecast and actual"
    names = [_name(scored[-1], number) for number in chosen]
    return Plot(
        id="forecasts",
        title=title,
        about=_about(scored, chosen) + row_parts.thinned_text(drawn, everything),
        figure={
            "data": _with_first_shown(traces),
            "layout": layout(
                title,
                "" if len(names) == 1 and names[0] is None else f"series {plot_label(names[0])}",
                margin={"l": 56, "r": 16, "t": _TOP, "b": 48},
                xaxis=_time_axis(scored, clock),
                yaxis=axis(f"target ({_unit(view)})"),
                **row_parts.boundary(scored, clock),
                **_menu(traces, names, title),
            ),
        },
    )


def _about(scored: Sequence[ScoredForecasts], chosen: Sequence[int | None]) -> str:
    horizon = scored[-1].horizon
    what = "the next row" if horizon == 1 else f"the {horizon} rows after it"
    told = (
        f"Each target and its forecast, drawn at the row that it was forecast from, for {what}; the last "
        "year is shown, and the buttons show more. A forecast of something noisy varies less than "
        "it: the distance is not a failure by itself."
    )
    if any(each.bounds for each in scored):
        told += (
            " The pale areas are the 80 % and 95 % intervals that predict would give, from the errors on "
            "validation rows."
        )
    if len(chosen) > 1:
        told += " The menu has series from the highest to the lowest skill."
    return f"{told} {row_parts.splits_text(scored)}"


def _chosen_series(found: ScoredForecasts) -> list[int | None]:
    """The numbers of at most 8 series that have rows, from the highest to the lowest skill; None: the only
    one."""
    if found.series is None:
        return [None]
    of = np.unique(found.series)
    skills = {
        int(number): 1 - found.loss[own].sum() / max(float(found.baseline_loss[own].sum()), 1e-300)
        for number in of
        if (own := found.series == number).sum() >= MIN_ROWS
    }
    ordered = sorted(skills, key=lambda number: -skills[number])
    places = np.linspace(0, len(ordered) - 1, min(_MOST_SERIES, len(ordered))).round().astype(int)
    return [ordered[place] for place in places] or [int(of[0])]


def _name(found: ScoredForecasts, number: int | None) -> str | None:
    return None if number is None else found.series_names[number]


def _drawn_rows(found: ScoredForecasts, most: int) -> Rows:
    """The rows to draw: about `most` of the last year, and as many of those before it."""
    if not len(found.times):
        return np.empty(0, np.int64)
    recent = found.times > found.times.max() - _YEAR
    parts = [np.flatnonzero(part) for part in (~recent, recent)]
    values = (found.target, found.forecast)
    return np.concatenate(
        [part[row_parts.thin_rows([each[part] for each in values], most)] for part in parts if len(part)]
    )


def _traces(found: ScoredForecasts, rows: Rows, clock: Clock, *, is_first: bool) -> list[Json]:
    """The bands, the target and the forecast of some rows of one series."""
    x = clock.texts(found, rows)
    before = row_parts.gaps(found.times[rows], found.fold_numbers[rows])
    bands = [
        row_parts.band_trace(
            f"{level} % interval, {found.split}",
            x,
            row_parts.numbers(found.bounds[f"lower_{level}"][rows]),
            row_parts.numbers(found.bounds[f"upper_{level}"][rows]),
            before,
            MODEL_COLOUR,
            opacity,
        )
        for level, opacity in ((95, 0.12), (80, 0.16))
        if f"lower_{level}" in found.bounds
    ]
    actual, forecast = (
        line_trace(
            name,
            row_parts.with_gaps(x, before),
            row_parts.with_gaps(row_parts.numbers(values[rows]), before),
            colour,
            **style,
        )
        for name, values, colour, style in (
            ("actual", found.target, ACTUAL_COLOUR, {"width": 1}),
            (f"forecast, {found.split}", found.forecast, MODEL_COLOUR, {"dash": SPLIT_DASHES[found.split]}),
        )
    )
    return [*bands, actual | {"legendgroup": "actual", "showlegend": is_first}, forecast]


def _with_first_shown(traces: Sequence[Sequence[Json]]) -> list[Json]:
    """All traces; those of the first series are visible."""
    return [
        trace if number == 0 else trace | {"visible": False}
        for number, group in enumerate(traces)
        for trace in group
    ]


def _menu(traces: Sequence[Sequence[Json]], names: Sequence[str | None], title: str) -> Json:
    """A menu that shows one series; nothing for a single one."""
    if len(traces) == 1:
        return {}
    buttons = [
        {
            "label": plot_label(name, 20),
            "method": "update",
            "args": [
                {"visible": [number == shown for number, group in enumerate(traces) for _ in group]},
                {"title.text": layout(title, f"series {plot_label(name)}")["title"]["text"]},
            ],
        }
        for shown, name in enumerate(names)
    ]
    place = {"x": 1, "xanchor": "right", "y": 1.06, "yanchor": "bottom", "showactive": True}
    colours = {"bgcolor": "rgba(128,128,128,0.15)", "bordercolor": ACTUAL_COLOUR, "active": 0}
    return {"updatemenus": [{"buttons": buttons, "type": "dropdown"} | place | colours]}


def _time_axis(scored: Sequence[ScoredForecasts], clock: Clock) -> Json:
    """An axis of times that shows the last year of all rows."""
    last = max(scored, key=lambda each: each.times.max())
    end = last.times.max()
    first = int(np.flatnonzero(last.times >= end - _YEAR)[last.times[last.times >= end - _YEAR].argmin()])
    begin, until = clock.texts(last, np.array([first, int(last.times.argmax())]))
    return axis("time of the forecast", "date", range=[begin, until], rangeselector=_SPANS)


def _unit(view: StudyView) -> str:
    transform = row_parts.setting_of(view, "data.target.transform")
    return "own unit" if transform is None else f"{transform}, own unit"
