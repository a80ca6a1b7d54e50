"""A made-up panel, as it was judged."""

import numpy as np

from search.selection.panel_result import PanelResult
from search.selection.statistics.panel_skill import panel_skill
from trainer.rivals.effective_rows import effective_rows


def panel_of(series: int) -> PanelResult:
    """A panel whose series n has the loss 1 + n / 10 against 2, on 400 days from 2020-06 on."""
    days = np.datetime64("2020-06-01") + np.arange(400)
    times, numbers = np.tile(days, series), np.repeat(np.arange(series), len(days))
    names = [f"S{number:02}" for number in range(series)]
    losses, theirs = 1 + numbers / 10, np.full(len(times), 2.0)
    errors = np.random.default_rng(0).standard_normal(len(times))
    skill = panel_skill(times, numbers, names, losses, theirs, "har")
    return PanelResult(effective_rows(errors, times, numbers, 1), skill, None)
