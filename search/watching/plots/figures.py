"""The plots of a study, in the order in which the dashboard and the report show them."""

from search.watching.blocks import Plot
from search.watching.plots.forecast_figures import FORECAST_PLOT_IDS, forecast_figures
from search.watching.plots.interventions import plot_interventions
from search.watching.plots.learning_curves import plot_learning_curves
from search.watching.plots.safe_ranges import plot_safe_ranges
from search.watching.plots.series_years import plot_series_years
from search.watching.plots.skill import plot_skill
from search.watching.plots.space import plot_space
from search.watching.plots.trial_seconds import plot_trial_seconds
from search.watching.view import StudyView

PLOT_IDS = ("learning-curves", "skill", "space", "safe-ranges", "interventions", "seconds")
"""The ids of the plots that every study has, in the same order."""
PLOT_ORDER = (*FORECAST_PLOT_IDS, *PLOT_IDS)
"""The ids of these and of the figures of forecasts, in the order of pages."""
_PLOTS = (
    plot_learning_curves,
    plot_skill,
    plot_space,
    plot_safe_ranges,
    plot_interventions,
    plot_trial_seconds,
)


def figures(view: StudyView) -> list[Plot]:
    """Draw every plot, as JSON values whose numbers are all finite: those of the forecasts first, and for a
    panel one more, of its series.

    Pure.
    """
    drawn = [*forecast_figures(view), *(draw(view) for draw in _PLOTS)]
    return drawn if view.panel is None else [*drawn, plot_series_years(view.panel)]
