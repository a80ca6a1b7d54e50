"""When each trial ran: which ran side by side, and where the study paused."""

from collections.abc import Sequence
from datetime import UTC, datetime

from search.text import COLOURS, duration
from search.watching.blocks import Plot
from search.watching.plots.plotly_parts import (
    Json,
    axis,
    count_axis,
    group_by_verdict,
    layout,
    line_trace,
    plot_label,
    plot_number,
    scatter_trace,
    shown_of_all_text,
    thin_trials,
    verdict_text,
)
from search.watching.view import StudyView
from storage import tables
from storage.verdicts import Verdict

MAX_BARS = 400
"""More lines than that lie upon each other."""


def plot_trial_timeline(view: StudyView) -> Plot | None:
    """Draw a line from the start to the end of each trial; None without trials."""
    if not view.trials:
        return None
    drawn = thin_trials(view.trials, view.summary.best, MAX_BARS)
    now = max(moment for trial in view.trials for moment in (trial.started_at, trial.finished_at) if moment)
    title = "Timeline" + shown_of_all_text(len(drawn), len(view.trials))
    traces = [
        trace for verdict, group in group_by_verdict(drawn).items() for trace in _bars(verdict, group, now)
    ]
    return Plot(
        id="timeline",
        title=title,
        about=(
            "From when to when each trial ran, in UTC; the mark at its end is its verdict. Lines above each "
            "other ran side by side, and a gap that no line crosses is a pause of the study. A running "
            "trial goes on to the latest moment on record."
        ),
        figure={
            "data": traces,
            "layout": layout(
                title,
                xaxis=axis("time (UTC)", "date"),
                yaxis=count_axis("trial", max(trial.number for trial in view.trials)),
            ),
        },
    )


def _bars(verdict: Verdict | None, trials: Sequence[tables.Trial], now: datetime) -> list[Json]:
    name, numbers = verdict_text(verdict), [trial.number for trial in trials]
    ends = [trial.finished_at or now for trial in trials]
    x = [
        moment
        for trial, end in zip(trials, ends, strict=True)
        for moment in (_moment(trial.started_at), _moment(end), None)
    ]
    y = [at for number in numbers for at in (number, number, None)]
    marks = scatter_trace(verdict, list(map(_moment, ends)), numbers, numbers)
    marks["marker"]["opacity"] = 1
    told = [f"{duration(plot_number(trial.duration_s))}, {plot_label(trial.worker)}" for trial in trials]
    return [
        line_trace(name, x, y, COLOURS[verdict], width=3)
        | {"opacity": 0.6, "hoverinfo": "skip", "showlegend": False, "legendgroup": name},
        marks | {"text": told, "legendgroup": name, "hovertemplate": "trial %{customdata}: %{text}"},
    ]


def _moment(moment: datetime) -> str:
    """Return the time in UTC as plotly reads it, which knows no time zones."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
