"""Skill by trial, beside the noise floor (what luck reaches) and the ceiling (above it, skill is
suspicious)."""

from collections.abc import Sequence
from itertools import accumulate
from statistics import quantiles

from search.record.effective_rows import recorded_noise_floor
from search.text import COLOURS
from search.watching.blocks import Plot
from search.watching.plots.plotly_parts import (
    Json,
    axis,
    count_axis,
    group_by_verdict,
    layout,
    line_trace,
    plot_number,
    scatter_trace,
    shown_of_all_text,
    thin_trials,
)
from search.watching.view import StudyView
from storage import tables
from storage.verdicts import Verdict

_MOST_STEPS = 200
"""Points of the noise floor's line, which grows slowly."""
_ROOM = 0.1
"""Share of the axis beyond its outermost line."""


def plot_skill(view: StudyView) -> Plot:
    """Draw every trial's skill, the best so far, the growing noise floor, and the ceiling."""
    drawn = thin_trials(view.trials, view.summary.best)
    refused = _refused(view.findings)
    shown = {trial.number: _shown(trial, refused) for trial in drawn}
    ceiling, floor = plot_number(view.study.facts["skill_ceiling"]), _floor(view)
    traces = [_trials(verdict, group, shown) for verdict, group in group_by_verdict(drawn).items()]
    last = max((trial.number for trial in view.trials), default=1)
    traces += [
        _best_so_far(view.trials),
        floor,
        line_trace("ceiling", [0, max(last, 1)], [ceiling] * 2, COLOURS[Verdict.SUSPICIOUS], dash="dot"),
        *_reference_lines(view, max(last, 1)),
    ]
    known = [value for value in shown.values() if value is not None]
    accepted = [shown[trial.number] for trial in drawn if trial.verdict is Verdict.ACCEPTED]
    mark = max(ceiling or 0.0, floor["y"][-1], view.summary.floor)
    low, high = _window([s for s in accepted if s is not None], mark)
    title = "Skill" + shown_of_all_text(len(drawn), len(view.trials))
    return Plot(
        id="skill",
        title=title,
        about=(
            "Skill over the best naive forecast, by trial. Up to the noise floor, which grows with every "
            "epoch looked at, luck alone explains a skill; above the ceiling it is suspicious, and what is "
            "drawn is the skill that the guard refused. Below the line of the strongest rival, that fitted "
            "rival forecasts better than the trial. A trial without an honest epoch has no point."
        ),
        figure={
            "data": traces,
            "layout": layout(
                title,
                _omitted_text(known, low, high, without=len(drawn) - len(known)),
                xaxis=count_axis("trial", last),
                yaxis=axis("skill (1 − loss / baseline loss)", range=[plot_number(low), plot_number(high)]),
            ),
        },
    )


def _reference_lines(view: StudyView, last: int) -> list[Json]:
    """Return lines for the measured noise floor and for the strongest rival's skill, if they are known."""
    summary, baseline = view.summary, view.study.facts["baseline"]["loss"]
    known = {
        "noise floor, measured": None if summary.measured is None else summary.measured.skill,
        "strongest rival": None if summary.rival is None else 1 - summary.rival.loss / baseline,
    }
    return [
        line_trace(name, [0, last], [plot_number(value)] * 2, dash="dashdot")
        for name, value in known.items()
        if value
    ]


def _refused(findings: Sequence[tables.FindingRow]) -> dict[int, float]:
    """Return the skills that the guard found suspicious, by trial."""
    return {finding.trial: finding.value for finding in findings if finding.kind == "skill_too_high"}


def _shown(trial: tables.Trial, refused: dict[int, float]) -> float | None:
    return plot_number(refused.get(trial.number, trial.skill))


def _trials(verdict: Verdict | None, trials: Sequence[tables.Trial], shown: dict[int, float | None]) -> Json:
    numbers = [trial.number for trial in trials if shown[trial.number] is not None]
    return scatter_trace(verdict, numbers, [shown[n] for n in numbers], numbers)


def _best_so_far(trials: Sequence[tables.Trial]) -> Json:
    x: list[int] = []
    y: list[float] = []
    for trial in trials:
        value = plot_number(trial.skill) if trial.verdict is Verdict.ACCEPTED else None
        if value is not None and (not y or value > y[-1]):
            x.append(trial.number)
            y.append(value)
    if y:
        x.append(trials[-1].number)
        y.append(y[-1])
    return line_trace("best so far", x, y, COLOURS[Verdict.ACCEPTED], shape="hv", width=3)


def _floor(view: StudyView) -> Json:
    """Return the noise floor after each trial, or after every n-th if there are many."""
    facts, trials = view.study.facts, view.trials
    epochs_scored = list(accumulate(trial.epochs for trial in trials))
    stride = max(1, -(-len(trials) // _MOST_STEPS))
    chosen = sorted({*range(0, len(trials), stride), len(trials) - 1} - {-1})
    floors = [plot_number(recorded_noise_floor(facts, max(1, epochs_scored[i]))) for i in chosen]
    x = [trials[i].number for i in chosen]
    return line_trace(
        "noise floor", x or [0, 1], floors or [plot_number(view.summary.noise_floor)] * 2, dash="dash"
    )


def _window(accepted: Sequence[float], mark: float) -> tuple[float, float]:
    """Return the range of the skill axis: from 0, or the upper quartile of the accepted trials if lower, to
    `mark`.

    `mark` is the higher one of ceiling and noise floor. Other trials lie outside: one that learned nothing,
    or one leak, would flatten all differences that matter.
    """
    quarter = quantiles(accepted, n=4)[2] if len(accepted) > 1 else min(accepted, default=0.0)
    low = min(quarter, 0.0)
    room = _ROOM * (mark - low)
    return low - room, max(mark, quarter) + room


def _omitted_text(values: Sequence[float], low: float, high: float, without: int) -> str:
    """Return what the axis omits, in words."""
    below, above = sum(value < low for value in values), sum(value > high for value in values)
    parts = (
        (below, f"{below:,} below the axis"),
        (above, f"{above:,} above" if below else f"{above:,} above the axis"),
        (without, f"{without:,} without a skill"),
    )
    texts = [text for count, text in parts if count]
    return "trials: " + ", ".join(texts) if texts else ""
