"""Seconds per trial: how long the study's trials take, and whether that changes."""

from bisect import insort
from collections.abc import Sequence
from statistics import median

from search.watching.blocks import Plot
from search.watching.plots.canvas import (
    Json,
    by_verdict,
    count_axis,
    fitting_axis,
    layout,
    line,
    number,
    of_all,
    points,
    thinned,
)
from search.watching.view import StudyView
from storage import tables
from storage.verdicts import Verdict

_WINDOW = 25
"""Trials that the running median looks back at."""


def seconds(view: StudyView) -> Plot:
    """Every ended trial's duration, and the running median."""
    ended = [trial for trial in view.trials if number(trial.duration_s) is not None]
    drawn = thinned(ended, view.summary.best)
    traces = [_trials(verdict, group) for verdict, group in by_verdict(drawn).items()]
    medians = _running_median([trial.duration_s or 0.0 for trial in ended])
    at = {trial.number: number(value) for trial, value in zip(ended, medians, strict=True)}
    numbers = [trial.number for trial in drawn]
    traces.append(line("running median", numbers, [at[n] for n in numbers]))
    title = "Seconds per trial" + of_all(len(drawn), len(ended))
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
                yaxis=fitting_axis(
                    "time (s)", [number(trial.duration_s) for trial in drawn], rangemode="tozero"
                ),
            ),
        },
    )


def _trials(verdict: Verdict | None, trials: Sequence[tables.Trial]) -> Json:
    numbers = [trial.number for trial in trials]
    return points(verdict, numbers, [number(trial.duration_s) for trial in trials], numbers)


def _running_median(values: Sequence[float]) -> list[float]:
    found: list[float] = []
    window: list[float] = []
    for i, value in enumerate(values):
        if i >= _WINDOW:
            window.remove(values[i - _WINDOW])
        insort(window, value)
        found.append(median(window))
    return found
