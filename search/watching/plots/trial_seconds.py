"""Seconds per trial: how long trials take, and whether that changes during the study."""

from bisect import insort
from collections.abc import Sequence
from statistics import median

from search.watching.blocks import Plot
from search.watching.plots.plotly_parts import (
    Json,
    count_axis,
    group_by_verdict,
    layout,
    line_trace,
    log_or_linear_axis,
    plot_number,
    scatter_trace,
    shown_of_all_text,
    thin_trials,
)
from search.watching.view import StudyView
from storage import tables
from storage.verdicts import Verdict

_WINDOW = 25
"""The number of trials in the running median."""


def plot_trial_seconds(view: StudyView) -> Plot:
    """Draw every ended trial's duration, and the running median."""
    ended = [trial for trial in view.trials if plot_number(trial.duration_s) is not None]
    drawn = thin_trials(ended, view.summary.best)
    traces = [_trials(verdict, group) for verdict, group in group_by_verdict(drawn).items()]
    medians = _running_median([trial.duration_s or 0.0 for trial in ended])
    at = {trial.number: plot_number(value) for trial, value in zip(ended, medians, strict=True)}
    numbers = [trial.number for trial in drawn]
    traces.append(line_trace("running median", numbers, [at[n] for n in numbers]))
    title = "Seconds per trial" + shown_of_all_text(len(drawn), len(ended))
    return Plot(
        id="seconds",
        title=title,
        about=(
            f"How long each trial took, by verdict, and the median of the last {_WINDOW}. "
            "A running trial has no point."
        ),
        figure={
            "data": traces,
            "layout": layout(
                title,
                xaxis=count_axis("trial", len(view.trials)),
                yaxis=log_or_linear_axis(
                    "time (s)", [plot_number(trial.duration_s) for trial in drawn], rangemode="tozero"
                ),
            ),
        },
    )


def _trials(verdict: Verdict | None, trials: Sequence[tables.Trial]) -> Json:
    numbers = [trial.number for trial in trials]
    return scatter_trace(verdict, numbers, [plot_number(trial.duration_s) for trial in trials], numbers)


def _running_median(values: Sequence[float]) -> list[float]:
    found: list[float] = []
    window: list[float] = []
    for i, value in enumerate(values):
        if i >= _WINDOW:
            window.remove(values[i - _WINDOW])
        insort(window, value)
        found.append(median(window))
    return found
