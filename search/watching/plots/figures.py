"""The plots of a study, in the order in which the dashboard and the report show them."""

from search.watching.blocks import Plot
from search.watching.plots.calibration import plot_calibration
from search.watching.plots.interventions import plot_interventions
from search.watching.plots.learning_curves import plot_learning_curves
from search.watching.plots.safe_ranges import plot_safe_ranges
from search.watching.plots.series_years import plot_series_years
from search.watching.plots.skill import plot_skill
from search.watching.plots.space import plot_space
from search.watching.plots.trial_seconds import plot_trial_seconds
from search.watching.view import StudyView

PLOT_IDS = ("learning-curves", "skill", "space", "safe-ranges", "interventions", "seconds")
"""The ids of the plots, in the same order."""
_PLOTS = (
    plot_learning_curves,
    plot_skill,
    plot_space,
    plot_safe_ranges,
    plot_interventions,
    plot_trial_seconds,
)


def figures(view: StudyView) -> list[Plot]:
    """Draw every plot, as JSON values whose numbers are all finite; for a panel one more, of its series, and
    one of the intervals once `verify` has tested them.

    Pure.
    """
    drawn = [draw(view) for draw in _PLOTS]
    tested = plot_calibration(None if view.summary.verified is None else view.summary.verified.report)
    return [
        *drawn,
        *([] if view.panel is None else [plot_series_years(view.panel)]),
        *([] if tested is None else [tested]),
    ]
