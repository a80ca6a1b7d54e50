"""A trial's curves as a PNG. It is drawn after every trial of a study, so it must be fast.

A process has one figure. The parts that never change are kept as pixels; each picture draws only lines, ticks
and title on top of them. That takes a quarter of the time of a new figure, and half of the time of a full
redraw.
"""

import io
import math
from collections.abc import Sequence
from threading import Lock
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from PIL import Image

from search.watching.plots.plotly_parts import verdict_text
from search.watching.plots.step_timeline import StepTimeline, fold_steps, step_timeline
from search.watching.view import TrialView
from storage import tables
from trainer.losses import recorded_loss

WIDTH, HEIGHT = 640, 480
"""Pixels of the picture."""
_DPI = 80
_COLOURS = 32
"""Size of the palette: the few colours that are used, and their blended edges."""
_MAX_DRAWABLE = 1e30
"""A larger value, or on a log scale one below its reciprocal, becomes a gap. plotly_parts.py allows 1e100;
here the canvas works in float32."""
_LOG_FROM = 20.0
"""Losses get a log scale if the largest is at least this many times the smallest."""
_MOST_TICKS = 5
_GREY, _BLUE, _RED, _PURPLE = "#666666", "#0072b2", "#d55e00", "#882255"
_GRID = "#dddddd"
_MARKERS = {"skip_and_cut": "v", "rewind": "D", "stop": "X"}

Limits = tuple[float, float]


class CurvesPicture:
    """Two panels and the artists that each picture draws anew; `lock` lets one thread draw at a time."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.figure = Figure(figsize=(WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI)
        self.canvas = cast(Any, FigureCanvasAgg(self.figure))  # its methods have no types
        self.figure.subplots_adjust(left=0.1, right=0.97, top=0.88, bottom=0.06, hspace=0.3)
        self.title = self.figure.text(0.02, 0.95, "", fontsize=11, animated=True)
        self.loss_panel, self.step_panel = (_Panel(axes) for axes in self.figure.subplots(2, 1))
        self.training = self.loss_panel.line("training", _GREY, marker=".")
        self.validation = self.loss_panel.line("validation", _BLUE, marker=".")
        # A label that begins so stays out of the legend: most trials have one seed.
        self.seeds = self.loss_panel.line("_seeds", _BLUE, linestyle=":", linewidth=1.0)
        self.best = self.loss_panel.line("best epoch", _BLUE, marker="o", markersize=9, linestyle="")
        self.baseline = self.loss_panel.line("baseline", _GREY, linestyle="--")
        self.rate = self.step_panel.line("learning rate", _BLUE)
        self.norm = self.step_panel.line("gradient norm", _RED, marker=".")
        self.marks = {
            action: self.step_panel.line(
                action.replace("_", " "), _PURPLE, marker=marker, markersize=8, linestyle=""
            )
            for action, marker in _MARKERS.items()
        }
        self.loss_panel.name("loss by epoch")
        self.step_panel.name("by optimiser step")
        self.canvas.draw()
        self.background = self.canvas.copy_from_bbox(self.figure.bbox)

    def png(self, view: TrialView) -> bytes:
        """The picture of a trial."""
        with self.lock:
            label = recorded_loss(view.study.facts.get("metric")).label
            verdict = verdict_text(view.trial.verdict)
            self.title.set_text(f"trial {view.trial.number}: {verdict}, loss: {label}")
            self._set_losses(view)
            steps = fold_steps(view.study, view.trial, view.settings)
            self._set_steps(step_timeline(view.epochs, view.findings, steps), view.epochs)
            self.canvas.restore_region(self.background)
            for artist in (*self.loss_panel.artists, *self.step_panel.artists, self.title):
                self.figure.draw_artist(artist)
            return self._compressed()

    def _set_losses(self, view: TrialView) -> None:
        x = [epoch.epoch for epoch in view.epochs]
        training = [_drawable(epoch.train_loss) for epoch in view.epochs]
        validation = [_drawable(epoch.validation_loss) for epoch in view.epochs]
        baseline = _drawable(view.study.facts["baseline"]["loss"])
        reach = max([1, *x])
        best = [(n, loss) for n, loss in zip(x, validation, strict=True) if n == view.trial.best_epoch]
        self.training.set_data(x, training)
        self.validation.set_data(x, validation)
        low, high = (
            [
                _drawable(end(epoch.seed_losses)) if len(epoch.seed_losses) > 1 else math.nan
                for epoch in view.epochs
            ]
            for end in (min, max)
        )
        self.seeds.set_data([*x, math.nan, *x], [*low, math.nan, *high])
        self.best.set_data([n for n, _ in best], [loss for _, loss in best])
        self.baseline.set_data([0, reach], [baseline, baseline])
        values = _known([*training, *validation, *low, *high, baseline])
        far = bool(values) and min(values) > 1 / _MAX_DRAWABLE and max(values) >= _LOG_FROM * min(values)
        self.loss_panel.fit(reach, values, log=far)

    def _set_steps(self, done: StepTimeline, epochs: Sequence[tables.Epoch]) -> None:
        rates = [_positive(rate) for _, rate in done.rates]
        norms = [_positive(epoch.grad_norm_max) for epoch in epochs]
        self.rate.set_data([step for step, _ in done.rates], rates)
        self.norm.set_data(done.ends, norms)
        for action, line in self.marks.items():
            hits = [(step, _positive(f.lr_after)) for step, f in done.marks if f.action == action]
            line.set_data([step for step, _ in hits], [rate for _, rate in hits])
        reach = max([1, *(step for step, _ in done.rates)])
        self.step_panel.fit(reach, _known([*rates, *norms]), log=True)

    def _compressed(self) -> bytes:
        image = Image.frombuffer("RGBA", (WIDTH, HEIGHT), self.canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
        file = io.BytesIO()
        image.convert("RGB").quantize(_COLOURS, Image.Quantize.FASTOCTREE).save(file, "PNG", compress_level=4)
        return file.getvalue()


class _Panel:
    """Axes with ticks of our own, which are text and lines that move: matplotlib's ticks are the slowest
    part.
    """

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        axes.xaxis.set_visible(False)
        axes.yaxis.set_visible(False)
        for spine in axes.spines.values():
            spine.set_color(_GRID)
        across, up = axes.get_xaxis_transform(), axes.get_yaxis_transform()
        below: dict[str, Any] = {"transform": across, "va": "top", "ha": "center"}
        beside: dict[str, Any] = {"transform": up, "va": "center", "ha": "right"}
        style: dict[str, Any] = {"fontsize": 8, "color": _GREY, "animated": True}
        ticks = range(_MOST_TICKS + 2)
        self.x_texts = [axes.text(0, -0.03, "", **below, **style) for _ in ticks]
        self.y_texts = [axes.text(-0.01, 1, "", **beside, **style) for _ in ticks]
        self.x_grid, self.y_grid = (
            Line2D([], [], color=_GRID, linewidth=0.8, transform=transform, animated=True)
            for transform in (across, up)
        )
        axes.add_artist(self.x_grid)
        axes.add_artist(self.y_grid)
        self.lines: list[Line2D] = []

    @property
    def artists(self) -> list[Any]:
        """What each picture draws anew, from back to front."""
        return [self.x_grid, self.y_grid, *self.lines, *self.x_texts, *self.y_texts]

    def line(self, label: str, colour: str, **style: Any) -> Line2D:
        """Add a line that each picture draws anew."""
        style = {"linewidth": 1.5, "animated": True} | style
        (line,) = self.axes.plot([], [], color=colour, label=label, **style)
        self.lines.append(line)
        return line

    def name(self, title: str) -> None:
        """Write title and legend above the panel; call it after all lines are added."""
        self.axes.text(0, 1.03, title, transform=self.axes.transAxes, fontsize=9, color=_GREY)
        style: dict[str, Any] = {"fontsize": 8, "ncols": 5, "frameon": False, "columnspacing": 1}
        legend = self.axes.legend(loc="lower right", bbox_to_anchor=(1.01, 0.98), **style)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_animated(False)

    def fit(self, reach: int, values: Sequence[float], *, log: bool) -> None:
        """Set limits and ticks: x from 0 to `reach`, y around the finite `values`."""
        limits = _decades(values) if log else _around(values)
        self.axes.set_xlim(-0.02 * reach, 1.02 * reach)
        if self.axes.get_yscale() != ("log" if log else "linear"):
            self.axes.set_yscale("log" if log else "linear")
        self.axes.set_ylim(*limits)
        x = _ticks((0, reach), integer=True)
        y = _log_ticks(limits) if log else _ticks(limits)
        self.x_grid.set_data([v for tick in x for v in (tick, tick, math.nan)], [0, 1, math.nan] * len(x))
        self.y_grid.set_data([0, 1, math.nan] * len(y), [v for tick in y for v in (tick, tick, math.nan)])
        for i, (across, up) in enumerate(zip(self.x_texts, self.y_texts, strict=True)):
            across.set(x=x[i] if i < len(x) else 0, text=f"{x[i]:g}" if i < len(x) else "")
            up.set(y=y[i] if i < len(y) else limits[0], text=f"{y[i]:g}" if i < len(y) else "")


def _around(values: Sequence[float]) -> Limits:
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _decades(values: Sequence[float]) -> Limits:
    """The whole powers of ten around positive values."""
    low, high = min(values, default=1e-4), max(values, default=1.0)
    first = math.floor(math.log10(low))
    return 10.0**first, 10.0 ** max(math.ceil(math.log10(high)), first + 1)


def _ticks(limits: Limits, *, integer: bool = False) -> list[float]:
    low, high = limits
    found = MaxNLocator(_MOST_TICKS, integer=integer).tick_values(low, high)
    return [float(tick) for tick in found if low <= tick <= high]


def _log_ticks(limits: Limits) -> list[float]:
    first, last = (round(math.log10(limit)) for limit in limits)
    stride = max(1, -(-(last - first) // _MOST_TICKS))
    return [10.0**exponent for exponent in range(first, last + 1, stride)]


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _drawable(value: float) -> float:
    """Return the value, or NaN (a gap) if it is not finite or too large for an axis."""
    return value if abs(value) < _MAX_DRAWABLE else math.nan


def _positive(value: float) -> float:
    """Return the value, or NaN (a gap) if it has no place on a log axis."""
    return value if 1 / _MAX_DRAWABLE < value < _MAX_DRAWABLE else math.nan
