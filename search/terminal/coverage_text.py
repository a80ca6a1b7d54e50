"""Prints how often the test rows lay within the bounds of their forecasts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType

from search.terminal.result_tables import values_table
from search.text import p_text

if TYPE_CHECKING:
    from search.selection.interval_coverage import IntervalCoverage
    from search.selection.statistics.coverage import Coverage, LikelihoodRatio, MeanTest

_NAMES = ("bounds", "covered", "Kupiec LR (p)", "independence LR (p)", "Christoffersen LR (p)")
_PANEL_NAMES = ("bounds", "covered", "times", "t of the mean share (p)")


def coverage_parts(found: "IntervalCoverage | None") -> Iterator[RenderableType]:
    """A sentence on where the bounds come from, a table of their coverage, and what the tests cannot do."""
    if found is None:
        yield "Forecast intervals are not tested: no forecasts of validation rows are known."
        return
    first, relative = found.levels[0], " relative" if found.intervals.smallest_scale is not None else ""
    yield (
        f"Forecast intervals, from {found.intervals.pooled.rows}{relative} errors on validation rows, on "
        f"{first.rows} test rows{_following_text(found)}:"
    )
    if first.by_time is None:
        yield values_table(_NAMES, [_series_row(each) for each in found.levels])
    else:
        yield values_table(_PANEL_NAMES, [_panel_row(each) for each in found.levels])
        yield (
            "The test of a panel is of the shares within bounds at each time, averaged over series: rows of "
            "one time are not independent."
        )
    if found.horizon > 1 and first.kupiec is not None:
        yield (
            f"Targets over {found.horizon} rows overlap: the tests use every {found.horizon}th row, "
            f"{first.rows_tested} in all, and the residuals behind the bounds depend on each other as well."
        )
    told = ", ".join(f"{level} %: {100 * share:.1f}" for level, share in found.calibration.items())
    yield f"Calibration, the share of test rows within bounds of each level: {told}."


def _following_text(found: "IntervalCoverage") -> str:
    """Whether the bounds follow quantiles or the size of the last errors, as part of a sentence."""
    if by_quantiles := sorted(found.intervals.levels_of_quantiles):
        levels = " and ".join(f"{level} %" for level in by_quantiles)
        return f", at {levels} around the quantiles that the model forecasts"
    if found.intervals.recent is None:
        return ""
    rows = found.levels[0].rows
    part = "" if found.following == rows else f" in {found.following} of them"
    return f", as wide as the last errors of the series are large{part}"


def _series_row(level: "Coverage") -> tuple[str | None, ...]:
    return (
        *_level_texts(level),
        *map(_test_text, (level.kupiec, level.independence, level.christoffersen)),
    )


def _panel_row(level: "Coverage") -> tuple[str | None, ...]:
    test = level.by_time
    return *_level_texts(level), None if test is None else str(test.times), _test_text(test)


def _level_texts(level: "Coverage") -> tuple[str, str]:
    return f"{100 * level.level:.0f} %", f"{100 * level.covered:.1f} %"


def _test_text(test: "LikelihoodRatio | MeanTest | None") -> str | None:
    return None if test is None else f"{test.statistic:.2f} ({p_text(test.p_value)})"
