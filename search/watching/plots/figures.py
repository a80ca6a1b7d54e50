"""The plots of a study, in the order in which the dashboard and the report show them."""

from search.watching.blocks import Plot
from search.watching.plots.calibration import plot_calibration
from search.watching.plots.column_importance import plot_column_importance
from search.watching.plots.contour import plot_contour
from search.watching.plots.forecast_figures import FORECAST_PLOT_IDS, FORECAST_PLOTS
from search.watching.plots.interventions import plot_interventions
from search.watching.plots.learning_curves import plot_learning_curves
from search.watching.plots.parallel import plot_parallel
from search.watching.plots.safe_ranges import plot_safe_ranges
from search.watching.plots.series_years import plot_series_years
from search.watching.plots.setting_importance import plot_setting_importance
from search.watching.plots.skill import plot_skill
from search.watching.plots.slices import plot_slices
from search.watching.plots.space import plot_space
from search.watching.plots.trial_seconds import plot_trial_seconds
from search.watching.plots.trial_timeline import plot_trial_timeline
from search.watching.plots.walk_forward import walk_forward_figures
from search.watching.view import StudyView


def _plot_calibration(view: StudyView) -> Plot | None:
    """The intervals, once `verify` has tested them."""
    return plot_calibration(None if view.summary.verified is None else view.summary.verified.report)


def _plot_series_years(view: StudyView) -> Plot | None:
    """Skill by series and year of a panel."""
    return None if view.panel is None else plot_series_years(view.panel)


PLOT_IDS = (
    *FORECAST_PLOT_IDS,
    *("column-importance", "learning-curves", "skill", "setting-importance", "slices", "parallel", "contour"),
    *("space", "safe-ranges", "interventions", "seconds", "timeline", "series-years", "calibration"),
    *("walk-forward-loss-difference", "walk-forward-skill", "walk-forward-settings"),
)
"""The ids of the plots, in the same order."""
_PLOTS = (
    *FORECAST_PLOTS,
    plot_column_importance,
    plot_learning_curves,
    plot_skill,
    plot_setting_importance,
    plot_slices,
    plot_parallel,
    plot_contour,
    plot_space,
    plot_safe_ranges,
    plot_interventions,
    plot_trial_seconds,
    plot_trial_timeline,
    _plot_series_years,
    _plot_calibration,
)


def figures(view: StudyView) -> list[Plot]:
    """Draw every plot that the record has something for, as JSON values whose numbers are all finite.

    Pure.
    """
    record = view.walk_forward_record
    walked = [] if record is None else walk_forward_figures(record)
    return [*(plot for draw in _PLOTS if (plot := draw(view)) is not None), *walked]
