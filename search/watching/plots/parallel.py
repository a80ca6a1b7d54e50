"""All settings of a trial as one line from row to row, down to its loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from search.selection.setting_importances import scored_trials
from search.text import COLOURS
from search.watching.blocks import Plot
from search.watching.plots.dimension_axis import (
    DimensionAxis,
    dimension_axis,
    dimension_values,
    in_force,
    shortest_unique_names,
)
from search.watching.plots.loss_window import accepted_losses, loss_window
from search.watching.plots.plotly_parts import (
    DASHES,
    SYMBOLS,
    Json,
    axis,
    group_by_verdict,
    layout,
    plot_label,
    plot_number,
    shown_of_all_text,
    thin_trials,
    verdict_text,
)
from search.watching.view import SearchedDimension, StudyView
from storage import tables
from storage.verdicts import Verdict
from trainer.text import shortened

MAX_LINES = 200
"""More lines cannot be told apart."""
_BEST_SHARE, _MOST_BEST = 0.1, 30
_ROW, _FRAME, _LEAST = 36, 126, 450
"""Pixels of a row, of title and legend together, and of a plot with up to nine rows: the dashboard's box."""
_MOST_CHOICES, _LONGEST = 4, 18
"""Choices that a label names, and characters of a name."""
_IDLE, _IDLE_PLACE = object(), -0.06
"""Stands for the value of a setting that is idle, and where it is drawn: left of the row."""
_PALE, _STRONG = 0.3, 0.75
"""The opacity of lines: accepted and unpromising trials are many, the others few."""


def plot_parallel(view: StudyView) -> Plot | None:
    """Draw a line for each trial; None if fewer than two settings are searched or no trial was accepted."""
    accepted = accepted_losses(view.trials)
    if len(view.space) < 2 or not accepted:
        return None
    best = _best_trials(view.trials, len(accepted))
    others = _others(view, best)
    drawn = len(best) + len(others)
    rows = [_Row.of(searched) for searched in view.space]
    window = loss_window(view.trials, view.study.facts["baseline"]["loss"])
    losses = _Row("", DimensionAxis(*window), f"{window[0]:.4g} … {window[1]:.4g}")
    groups = group_by_verdict(others)
    traces = [_lines(verdict_text(v), v, trials, rows, losses) for v, trials in reversed(groups.items())]
    name = "best accepted trial" if len(best) == 1 else f"best {len(best)} accepted"
    traces.append(_lines(name, Verdict.ACCEPTED, best, rows, losses) | {"opacity": 1.0, "legendrank": 1})
    traces[-1]["line"] |= {"width": 2.6}
    traces[-1]["marker"] |= {"size": 8}
    names = shortest_unique_names([row.key for row in rows])
    labels = [row.label(names[row.key]) for row in rows] + [losses.label("validation loss")]
    title = "Settings of a trial" + shown_of_all_text(drawn, len(view.trials))
    drawing = layout(
        title,
        height=max(_LEAST, _FRAME + _ROW * len(labels)),
        xaxis=axis(
            "",
            range=[_IDLE_PLACE - 0.03 if any(row.is_conditional for row in rows) else -0.03, 1.03],
            showticklabels=False,
            showgrid=False,
        ),
        yaxis=axis(
            "", range=[len(rows) + 0.4, -0.4], tickvals=list(range(len(labels))), ticktext=labels, ticks=""
        ),
    )
    return Plot(
        id="parallel",
        title=title,
        about=(
            "Each line is a trial: its values after clamping, from one end of the range in force to the "
            "other (log ranges on a log scale, choices in their order), and its validation loss at the "
            "bottom. Thick lines with large dots are the best tenth of the accepted trials. A line ends "
            "early where its trial has no loss, or one beyond the axis. The loss of suspicious trials "
            f"is not believed.{_idle_text(view.space)}"
        ),
        figure={"data": traces, "layout": drawing},
    )


@dataclass(frozen=True)
class _Row:
    """A searched setting, or the loss, as a row from 0 to 1; `through` is its range, or its choices."""

    key: str
    line: DimensionAxis
    through: str
    is_conditional: bool = False

    @classmethod
    def of(cls, searched: SearchedDimension) -> "_Row":
        """The range in force of a dimension."""
        line = dimension_axis(in_force(searched))
        if line.choices is None:
            low, high = map(plot_label, dimension_values(searched.effective))
            return cls(searched.key, line, f"{low} … {high}", bool(searched.effective.when))
        texts = [plot_label(choice, 10) for choice in line.choices]
        shown = texts if len(texts) <= _MOST_CHOICES else [*texts[:2], "…", texts[-1]]
        return cls(searched.key, line, " · ".join(shown), bool(searched.effective.when))

    def position(self, value: Any) -> float | None:
        """The place of a value, IDLE left of the row; None if it has none."""
        if value is _IDLE:
            return _IDLE_PLACE
        at, span = self.line.position(value), self.line.high - self.line.low
        if at is None or not self.line.low <= at <= self.line.high:
            return None
        return plot_number((at - self.line.low) / span if span else 0.5)

    def label(self, name: str) -> str:
        """The name, and below it what the row goes through from left to right."""
        return f'{shortened(name, _LONGEST)}<br><span style="font-size:10px">{self.through}</span>'


def _told(value: Any) -> str:
    return "–, idle" if value is _IDLE else plot_label(value)


def _idle_text(space: Sequence[SearchedDimension]) -> str:
    """What a point left of its row means; empty without conditions."""
    if not any(searched.effective.when for searched in space):
        return ""
    return " A dot at the very left, before the row begins, is a setting that is idle (–) in its trial."


def _best_trials(trials: Sequence[tables.Trial], accepted: int) -> list[tables.Trial]:
    """The best tenth of the accepted trials, at least one and at most _MOST_BEST."""
    count = min(_MOST_BEST, max(1, round(_BEST_SHARE * accepted)))
    known = [t for t in scored_trials(trials) if t.verdict is Verdict.ACCEPTED]
    return sorted(known, key=lambda trial: (trial.value, trial.number))[:count]


def _others(view: StudyView, best: Sequence[tables.Trial]) -> list[tables.Trial]:
    numbers = {trial.number for trial in best}
    left = [trial for trial in view.trials if trial.number not in numbers]
    return thin_trials(left, None, MAX_LINES - len(best))


def _lines(
    name: str, verdict: Verdict | None, trials: Sequence[tables.Trial], rows: Sequence[_Row], losses: _Row
) -> Json:
    """All lines of a group as one trace, with gaps between them."""
    x: list[float | None] = []
    y: list[int | None] = []
    told: list[list[Any] | None] = []
    for trial in trials:
        values = [trial.params.get(row.key, _IDLE if row.is_conditional else None) for row in rows]
        x += [row.position(value) for row, value in zip(rows, values, strict=True)]
        x += [losses.position(trial.value), None]
        y += [*range(len(rows) + 1), None]
        told += [[trial.number, _told(value)] for value in (*values, trial.value)] + [None]
    is_frequent = verdict in (Verdict.ACCEPTED, Verdict.UNPROMISING)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": x,
        "y": y,
        "customdata": told,
        "line": {"color": COLOURS[verdict], "width": 1, "dash": DASHES[verdict]},
        "marker": {"color": COLOURS[verdict], "symbol": SYMBOLS[verdict], "size": 5},
        "opacity": _PALE if is_frequent else _STRONG,
        "legendrank": 10 + list(COLOURS).index(verdict),
        "hovertemplate": "trial %{customdata[0]}: %{customdata[1]}",
    }
