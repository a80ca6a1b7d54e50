"""The pictures of a study, in the order in which they are shown: the same in the dashboard and the report."""

from search.watching.blocks import Plot
from search.watching.plots.interventions import interventions
from search.watching.plots.learning_curves import learning_curves
from search.watching.plots.safe_ranges import safe_ranges
from search.watching.plots.seconds import seconds
from search.watching.plots.skill import skill
from search.watching.plots.space import space
from search.watching.view import StudyView

PLOTS = ("learning-curves", "skill", "space", "safe-ranges", "interventions", "seconds")
"""Their ids."""
_DRAWN = (learning_curves, skill, space, safe_ranges, interventions, seconds)


def figures(view: StudyView) -> list[Plot]:
    """Draw every plot: plain JSON values without a number that is not finite. Pure."""
    return [draw(view) for draw in _DRAWN]
