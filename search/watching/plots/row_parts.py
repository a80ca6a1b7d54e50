"""Parts that the figures of forecasts share: times on the source's clock, thinned rows, lines with gaps, the
marks of validation and test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search.record.scored_forecasts import ScoredForecasts
from search.watching.plots.plotly_parts import GREY, LINE_COLOURS, Json, plot_number
from search.watching.view import StudyView
from trainer.data.arrays import Rows
from trainer.data.times import on_clock

MODEL_COLOUR, RIVAL_COLOUR = LINE_COLOURS[:2]
ACTUAL_COLOUR = GREY
MOST_POINTS = 1_500
"""Points of one line: a screen has fewer pixels."""
_LONG_STEP = 10
"""A step of so many usual ones is a gap in a line: a night of minutes, a fortnight without days."""
SPLIT_TEXTS = {"validation": "validation rows (searched, so optimistic)", "test": "test rows"}
SPLIT_DASHES = {"validation": "dot", "test": "solid"}


@dataclass(frozen=True)
class Clock:
    """Shows times in the zone of their source: `zone` is `data.timezone`, if the study has one."""

    zone: str | None

    def index(self, found: ScoredForecasts, rows: Rows) -> pd.DatetimeIndex:
        """The times of some rows on the source's clock, without a zone: an axis has none."""
        times = pd.DatetimeIndex(found.times[rows])
        if found.offsets is None:
            return times
        offsets = found.offsets[rows]
        if self.zone is None:
            return times + pd.to_timedelta(offsets, unit="s")
        return on_clock(times, offsets, self.zone).tz_localize(None)

    def texts(self, found: ScoredForecasts, rows: Rows) -> list[str]:
        """The same as plotly draws them: `2024-05-17`, or `2024-05-17 15:30:00`."""
        index = self.index(found, rows)
        form = "%Y-%m-%d" if (index == index.normalize()).all() else "%Y-%m-%d %H:%M:%S"
        return [str(text) for text in index.strftime(form)]

    def years(self, found: ScoredForecasts, rows: Rows) -> NDArray[np.int64]:
        """The year of each of some rows."""
        return np.asarray(self.index(found, rows).year, np.int64)


def clock_of(view: StudyView) -> Clock:
    """The clock of the study's source."""
    return Clock(setting_of(view, "data.timezone"))


def setting_of(view: StudyView, key: str) -> Any:
    """The value of a setting on record; None if it is not there."""
    return next((setting.value for setting in view.settings if setting.key == key), None)


def split_of(found: ScoredForecasts) -> str:
    """`validation rows (searched, so optimistic), trial 3`, or `test rows, trial 3, mean of 5 seeds`."""
    seeds = f", mean of {found.seeds} seeds" if found.seeds > 1 else ""
    trial = "" if found.trial is None else f", trial {found.trial}"
    kept = f"; the {found.left_out:,} rows before them are not on record" if found.left_out else ""
    return f"{SPLIT_TEXTS[found.split]}{trial}{seeds}{kept}"


def splits_text(scored: Sequence[ScoredForecasts]) -> str:
    """The rows that a figure is drawn from, as a sentence of its caption."""
    return f"Drawn from: {'; '.join(map(split_of, scored))}."


def thin_rows(values: Sequence[NDArray[np.float64]], most: int = MOST_POINTS) -> Rows:
    """Positions of about `most` of n rows: of each of equally long stretches the lowest and the highest value
    of each of `values`, (n,) each. All rows if they are few enough.
    """
    n = len(values[0])
    if n <= most:
        return np.arange(n)
    kept = [np.array([0, n - 1])]
    for part in np.array_split(np.arange(n), max(1, most // (2 * len(values)))):
        for each in values:
            kept.append(part[[each[part].argmin(), each[part].argmax()]])
    return np.unique(np.concatenate(kept))


def thinned_text(drawn: int, everything: int) -> str:
    """A sentence for a caption, or nothing if all rows are drawn."""
    if drawn == everything:
        return ""
    return f" Of {everything:,} rows {drawn:,} are drawn, in each stretch the lowest and the highest."


def gaps(times: NDArray[np.datetime64], runs: NDArray[np.integer], *, at_long_steps: bool = True) -> Rows:
    """Before which of n points in time order a line is interrupted: where another run (n,) begins and, if
    `at_long_steps`, after a step that is much longer than usual.
    """
    if len(times) < 2:
        return np.empty(0, np.int64)
    steps = np.diff(times.astype("datetime64[ns]").astype(np.int64))
    is_gap = runs[1:] != runs[:-1]
    if at_long_steps:
        is_gap |= steps > _LONG_STEP * np.median(steps)
    return np.flatnonzero(is_gap) + 1


def with_gaps(values: Sequence[Any], before: Rows) -> list[Any]:
    """The values with a None before each of the given positions."""
    at = set(before.tolist())
    return [each for i, value in enumerate(values) for each in ((None, value) if i in at else (value,))]


def height_of_part(number: int, parts: int, gap: float) -> list[float]:
    """The share of the height, from bottom to top, of one of `parts` that lie below each other with gaps."""
    height = (1 - gap * (parts - 1)) / parts
    top = 1 - number * (height + gap)
    return [round(max(top - height, 0.0), 4), round(top, 4)]


def numbers(values: NDArray[np.floating]) -> list[float | None]:
    """As plotly takes them."""
    return [plot_number(value) for value in values.tolist()]


def band_trace(
    name: str,
    x: Sequence[Any],
    lower: Sequence[float | None],
    upper: Sequence[float | None],
    before: Rows,
    colour: str,
    opacity: float,
    **more: Any,
) -> Json:
    """An area between two lines (n,), interrupted before the given positions; `more` has plotly's "
    "settings."""
    across: list[Any] = []
    up: list[Any] = []
    for begin, end in zip([0, *before.tolist()], [*before.tolist(), len(x)], strict=True):
        part = slice(begin, end)
        across += [*x[part], *reversed(x[part]), None]
        up += [*upper[part], *reversed(lower[part]), None]
    style = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "fill": "toself"}
    fill = {"fillcolor": pale(colour, opacity)}
    return {"type": "scatter", "name": name, "x": across, "y": up} | style | fill | more


def pale(colour: str, opacity: float) -> str:
    """A colour such as `#0072b2` with an opacity, 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def boundary(scored: Sequence[ScoredForecasts], clock: Clock) -> Json:
    """Plotly's shape and label where the test rows begin; nothing if there are none or nothing else."""
    tested = [each for each in scored if each.split == "test"]
    if not tested or len(scored) < 2:
        return {}
    first = clock.texts(tested[0], np.array([tested[0].times.argmin()]))[0]
    line = {"type": "line", "x0": first, "x1": first, "y0": 0, "y1": 1, "yref": "paper"}
    label = {"x": first, "y": 1, "yref": "paper", "text": "test →", "showarrow": False}
    place = {"xanchor": "left", "yanchor": "bottom", "xshift": 2}
    return {
        "shapes": [line | {"line": {"color": GREY, "width": 1, "dash": "dash"}}],
        "annotations": [label | place],
    }
