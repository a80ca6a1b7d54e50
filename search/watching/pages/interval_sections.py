"""The coverage of the forecast intervals on the test rows, as the newest `verify` answer has it."""

from collections.abc import Mapping
from typing import Any

from search.text import p_text
from search.watching.blocks import Block, Paragraph, TableBlock

_COLUMNS = ("bounds", "test rows within them", "Kupiec (p)", "Christoffersen (p)", "mean over times (p)")


def coverage_blocks(report: Mapping[str, Any] | None) -> list[Block]:
    """Return a sentence and a table of a `report` in the shape of `verify --json`; nothing without tested
    intervals.
    """
    coverage = None if report is None else report.get("coverage")
    if not coverage:
        return []
    rows = coverage["levels"][0]["rows"]
    following = coverage.get("following", 0)
    width = f" In {following} of them the bounds follow the size of the last errors." if following else ""
    if by_quantiles := coverage.get("quantiles"):
        levels = " and ".join(f"{level} %" for level in by_quantiles)
        width = f" Those at {levels} are drawn around the quantiles that the model forecasts."
    told = (
        f"The bounds of its forecasts on {rows} test rows. They come from {coverage['residuals']} errors on "
        f"validation rows.{width} A small p speaks against the level (Kupiec; of a panel the mean over "
        "times), or for a wrong level or misses that follow each other (Christoffersen)."
    )
    return [Paragraph(told), TableBlock(_COLUMNS, [_row(each) for each in coverage["levels"]])]


def _row(level: Mapping[str, Any]) -> tuple[str | None, ...]:
    tests = (level.get(name) for name in ("kupiec", "christoffersen", "by_time"))
    return f"{100 * level['level']:.0f} %", f"{100 * level['covered']:.1f} %", *map(_test_text, tests)


def _test_text(test: Mapping[str, Any] | None) -> str | None:
    return None if test is None else f"{test['statistic']:.2f} ({p_text(test['p_value'])})"
