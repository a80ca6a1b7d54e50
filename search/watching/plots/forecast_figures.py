"""The figures of the forecasts on record, in the order in which pages show them."""

from search.watching.blocks import Plot
from search.watching.plots.forecast_actual import plot_forecast_actual
from search.watching.plots.loss_difference import plot_loss_difference
from search.watching.plots.residuals import plot_residuals
from search.watching.plots.sign_strategy import plot_strategy
from search.watching.plots.skill_by_period import plot_skill_by_period
from search.watching.view import StudyView

FORECAST_PLOT_IDS = (
    *("forecasts", "loss-difference", "skill-by-year", "residuals", "sign-strategy", "long-short"),
)
_PLOTS = (
    plot_forecast_actual,
    plot_loss_difference,
    plot_skill_by_period,
    plot_residuals,
    plot_strategy,
)


def forecast_figures(view: StudyView) -> list[Plot]:
    """Draw what the forecasts on record allow: none without forecasts, and none from too few rows. Pure."""
    return [plot for draw in _PLOTS if (plot := draw(view)) is not None]
