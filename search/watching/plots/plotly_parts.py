"""Parts that all plots share: numbers and text for plotly, colours and symbols of verdicts, axes, the layout.

Text is grey and the background transparent, so that a plot is readable on white and on black. A plot has no
fixed width, so that it fits a screen and a phone.
"""

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from search.text import COLOURS, short_value
from storage import tables
from storage.verdicts import Verdict
from trainer.text import shortened

Json = dict[str, Any]
Item = TypeVar("Item")

MAX_POINTS = 2_000
"""The largest number of trials drawn as points: more make a page slow and show nothing more."""
GREY = "#767676"
"""The colour of text in a figure that is drawn elsewhere: its contrast is 4.5 on white and 4.6 on black. No
colour has 4.5 on white and on the dark pages too, so the report and the dashboard draw the text of figures in
their own text colour."""
REFERENCE_COLOUR = "#6a6fd1"
"""The colour of lines that trials are compared with; no verdict has this colour."""
LINE_COLOURS = ("#8a38f7", "#e07912", "#48716e", "#549eb5", "#975b34", "#8a9883")
"""Colours for up to six lines that are no verdicts, such as forecasts or trials; as apart as those of
verdicts (search.text.COLOURS), and with the same contrast. Give each line its own dash too: LINE_DASHES."""
_GRID = "rgba(128,128,128,0.22)"
_CLEAR = "rgba(0,0,0,0)"
_BUTTONS = ("select2d", "lasso2d", "pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d")
"""Buttons that are removed from plotly's bar, which would hide the title on a phone."""
_LONGEST = 40
_MAX_DRAWABLE = 1e100
"""A larger value, or on a log axis one below its reciprocal, becomes a gap: no axis should reach it."""
_LOG_FROM = 20.0
"""Positive values get a log scale if the largest is at least this many times the smallest."""

_FEW_POINTS = 200
"""More points of one verdict are smaller, so that lines stay visible; paler ones would have too little
contrast."""
_FEW_DECADES = 2
_FEW_COUNTS = 10

SYMBOLS: dict[Verdict | None, str] = {
    Verdict.ACCEPTED: "circle",
    Verdict.UNPROMISING: "circle-open",
    Verdict.UNSTABLE: "triangle-down",
    Verdict.SUSPICIOUS: "diamond",
    Verdict.INTERRUPTED: "square-open",
    Verdict.FAILED: "x",
    None: "triangle-right-open",
}
"""The shape of each verdict's points, so that nobody depends on colours."""
LINE_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "9px,3px,2px,3px,2px,3px")
"""Dashes that tell seven lines apart, in the order in which to take them."""
DASHES: dict[Verdict | None, str] = dict(
    zip(
        (
            *(Verdict.ACCEPTED, Verdict.UNSTABLE, Verdict.UNPROMISING, Verdict.SUSPICIOUS),
            *(Verdict.FAILED, Verdict.INTERRUPTED, None),
        ),
        LINE_DASHES,
        strict=True,
    )
)
"""The dash of each verdict's lines."""


def is_number(value: Any) -> bool:
    """Return whether the value is a finite number and not a bool."""
    return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)


def plot_number(value: Any) -> float | None:
    """Round a number to 5 significant digits; return None, a gap, if it is not finite or too large for an
    axis.
    """
    return float(f"{value:.5g}") if is_number(value) and abs(value) < _MAX_DRAWABLE else None


def log_plot_number(value: Any) -> float | None:
    """Round a number likewise; return None, a gap, also for 0 and below, which a log axis cannot show."""
    found = plot_number(value)
    return found if found is not None and found > 1 / _MAX_DRAWABLE else None


def plot_label(value: Any, most: int = _LONGEST) -> str:
    """Return a value in at most `most` characters, as text that plotly does not read as HTML."""
    return html.escape(shortened(short_value(value), most), quote=False)


def verdict_text(verdict: Verdict | None) -> str:
    """Return the name of a verdict; a trial without one is `running`."""
    return "running" if verdict is None else verdict.value


def group_by_verdict(trials: Iterable[tables.Trial]) -> dict[Verdict | None, list[tables.Trial]]:
    """Group trials by verdict, in the order of the colours; omit verdicts that do not occur."""
    groups: dict[Verdict | None, list[tables.Trial]] = {verdict: [] for verdict in COLOURS}
    for trial in trials:
        groups[trial.verdict].append(trial)
    return {verdict: group for verdict, group in groups.items() if group}


def thin_trials(
    trials: Sequence[tables.Trial], best: tables.Trial | None, most: int = MAX_POINTS
) -> list[tables.Trial]:
    """Choose at most `most` trials evenly; keep more of those that the guard stopped, and always the best
    one.
    """
    if len(trials) <= most:
        return list(trials)
    kept = [trial for trial in trials if best is not None and trial.number == best.number]
    stopped = [trial for trial in trials if trial.verdict in (Verdict.UNSTABLE, Verdict.SUSPICIOUS)]
    kept += _evenly(stopped, most // 2)
    taken = {trial.number for trial in (*kept, *stopped)}
    others = [trial for trial in trials if trial.number not in taken]
    return sorted(kept + _evenly(others, most - len(kept)), key=lambda trial: trial.number)


def shown_of_all_text(drawn: int, everything: int) -> str:
    """Return the addition to a title if not all trials are drawn, as in `: 300 of 2,000 trials`."""
    return "" if drawn == everything else f": {drawn:,} of {everything:,} trials"


def scatter_trace(verdict: Verdict | None, x: Sequence[Any], y: Sequence[Any], trials: Sequence[int]) -> Json:
    """Return one verdict's trials as points with its colour, symbol and name; hovering shows the trial."""
    size = 7 if len(trials) <= _FEW_POINTS else 4
    return {
        "type": "scatter",
        "mode": "markers",
        "name": verdict_text(verdict),
        "x": list(x),
        "y": list(y),
        "customdata": list(trials),
        "marker": {"color": COLOURS[verdict], "symbol": SYMBOLS[verdict], "size": size},
        "hovertemplate": "trial %{customdata}: %{y}",
    }


def line_trace(
    name: str, x: Sequence[Any], y: Sequence[Any], colour: str = REFERENCE_COLOUR, **style: Any
) -> Json:
    """A line through points; `style` has plotly's: width, dash, shape."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"color": colour, "width": 2} | style,
    }


def log_or_linear_axis(title: str, values: Sequence[float | None], **more: Any) -> Json:
    """Return a log axis if all values are positive and far apart, else a linear one; `more` has plotly's
    settings.
    """
    known = [value for value in values if value is not None]
    far = bool(known) and min(known) > 1 / _MAX_DRAWABLE and max(known) >= _LOG_FROM * min(known)
    return log_axis(title, known, **more) if far else axis(title, **more)


def axis(title: str, kind: str = "linear", **more: Any) -> Json:
    """Return an axis: `kind` is `linear` or `log`, `more` has plotly's settings."""
    settings: Json = {
        "title": {"text": title, "standoff": 8},
        "type": kind,
        "automargin": True,
        "gridcolor": _GRID,
        "linecolor": _GRID,
        "zeroline": False,
    }
    return settings | more


def count_axis(title: str, last: int, **more: Any) -> Json:
    """Return an axis of whole numbers from 0 to `last`."""
    return axis(title, rangemode="tozero", **more) | ({"dtick": 1} if last <= _FEW_COUNTS else {})


def log_axis(title: str, values: Iterable[float | None], most: int = 5, **more: Any) -> Json:
    """A log axis with its ticks in words: up to `most` decades, more between them where those are few."""
    known = [value for value in values if value is not None and value > 1 / _MAX_DRAWABLE]
    if not known:
        return axis(title, "log", **more)
    first, last = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    stride = max(1, -(-(last - first) // most))
    digits = (1,) if last - first > _FEW_DECADES else (1, 2, 5) if last - first > 1 else (1, 2, 3, 5)
    ticks = [float(f"{digit}e{exponent}") for exponent in range(first, last + 1, stride) for digit in digits]
    texts = [f"{tick:g}".replace("e-0", "e-") for tick in ticks]
    return axis(title, "log", tickvals=ticks, ticktext=texts, **more)


def layout(title: str, note: str = "", height: int = 450, **more: Any) -> Json:
    """The frame of a plot: its title, a smaller line under it, the legend below. `height` is in pixels."""
    under = f'<br><span style="font-size:12px">{note}</span>' if note else ""
    settings: Json = {
        "title": {"text": title + under, "x": 0.01, "xanchor": "left", "y": 1, "yanchor": "top"},
        "autosize": True,
        "height": height,
        "margin": {"l": 56, "r": 16, "t": 76 if note else 56, "b": 48},
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "font": {"color": GREY, "size": 12, "family": "system-ui, sans-serif"},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": 0.01, "yref": "container", "yanchor": "bottom"}
        | {"tracegroupgap": 0},
        "modebar": {"bgcolor": _CLEAR, "color": GREY, "activecolor": GREY, "remove": list(_BUTTONS)},
    }
    settings["title"] |= {"font": {"size": 16}, "pad": {"t": 26}}
    return settings | more


def _evenly(items: Sequence[Item], most: int) -> list[Item]:
    """Choose at most `most` items at even distances, beginning with the first."""
    return list(items) if len(items) <= most else [items[i * len(items) // most] for i in range(most)]
