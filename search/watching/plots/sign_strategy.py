"""What the sign of the forecast would have earned, after costs: for targets that are returns."""

import numpy as np

from search.record.scored_forecasts import ScoredForecasts
from search.record.validation_rows import Floats
from search.selection.statistics.cross_section import COST_BASIS_POINTS, LongShortByDate, long_short_by_date
from search.selection.statistics.sign_strategy import sign_strategy
from search.watching.blocks import Plot
from search.watching.plots import row_parts
from search.watching.plots.plotly_parts import GREY, Json, axis, layout, line_trace
from search.watching.plots.row_parts import ACTUAL_COLOUR, MODEL_COLOUR, RIVAL_COLOUR, Clock
from search.watching.view import StudyView
from trainer.data.arrays import Rows

MIN_ROWS = 50
"""Fewer rows are no strategy."""
_RETURNS = ("log_return", "pct_change", "raw")
"""Transforms whose values are shares of a price; a difference is in the unit of the prices."""


def plot_strategy(view: StudyView) -> Plot | None:
    """Draw the profit of following the forecast on the test rows, or on the validation rows if none was
    verified: of the sign for one series, of the highest against the lowest for a panel.

    None if the target is no return, or for fewer than 50 moments.
    """
    transform = row_parts.setting_of(view, "data.target.transform")
    if not view.scored or view.scored[-1].kind != "return" or transform not in _RETURNS:
        return None
    found, clock = view.scored[-1], row_parts.clock_of(view)
    if len(found.moments.times) < MIN_ROWS:
        return None
    if found.is_panel:
        relative = row_parts.setting_of(view, "data.target.relative") is not None
        return _long_short(found, _simple(found.target, transform), clock, is_relative=relative)
    return _sign(found, _simple(found.target, transform), clock)


def _simple(returns: Floats, transform: str) -> Floats:
    """Simple returns, which a stake earns; those of logarithms are turned into them."""
    return np.expm1(returns) if transform == "log_return" else returns


def _sign(found: ScoredForecasts, returns: Floats, clock: Clock) -> Plot:
    known = sign_strategy(found.forecast, returns, found.fold_numbers, found.horizon)
    long = f"long in {np.mean(found.forecast > 0):.0%} of rows"
    turnover = "" if known.turnover is None else f", turnover {known.turnover:.1%} a row"
    even = (
        "Nothing is earned before costs."
        if known.break_even is None
        else f"Nothing is left at a cost of {_rounded(known.break_even)} basis points."
    )
    lines = {
        "sign, after costs": (known.net, MODEL_COLOUR, "solid"),
        "sign, before costs": (known.gross, RIVAL_COLOUR, "dash"),
        "buy and hold": (known.hold, ACTUAL_COLOUR, "dot"),
    }
    hold = (
        "for the next row"
        if found.horizon == 1
        else f"for the {found.horizon} rows of its forecast, in as many equal parts of the stake that are "
        "decided one after the other"
    )
    return _plot(
        "sign-strategy",
        "Sign of the forecast against buy and hold",
        f"{long}{turnover}",
        (
            "The profit of a stake of 1 that is never raised (sums, nothing reinvested): long where the "
            f"forecast is above 0, short where it is below, {hold}, at the price of the row that it was "
            f"forecast from. {COST_BASIS_POINTS:g} basis points are paid on each value traded, which is an "
            f"assumption; closing the last positions, interest and borrowing cost nothing here. {even} "
            "Turnover is the share of the stake that changes sides. A return is drawn at the row that opened "
            "its position. Returns are those of the target, of which extreme "
            "ones are clipped."
        ),
        lines,
        found,
        found.first_rows,
        clock,
    )


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _long_short(found: ScoredForecasts, returns: Floats, clock: Clock, *, is_relative: bool) -> Plot | None:
    horizon = found.moments.horizon
    known = long_short_by_date(found.times, found.series_numbers, found.forecast, returns, horizon=horizon)
    if known is None or len(known.dates) < MIN_ROWS:
        return None
    lines = {
        "long-short, after costs": (known.net / horizon, MODEL_COLOUR, "solid"),
        "long-short, before costs": (known.gross / horizon, RIVAL_COLOUR, "dash"),
    }
    if not is_relative:
        lines["all series, held"] = (known.mean / horizon, ACTUAL_COLOUR, "dot")
    overlap = (
        ""
        if horizon == 1
        else f" Positions are held for {horizon} dates, in as many equal parts that are decided one after "
        "the other."
    )
    return _plot(
        "long-short",
        "Highest forecasts against lowest",
        _turnover_text(known, horizon),
        (
            "The profit of a stake of 1 in the series with the highest forecasts and of 1 against those "
            f"with the lowest, never raised (sums, nothing reinvested).{overlap} {COST_BASIS_POINTS:g} "
            "basis points are paid on each value traded, which is an assumption. Turnover is the share of "
            "the positions that is replaced. Dates with fewer than 5 "
            "series are left out. A return is drawn at the date that opened its position. Returns are those "
            "of the target, of which extreme ones are clipped."
        ),
        lines,
        found,
        found.first_rows[np.searchsorted(found.moments.times, known.dates)],
        clock,
    )


def _turnover_text(known: LongShortByDate, horizon: int) -> str:
    """The turnover as `LongShort` has it: two sides, each sold and bought."""
    later = known.traded[horizon:] / 4
    return f"turnover {later.mean():.1%} per holding period" if len(later) else ""


def _plot(
    id: str,
    title: str,
    note: str,
    about: str,
    lines: dict[str, tuple[Floats, str, str]],
    found: ScoredForecasts,
    rows: Rows,
    clock: Clock,
) -> Plot:
    """The sums of the profits of each of `lines` (n,), at the times of `rows` (n,)."""
    sums = {name: profits.cumsum() for name, (profits, _, _) in lines.items()}
    kept = row_parts.thin_rows(list(sums.values()))
    x, folds = clock.texts(found, rows[kept]), found.fold_numbers[rows[kept]]
    before = row_parts.gaps(found.times[rows[kept]], folds, at_long_steps=False)
    traces: list[Json] = [
        line_trace(
            name,
            row_parts.with_gaps(x, before),
            row_parts.with_gaps(row_parts.numbers(sums[name][kept]), before),
            colour,
            dash=dash,
        )
        | {"hovertemplate": f"{name}: %{{y:.1%}}<extra></extra>"}
        for name, (_, colour, dash) in lines.items()
    ]
    return Plot(
        id=id,
        title=title,
        about=f"{about} {row_parts.splits_text([found])}{row_parts.thinned_text(len(kept), len(rows))}",
        figure={
            "data": traces,
            "layout": layout(
                title,
                note,
                xaxis=axis("time of the forecast", "date"),
                yaxis=axis("profit (share of the stake)", tickformat=".0%")
                | {"zeroline": True, "zerolinecolor": GREY},
            ),
        },
    )
