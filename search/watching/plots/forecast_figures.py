"""The figures of the forecasts on record, in the order in which pages show them. All are pure."""

from search.watching.plots.forecast_actual import plot_forecast_actual
from search.watching.plots.loss_difference import plot_loss_difference
from search.watching.plots.residuals import plot_residuals
from search.watching.plots.sign_strategy import plot_strategy
from search.watching.plots.skill_by_period import plot_skill_by_period

FORECAST_PLOT_IDS = (
    *("forecasts", "loss-difference", "skill-by-year", "residuals", "sign-strategy", "long-short"),
)
FORECAST_PLOTS = (
    plot_forecast_actual,
    plot_loss_difference,
    plot_skill_by_period,
    plot_residuals,
    plot_strategy,
)
"""None without forecasts on record, and from too few rows."""
