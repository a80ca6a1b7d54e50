"""Prints the figures of a panel: what its rows are worth, skill by series and year, and the cross-section."""

from collections.abc import Iterator, Sequence

from search.selection.panel_result import PanelResult
from search.selection.statistics.cross_section import CrossSection, MeanByDate
from search.selection.statistics.panel_skill import GroupSkill
from search.selection.unseen_series import UnseenSeries
from trainer.text import names_of

_MOST_SERIES = 3
"""Series that are named at either end; `verify --json` has all of them."""


def panel_sentences(found: PanelResult) -> Iterator[str]:
    """The figures of a panel, one sentence or two each."""
    skill = found.skill
    better = round(skill.share_better * len(skill.by_series))
    yield f"The panel: {found.rows.text}."
    yield (
        f"Its loss is below that of {skill.reference} in {better} of {len(skill.by_series)} series; "
        f"{_extremes(skill.by_series)}."
    )
    yield f"Skill over {skill.reference} by year: {_listed(skill.by_year)}."
    if found.cross_section is not None:
        yield from _cross_section_sentences(found.cross_section)


def unseen_series_sentences(found: UnseenSeries) -> Iterator[str]:
    """What the model shows on the series that no trial trained on."""
    interval = found.interval
    reach = (
        f"too few dates for an interval ({found.times})"
        if interval is None
        else f"{100 * interval.level:g} % interval {interval.low:+.4f} to {interval.high:+.4f}, by date"
    )
    yield (
        f"On {len(found.series)} series that no trial trained on ({names_of(found.series)}; {found.rows:,} "
        f"test rows at {found.times:,} times): loss {found.loss:.6f}, skill {found.skill:+.4f} over "
        f"{found.reference} ({reach}); {_extremes(found.by_series.by_series)}."
    )


def _extremes(series: Sequence[GroupSkill]) -> str:
    known = sorted((each for each in series if each.skill is not None), key=lambda each: -(each.skill or 0.0))
    if len(known) <= 2 * _MOST_SERIES:
        return f"skill by series: {_listed(known)}"
    return f"highest skill: {_listed(known[:_MOST_SERIES])}; lowest: {_listed(known[-_MOST_SERIES:])}"


def _listed(groups: Sequence[GroupSkill]) -> str:
    return ", ".join(
        f"{each.name} {'–' if each.skill is None else format(each.skill, '+.4f')}" for each in groups
    )


def _cross_section_sentences(found: CrossSection) -> Iterator[str]:
    earned = found.long_short
    yield (
        f"Across the series of a date: IC {_mean(found.ic)}, Rank IC {_mean(found.rank_ic)}, ICIR "
        f"{_plain(found.icir)}, over {found.ic.dates} dates with 5 series or more."
    )
    turnover = "" if earned.turnover is None else f", {100 * earned.turnover:.0f} % of it replaced each time"
    yield (
        f"Long the highest {100 * earned.quantile:.0f} % of forecasts and short the lowest{turnover}: "
        f"{_mean(earned.gross, 6)} per target's horizon before costs, {_mean(earned.net, 6)} at "
        f"{earned.cost_basis_points:g} basis points of what is traded."
    )


def _mean(found: MeanByDate, digits: int = 4) -> str:
    """`+0.0312 (Newey–West t 2.41)`."""
    t = "" if found.t is None else f" (Newey–West t {found.t:.2f})"
    return f"{found.mean:+.{digits}f}{t}"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}"
