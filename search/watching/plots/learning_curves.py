"""Learning curves: validation loss by epoch, each trial in the colour of its verdict."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from search.text import COLOURS
from search.watching.blocks import Plot
from search.watching.plots.plotly_parts import (
    DASHES,
    SYMBOLS,
    Json,
    count_axis,
    group_by_verdict,
    layout,
    line_trace,
    log_or_linear_axis,
    plot_label,
    plot_number,
    shown_of_all_text,
    verdict_text,
)
from search.watching.plots.row_parts import band_trace
from search.watching.view import StudyView
from storage import tables
from storage.verdicts import Verdict
from trainer.losses import MSE, Loss

_BACK_TO_FRONT = (
    *(Verdict.UNPROMISING, Verdict.INTERRUPTED, Verdict.FAILED, None),
    *(Verdict.ACCEPTED, Verdict.UNSTABLE, Verdict.SUSPICIOUS),
)
"""The order of drawing: the few trials that the guard stopped lie on top of the others."""
_HOVER = "trial %{customdata}, epoch %{x}: %{y}"


def plot_learning_curves(view: StudyView) -> Plot:
    """Draw one trace per verdict, the baseline, and the best trial on top."""
    drawn = [trial for trial in view.trials if view.epochs.get(trial.number)]
    groups = group_by_verdict(drawn)
    traces = [_curves(verdict, groups[verdict], view) for verdict in _BACK_TO_FRONT if verdict in groups]
    baseline = view.study.facts["baseline"]
    reach = max((epochs[-1].epoch for epochs in view.epochs.values() if epochs), default=0)
    level = [plot_number(baseline["loss"])] * 2
    traces.append(
        line_trace(f"baseline {plot_label(baseline['name'])}", [0, max(reach, 1)], level, dash="dash")
    )
    best = view.summary.best
    if best is not None and view.epochs.get(best.number):
        epochs = view.epochs[best.number]
        traces += [*_seed_band(best, epochs), _best(best, epochs)]
    losses = [loss for trace in traces for loss in trace["y"]]
    title = "Learning curves" + shown_of_all_text(len(drawn), len(view.trials))
    return Plot(
        id="learning-curves",
        title=title,
        about=(
            f"Validation loss, {_described(view.summary.metric)}, by epoch, with the "
            "colour, shape and dash of its verdict. Below the line of the baseline a trial beats the "
            "best naive forecast. A trial that ended in its first epoch has no curve; an epoch whose loss is "
            "not finite is a gap. Of trials of several seeds the curve is the mean, and the band behind the "
            "best one reaches from its lowest to its highest seed."
        ),
        figure={
            "data": traces,
            "layout": layout(
                title,
                xaxis=count_axis("epoch", reach),
                yaxis=log_or_linear_axis(f"validation loss ({view.summary.metric.label})", losses),
            ),
        },
    )


def _described(loss: Loss) -> str:
    if loss.name == MSE.name:
        return "the mean squared error of the standardised target"
    return f"the mean {loss.label} of the standardised target, in {loss.unit}"


def _curves(verdict: Verdict | None, trials: Sequence[tables.Trial], view: StudyView) -> Json:
    """Return all curves of a verdict as one line with gaps between trials."""
    x: list[Any] = []
    y: list[Any] = []
    numbers: list[Any] = []
    for trial in trials:
        epochs = view.epochs[trial.number]
        x += [epoch.epoch for epoch in epochs] + [None]
        y += [plot_number(epoch.validation_loss) for epoch in epochs] + [None]
        numbers += [trial.number] * len(epochs) + [None]
    look = {"width": 1.3, "dash": DASHES[verdict]}
    return line_trace(verdict_text(verdict), x, y, COLOURS[verdict], **look) | {
        "mode": "lines+markers",
        "marker": {"size": 5, "symbol": SYMBOLS[verdict]},
        "legendrank": list(COLOURS).index(verdict),
        "customdata": numbers,
        "hovertemplate": _HOVER,
    }


def _seed_band(best: tables.Trial, epochs: Sequence[tables.Epoch]) -> list[Json]:
    """Return the band between the lowest and the highest seed; nothing for one seed."""
    several = [epoch for epoch in epochs if len(epoch.seed_losses) > 1]
    if not several:
        return []
    x = [epoch.epoch for epoch in several]
    low, high = ([plot_number(end(epoch.seed_losses)) for epoch in several] for end in (min, max))
    name, colour = f"seeds of trial {best.number}", COLOURS[Verdict.ACCEPTED]
    return [band_trace(name, x, low, high, np.empty(0, np.int64), colour, 0.25)]


def _best(best: tables.Trial, epochs: Sequence[tables.Epoch]) -> Json:
    y = [plot_number(epoch.validation_loss) for epoch in epochs]
    x = [epoch.epoch for epoch in epochs]
    return line_trace(f"best: trial {best.number}", x, y, COLOURS[Verdict.ACCEPTED], width=4) | {
        "mode": "lines+markers",
        "marker": {"size": 7},
        "customdata": [best.number] * len(x),
        "hovertemplate": _HOVER,
    }
