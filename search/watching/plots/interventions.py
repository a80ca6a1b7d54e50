"""Learning rate and gradient norm over steps, with what the guard did about what it found."""

from collections.abc import Sequence
from itertools import zip_longest

from search.watching.blocks import Plot
from search.watching.plots.plotly_parts import (
    LINE_COLOURS,
    LINE_DASHES,
    Json,
    axis,
    group_by_verdict,
    layout,
    line_trace,
    log_axis,
    log_plot_number,
    plot_label,
    plot_number,
    verdict_text,
)
from search.watching.plots.step_timeline import StepTimeline, fold_steps, step_timeline
from search.watching.view import StudyView
from storage import tables
from storage.verdicts import Verdict

ACTIONS: dict[str, tuple[str, str]] = {
    "skip_and_cut": ("triangle-down", "▼ step skipped, rate cut"),
    "rewind": ("diamond", "◆ rewound"),
    "stop": ("x", "✕ stopped"),
}
"""The symbol of each of the guard's actions, and what a reader is told of it."""
_WIDEST, _BIGGEST = 7.0, 18.0
"""Pixels of the lowest line and of its marks."""
_ROOM = 0.03
"""Share of the steps, before the first and after the last: a mark there is whole."""
_PANELS = ([0.56, 1.0], [0.0, 0.44])


def plot_interventions(view: StudyView) -> Plot:
    """The best trial and some of those with findings: one legend entry each."""
    of_trial = _findings(view)
    traces: list[Json] = []
    for above, (trial, colour) in enumerate(zip(_chosen(view, of_trial), LINE_COLOURS, strict=False)):
        steps = fold_steps(view.study, trial, view.settings)
        done = step_timeline(view.epochs.get(trial.number, ()), of_trial.get(trial.number, ()), steps)
        traces += _trial(view, trial, done, colour, above)
    title = "What the guard did"
    reach = max((step for trace in traces for step in trace["x"]), default=0) or 1
    reached: Json = {"range": [plot_number(-_ROOM * reach), plot_number((1 + _ROOM) * reach)]}
    return Plot(
        id="interventions",
        title=title,
        about=(
            "Learning rate and the largest gradient norm of each epoch, over optimiser steps, of the best "
            "trial and of the latest unstable and suspicious ones in turn, first those with several "
            f"findings; {len(LINE_COLOURS)} trials at most. The marks are the guard's interventions; "
            "hovering tells the finding. A thin line on a thick one has nearly its learning rate. A gradient "
            "norm that is zero or not finite is a gap."
        ),
        figure={
            "data": traces,
            "layout": layout(
                title,
                " · ".join(text for _, text in ACTIONS.values()),
                xaxis=axis("", anchor="y", showticklabels=False, matches="x2", **reached),
                xaxis2=axis("optimiser step", anchor="y2", **reached),
                yaxis=log_axis("learning rate", _values(traces, "y"), domain=_PANELS[0]),
                yaxis2=log_axis("gradient norm", _values(traces, "y2"), domain=_PANELS[1], anchor="x2"),
            ),
        },
    )


def _values(traces: Sequence[Json], panel: str) -> list[float | None]:
    return [value for trace in traces if trace.get("yaxis", "y") == panel for value in trace["y"]]


def _findings(view: StudyView) -> dict[int, list[tables.FindingRow]]:
    found: dict[int, list[tables.FindingRow]] = {}
    for finding in view.findings:
        found.setdefault(finding.trial, []).append(finding)
    return found


def _chosen(view: StudyView, of_trial: dict[int, list[tables.FindingRow]]) -> list[tables.Trial]:
    """The best, then the unstable and the suspicious in turn, then others, as many as there are colours."""
    best = view.summary.best
    others = [t for t in view.trials if t.number in of_trial and (best is None or t.number != best.number)]
    others.sort(key=lambda trial: _worth(trial, view, of_trial), reverse=True)
    groups = group_by_verdict(others)
    turns = zip_longest(groups.pop(Verdict.UNSTABLE, ()), groups.pop(Verdict.SUSPICIOUS, ()))
    chosen = [trial for turn in turns for trial in turn if trial is not None]
    chosen += [trial for trial in others if trial.verdict in groups]
    return (chosen if best is None else [best, *chosen])[: len(LINE_COLOURS)]


def _worth(
    trial: tables.Trial, view: StudyView, of_trial: dict[int, list[tables.FindingRow]]
) -> tuple[bool, bool, bool, int]:
    """How much a trial has to show: all its epochs, several interventions, curves, news."""
    curves = bool(view.epochs.get(trial.number))
    return curves or trial.epochs == 0, len(of_trial[trial.number]) > 1, curves, trial.number


def _trial(view: StudyView, trial: tables.Trial, done: StepTimeline, colour: str, above: int) -> list[Json]:
    """Its lines and marks, thinner the more trials they lie `above`, so that equal rates are all seen."""
    best = view.summary.best
    verdict = "best" if best is not None and best.number == trial.number else verdict_text(trial.verdict)
    name, group = f"#{trial.number} {verdict}", f"trial {trial.number}"
    dash = LINE_DASHES[above]
    rates = line_trace(
        name,
        [step for step, _ in done.rates],
        [log_plot_number(rate) for _, rate in done.rates],
        colour,
        width=_WIDEST - 0.75 * above,
        dash=dash,
    )
    norms = [log_plot_number(epoch.grad_norm_max) for epoch in view.epochs.get(trial.number, ())]
    hidden = {"legendgroup": group, "showlegend": False}
    return [
        rates | {"legendgroup": group},
        line_trace(name, done.ends, norms, colour, dash=dash)
        | hidden
        | {"mode": "lines+markers", "marker": {"size": 4}, "xaxis": "x2", "yaxis": "y2"},
        _marks(name, done.marks, colour, above) | hidden,
    ]


def _marks(name: str, marks: Sequence[tuple[int, tables.FindingRow]], colour: str, above: int) -> Json:
    symbols = [ACTIONS.get(finding.action, ("circle", ""))[0] for _, finding in marks]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [step for step, _ in marks],
        "y": [log_plot_number(finding.lr_after) for _, finding in marks],
        "text": [plot_label(f"{f.kind}: {f.action}, epoch {f.epoch}") for _, f in marks],
        "marker": {
            "color": colour,
            "symbol": symbols,
            "size": _BIGGEST - 1.5 * above,
            "line": {"width": 1, "color": "#ffffff"},
        },
        "hovertemplate": "step %{x}: %{text}",
    }
