"""The errors of the forecast: over time, their distribution, and their autocorrelation."""

import math

import numpy as np

from search.record.scored_forecasts import ScoredForecasts
from search.record.validation_rows import Floats
from search.selection.statistics.autocorrelation import autocorrelation
from search.selection.statistics.sharpe import skew_and_kurtosis
from search.watching.blocks import Plot
from search.watching.plots import row_parts
from search.watching.plots.plotly_parts import GREY, Json, axis, layout, line_trace, plot_number
from search.watching.plots.row_parts import MODEL_COLOUR, RIVAL_COLOUR, Clock
from search.watching.view import StudyView
from trainer.data.arrays import Rows

MIN_ROWS = 50
"""Fewer errors show neither a distribution nor an autocorrelation: its bounds would be ±0.28 and more."""
_BINS, _REACH = 41, 5.0
"""Bars of the histogram, and how many standard deviations they reach to both sides."""
_LAGS = 25
_PARTS = ([0.70, 1.0], [0.36, 0.60], [0.0, 0.26])
"""Shares of the height, from top to bottom."""


def plot_residuals(view: StudyView) -> Plot | None:
    """Draw target − forecast of the test rows, or of the validation rows if none was verified; None for
    fewer than 50 moments, or errors that never vary.
    """
    if not view.scored:
        return None
    found = view.scored[-1]
    errors = found.target - found.forecast
    by_moment = _mean_by_moment(found, errors)
    if len(by_moment) < MIN_ROWS or not np.ptp(errors) or not np.ptp(by_moment):
        return None
    clock, moments = row_parts.clock_of(view), found.moments
    lags = min(max(_LAGS, 2 * moments.horizon), len(by_moment) // 4)
    kept = row_parts.thin_rows([by_moment])
    title, each = "Residuals", "date's mean residual" if found.is_panel else "residual"
    return Plot(
        id="residuals",
        title=title,
        about=_about(found) + row_parts.thinned_text(len(kept), len(by_moment)),
        figure={
            "data": [
                _over_time(found, by_moment, kept, clock),
                *_distribution(errors),
                *_correlation(found, by_moment, lags),
            ],
            "layout": layout(
                title,
                _note(errors),
                height=820,
                bargap=0.05,
                xaxis=axis("time of the forecast", "date", anchor="y"),
                yaxis=axis(each, domain=_PARTS[0], anchor="x") | {"zeroline": True, "zerolinecolor": GREY},
                xaxis2=axis("residual (target − forecast, own unit)", anchor="y2"),
                yaxis2=axis("rows", domain=_PARTS[1], anchor="x2"),
                xaxis3=axis(f"lag ({'dates' if found.is_panel else 'rows'})", anchor="y3"),
                yaxis3=axis("autocorrelation", domain=_PARTS[2], anchor="x3")
                | {"zeroline": True, "zerolinecolor": GREY},
            ),
        },
    )


def _about(found: ScoredForecasts) -> str:
    overlap = (
        f" Targets over {found.horizon} rows overlap, which alone correlates the errors of the first "
        f"{found.moments.horizon - 1} lags, whatever the forecast."
        if found.horizon > 1
        else ""
    )
    by_date = (
        " Of a panel the first and the last part show the mean over the series of each date."
        if found.is_panel
        else ""
    )
    return (
        "Target − forecast. Top: over time; stretches on one side of 0 are a bias. Middle: their "
        "distribution, with a normal one of the same mean and spread as a line; errors beyond five standard "
        "deviations are in the outermost bars. Bottom: autocorrelation, of which 95 % lies between the "
        "dashed bounds if an error says nothing about the next; bars beyond them are information that the "
        f"forecast does not use.{overlap}{by_date} {row_parts.splits_text([found])}"
    )


def _note(errors: Floats) -> str:
    skew, kurtosis = skew_and_kurtosis(errors)
    return f"mean {errors.mean():+.2g}, skew {skew:+.2f}, kurtosis {kurtosis:.1f} (normal: 3)"


def _mean_by_moment(found: ScoredForecasts, errors: Floats) -> Floats:
    number = found.moments.number
    means: Floats = np.bincount(number, errors) / np.bincount(number)
    return means


def _over_time(found: ScoredForecasts, errors: Floats, kept: Rows, clock: Clock) -> Json:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"residual, {found.split}",
        "showlegend": False,
        "x": clock.texts(found, found.first_rows[kept]),
        "y": row_parts.numbers(errors[kept]),
        "marker": {"color": MODEL_COLOUR, "symbol": "circle", "size": 4, "opacity": 0.6},
        "hovertemplate": "%{x}: %{y:.4g}<extra></extra>",
    }


def _distribution(errors: Floats) -> list[Json]:
    """Bars, and the normal distribution with the same mean, spread and number of rows."""
    mean, spread = float(errors.mean()), float(errors.std())
    edges = np.linspace(mean - _REACH * spread, mean + _REACH * spread, _BINS + 1)
    counts, _ = np.histogram(np.clip(errors, edges[0], edges[-1]), edges)
    width = edges[1] - edges[0]
    x = np.linspace(edges[0], edges[-1], 4 * _BINS)
    density = np.exp(-0.5 * np.square((x - mean) / spread)) / (spread * math.sqrt(2 * math.pi))
    bars = {
        "type": "bar",
        "name": "residuals",
        "showlegend": False,
        "x": row_parts.numbers((edges[:-1] + edges[1:]) / 2),
        "y": counts.tolist(),
        "marker": {"color": MODEL_COLOUR, "opacity": 0.6},
        "hovertemplate": "%{x:.4g}: %{y} rows<extra></extra>",
    }
    line = line_trace(
        "normal",
        row_parts.numbers(x),
        row_parts.numbers(density * width * len(errors)),
        RIVAL_COLOUR,
        dash="dash",
    )
    return [each | {"xaxis": "x2", "yaxis": "y2"} for each in (bars, line)]


def _correlation(found: ScoredForecasts, errors: Floats, lags: int) -> list[Json]:
    """Bars by lag, and the bounds."""
    known = autocorrelation(errors, found.fold_numbers[found.first_rows], found.moments.horizon, lags)
    if known is None:
        return []
    at = list(range(1, lags + 1))
    bars = {
        "type": "bar",
        "name": "autocorrelation",
        "showlegend": False,
        "x": at,
        "y": row_parts.numbers(known.values),
        "marker": {"color": MODEL_COLOUR, "opacity": 0.6},
        "hovertemplate": "lag %{x}: %{y:+.3f}<extra></extra>",
    }
    bounds = [
        line_trace(
            "95 % bounds", at, [plot_number(sign * each) for each in known.bounds], RIVAL_COLOUR, dash="dash"
        )
        | {"showlegend": sign > 0, "hoverinfo": "skip"}
        for sign in (1, -1)
    ]
    return [each | {"xaxis": "x3", "yaxis": "y3"} for each in (bars, *bounds)]
