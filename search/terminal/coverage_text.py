"""Prints how often the test rows lay within the bounds of their forecasts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType

from search.terminal.result_tables import values_table
from search.text import p_text

if TYPE_CHECKING:
    from search.selection.interval_coverage import IntervalCoverage
    from search.selection.statistics.coverage import LikelihoodRatio

_NAMES = ("bounds", "covered", "Kupiec LR (p)", "independence LR (p)", "Christoffersen LR (p)")


def coverage_parts(found: "IntervalCoverage | None") -> Iterator[RenderableType]:
    """A sentence on where the bounds come from, a table of their coverage, and what the tests cannot do."""
    if found is None:
        yield "Forecast intervals are not tested: no forecasts of validation rows are known."
        return
    first, relative = found.levels[0], " relative" if found.intervals.smallest_scale is not None else ""
    yield (
        f"Forecast intervals, from {found.intervals.pooled.rows}{relative} errors on validation rows, on "
        f"{first.rows} test rows:"
    )
    rows = [
        (
            f"{100 * each.level:.0f} %",
            f"{100 * each.covered:.1f} %",
            *map(_test_text, (each.kupiec, each.independence, each.christoffersen)),
        )
        for each in found.levels
    ]
    yield values_table(_NAMES, rows)
    if first.kupiec is None:
        yield "They are not tested: rows of several series at one time are not independent."
    elif found.horizon > 1:
        yield (
            f"Targets over {found.horizon} rows overlap: the tests use every {found.horizon}th row, "
            f"{first.rows_tested} in all, and the residuals behind the bounds depend on each other as well."
        )


def _test_text(test: "LikelihoodRatio | None") -> str | None:
    return None if test is None else f"{test.statistic:.2f} ({p_text(test.p_value)})"
