"""Where in time the forecast gains: its cumulative loss difference to baseline and strongest rival."""

from collections.abc import Sequence

import numpy as np

from search.record.scored_forecasts import ScoredForecasts
from search.record.validation_rows import Floats
from search.selection.statistics.loss_difference import LossDifference, cumulative_loss_difference
from search.watching.blocks import Plot
from search.watching.plots import row_parts
from search.watching.plots.plotly_parts import GREY, Json, axis, layout, line_trace, plot_label
from search.watching.plots.row_parts import MODEL_COLOUR, SPLIT_DASHES, Clock
from search.watching.view import StudyView
from trainer.data.arrays import Rows

_BAND_POINTS = 200
_REFERENCES = ("the best naive forecast", "the strongest rival")
_GAP = 0.1
"""Share of the height between the two parts."""


def plot_loss_difference(view: StudyView) -> Plot | None:
    """Draw the loss saved against the best naive forecast and, below it, against the strongest rival, by
    date; None if no split has rows enough for a band.
    """
    return draw_loss_difference(view.scored, row_parts.clock_of(view))


def draw_loss_difference(scored: Sequence[ScoredForecasts], clock: Clock) -> Plot | None:
    """The same for some splits, on the clock of their source."""
    rows = [_against(scored, is_rival) for is_rival in (False, True)]
    parts = [part for part in rows if part]
    if not parts:
        return None
    traces = [
        trace
        for number, part in enumerate(parts)
        for place, (found, name, known) in enumerate(part)
        for trace in _traces(found, name, known, clock, number, is_first=not (number or place))
    ]
    title = "Cumulative loss difference"
    axes = {
        f"yaxis{number + 1 if number else ''}": axis(
            f"against {_REFERENCES[number]}",
            domain=row_parts.height_of_part(number, len(parts), _GAP),
        )
        | {"zeroline": True, "zerolinecolor": GREY}
        for number in range(len(parts))
    }
    drawn = [found for found, _, _ in parts[0]]
    by_date = " Of a panel each date is the mean over its series." if drawn[0].is_panel else ""
    return Plot(
        id="loss-difference",
        title=title,
        about=(
            "The loss that the forecast has saved by each date, as a share of the loss of the reference over "
            "the whole period, so that a line ends at the skill: while it rises the forecast is better, "
            "while it falls the reference is. Within the pale area luck alone takes it at any one date 95 % "
            "of the time if both are equally good. The area's end is that of the Diebold–Mariano test "
            "(autocorrelation-robust); before it, it grows with the squared differences so far (Goyal & "
            f"Welch 2008).{by_date} Each period starts at 0. {row_parts.splits_text(drawn)}"
        ),
        figure={
            "data": traces,
            "layout": layout(
                title,
                "share of the reference's loss; it ends at the skill",
                height=300 + 200 * len(parts),
                xaxis=axis("time of the forecast", "date", anchor="y2" if len(parts) == 2 else "y"),
                **axes,
                **row_parts.boundary(drawn, clock),
            ),
        },
    )


_Compared = tuple[ScoredForecasts, str, LossDifference]


def _against(scored: Sequence[ScoredForecasts], is_rival: bool) -> list[_Compared]:
    """The splits that have rows enough, with the name of their reference and the loss saved against it."""
    if is_rival and not any(each.has_own_rival for each in scored):
        return []
    found = []
    for each in scored:
        name, theirs = (
            (each.rival_name, each.rival_loss) if is_rival else (each.baseline_name, each.baseline_loss)
        )
        if name is None or theirs is None:
            continue
        known = _saved(each, theirs)
        if known is not None:
            found.append((each, name, known))
    return found


def _saved(found: ScoredForecasts, reference: Floats) -> LossDifference | None:
    moments = found.moments
    return cumulative_loss_difference(moments.means(found.loss), moments.means(reference), moments.horizon)


def _traces(
    found: ScoredForecasts, name: str, known: LossDifference, clock: Clock, number: int, *, is_first: bool
) -> list[Json]:
    """The band and the line of one split, in the `number`-th part."""
    where = {"yaxis": f"y{number + 1 if number else ''}"}
    few = _band_moments(found)
    reach = known.reach[few]
    band = row_parts.band_trace(
        "luck, 95 %",
        clock.texts(found, found.first_rows[few]),
        row_parts.numbers(-reach),
        row_parts.numbers(reach),
        _gaps(found, few),
        GREY,
        0.18,
        showlegend=is_first,
        **where,
    )
    kept = row_parts.thin_rows([known.saved])
    before = _gaps(found, kept)
    line = line_trace(
        f"{found.split}, against {plot_label(name, 24)}",
        row_parts.with_gaps(clock.texts(found, found.first_rows[kept]), before),
        row_parts.with_gaps(row_parts.numbers(known.saved[kept]), before),
        MODEL_COLOUR,
        dash=SPLIT_DASHES[found.split],
    )
    return [band, line | where | {"hovertemplate": "%{x}: %{y:+.4f}"}]


def _band_moments(found: ScoredForecasts) -> Rows:
    """Some moments, and the first and last one of each fold."""
    folds = found.fold_numbers[found.first_rows]
    begins = np.flatnonzero(folds[1:] != folds[:-1]) + 1
    some = np.linspace(0, len(folds) - 1, _BAND_POINTS).round().astype(np.int64)
    return np.unique(np.concatenate([some, begins, begins - 1]))


def _gaps(found: ScoredForecasts, moments: Rows) -> Rows:
    """Before which of some moments a fold begins."""
    rows = found.first_rows[moments]
    return row_parts.gaps(found.times[rows], found.fold_numbers[rows], at_long_steps=False)
