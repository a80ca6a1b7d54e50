"""What all plots share: numbers and text as plotly may read them, the look of verdicts, axes and the layout.

Text in grey and a transparent background, so that a plot can be read on white and on black; no width, so that
it fills a screen and a phone alike.
"""

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from search.text import COLOURS, short_value
from storage import tables
from storage.verdicts import Verdict

Json = dict[str, Any]
Item = TypeVar("Item")

MAX_POINTS = 2_000
"""Trials that are drawn as points: beyond that, a page takes long to open and shows no more."""
GREY = "#7a7a7a"
"""Text: contrast of 4.3 on white and 4.9 on black."""
REFERENCE_COLOUR = "#6a6fd1"
"""Lines that trials are measured against; no verdict has this colour."""
_GRID = "rgba(128,128,128,0.22)"
_CLEAR = "rgba(0,0,0,0)"
_BUTTONS = ("select2d", "lasso2d", "pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d")
"""What is left out of plotly's bar of buttons, which hides the title on a phone."""
_LONGEST = 40
_HUGE = 1e100
"""Beyond it, and on a log axis below 1 / it, a value is a gap: no axis should reach there."""
_LOG_FROM = 20.0
"""Positive values are drawn on a log scale where the largest is this many times the smallest."""

_FEW_POINTS = 200
"""More of one verdict are drawn smaller and paler, so that lines can be seen through them."""
_FEW_DECADES = 2
_FEW_COUNTS = 10

SYMBOLS: dict[Verdict | None, str] = {
    Verdict.ACCEPTED: "circle",
    Verdict.UNPROMISING: "circle-open",
    Verdict.UNSTABLE: "triangle-down",
    Verdict.SUSPICIOUS: "diamond",
    Verdict.INTERRUPTED: "square-open",
    Verdict.FAILED: "x",
    None: "cross",
}


def is_number(value: Any) -> bool:
    """Whether it is a finite number, and no truth value."""
    return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)


def plot_number(value: Any) -> float | None:
    """A number in 5 significant digits, None for a gap: what is no number, not finite, or beyond any axis."""
    return float(f"{value:.5g}") if is_number(value) and abs(value) < _HUGE else None


def log_plot_number(value: Any) -> float | None:
    """The same for a log axis, which has no place for 0 and below."""
    found = plot_number(value)
    return found if found is not None and found > 1 / _HUGE else None


def plot_label(value: Any, most: int = _LONGEST) -> str:
    """A value in at most so many characters, as text that plotly does not read as HTML."""
    text = short_value(value)
    short = text if len(text) <= most else text[: most - 1] + "…"
    return html.escape(short, quote=False)


def verdict_text(verdict: Verdict | None) -> str:
    """A verdict as people read it."""
    return "running" if verdict is None else verdict.value


def group_by_verdict(trials: Iterable[tables.Trial]) -> dict[Verdict | None, list[tables.Trial]]:
    """The trials of each verdict that occurs, in the order of the colours."""
    groups: dict[Verdict | None, list[tables.Trial]] = {verdict: [] for verdict in COLOURS}
    for trial in trials:
        groups[trial.verdict].append(trial)
    return {verdict: group for verdict, group in groups.items() if group}


def thin_trials(
    trials: Sequence[tables.Trial], best: tables.Trial | None, most: int = MAX_POINTS
) -> list[tables.Trial]:
    """At most so many trials, evenly chosen; what the guard stopped is thinned last, the best one never."""
    if len(trials) <= most:
        return list(trials)
    kept = [trial for trial in trials if best is not None and trial.number == best.number]
    stopped = [trial for trial in trials if trial.verdict in (Verdict.UNSTABLE, Verdict.SUSPICIOUS)]
    kept += _evenly(stopped, most // 2)
    taken = {trial.number for trial in (*kept, *stopped)}
    others = [trial for trial in trials if trial.number not in taken]
    return sorted(kept + _evenly(others, most - len(kept)), key=lambda trial: trial.number)


def shown_of_all_text(drawn: int, everything: int) -> str:
    """What follows a title where not all is drawn: `: 300 of 2,000 trials`."""
    return "" if drawn == everything else f": {drawn:,} of {everything:,} trials"


def scatter_trace(verdict: Verdict | None, x: Sequence[Any], y: Sequence[Any], trials: Sequence[int]) -> Json:
    """One verdict's trials as points with its colour, its symbol and its word; hovering tells the trial."""
    look = {"size": 7, "opacity": 0.85} if len(trials) <= _FEW_POINTS else {"size": 4, "opacity": 0.5}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": verdict_text(verdict),
        "x": list(x),
        "y": list(y),
        "customdata": list(trials),
        "marker": {"color": COLOURS[verdict], "symbol": SYMBOLS[verdict]} | look,
        "hovertemplate": "trial %{customdata}: %{y}",
    }


def line_trace(
    name: str, x: Sequence[Any], y: Sequence[Any], colour: str = REFERENCE_COLOUR, **looks: Any
) -> Json:
    """A line through points; `looks` are plotly's: width, dash, shape."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"color": colour, "width": 2} | looks,
    }


def log_or_linear_axis(title: str, values: Sequence[float | None], **more: Any) -> Json:
    """A log axis where all values are positive and far apart, else a linear one; `more` is plotly's."""
    known = [value for value in values if value is not None]
    far = bool(known) and min(known) > 1 / _HUGE and max(known) >= _LOG_FROM * min(known)
    return log_axis(title, known, **more) if far else axis(title, **more)


def axis(title: str, kind: str = "linear", **more: Any) -> Json:
    """An axis: `kind` is `linear` or `log`, `more` is plotly's."""
    look: Json = {
        "title": {"text": title, "standoff": 8},
        "type": kind,
        "automargin": True,
        "gridcolor": _GRID,
        "linecolor": _GRID,
        "zeroline": False,
    }
    return look | more


def count_axis(title: str, last: int, **more: Any) -> Json:
    """An axis of whole numbers from 0 to `last`."""
    return axis(title, rangemode="tozero", **more) | ({"dtick": 1} if last <= _FEW_COUNTS else {})


def log_axis(title: str, values: Iterable[float | None], most: int = 5, **more: Any) -> Json:
    """A log axis with its ticks in words: up to `most` decades, more between them where those are few."""
    known = [value for value in values if value is not None and value > 1 / _HUGE]
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
    look: Json = {
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
    look["title"] |= {"font": {"size": 16}, "pad": {"t": 26}}
    return look | more


def _evenly(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of the items, from the first on, at even distances."""
    return list(items) if len(items) <= most else [items[i * len(items) // most] for i in range(most)]
