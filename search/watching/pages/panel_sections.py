"""The series of a panel, in a table: where the best trial has skill, and where it has none."""

from collections.abc import Sequence

from search.selection.panel_result import PanelResult
from search.selection.statistics.panel_skill import GroupSkill
from search.watching.blocks import Block, Heading, Paragraph, TableBlock
from search.watching.pages.trial_sections import loss_text, skill_text

MOST_SERIES = 30
"""Series that are listed: half of them the best, half the worst."""


def panel_blocks(panel: PanelResult | None, level: int = 2) -> list[Block]:
    """Return what the rows are worth, in how many series the best trial is better than its strongest rival,
    and the table of series; nothing for a study of one series.
    """
    if panel is None:
        return []
    skill = panel.skill
    told = (
        f"On the validation rows the loss of the best trial is below that of {skill.reference} "
        f"{better_series_text(panel)}. {panel.rows.text}."
    )
    columns = ("series", "rows", "loss", f"loss of {skill.reference}", f"skill over {skill.reference}")
    table = TableBlock(columns, [_row(each) for each in listed_series(skill.by_series)])
    return [Heading("Series", level), Paragraph(told), table]


def better_series_text(panel: PanelResult) -> str:
    """Return in how many series the best trial is better than its reference: `in 14 of 20 series (70%)`."""
    share, series = panel.skill.share_better, len(panel.skill.by_series)
    return f"in {round(share * series)} of {series} series ({share:.0%})"


def listed_series(series: Sequence[GroupSkill]) -> list[GroupSkill]:
    """The series by skill, the best first; of many the best and the worst, with the others as one row."""
    by_skill = sorted(series, key=lambda each: (each.skill is None, -(each.skill or 0.0)))
    if len(by_skill) <= MOST_SERIES:
        return by_skill
    half = MOST_SERIES // 2
    return [*by_skill[:half], _summed(by_skill[half:-half]), *by_skill[-half:]]


def _summed(series: Sequence[GroupSkill]) -> GroupSkill:
    """Several series as one, with the mean losses of all their rows."""
    rows = sum(each.rows for each in series)
    loss, reference = (
        sum(each.rows * value for each, value in zip(series, values, strict=True)) / rows
        for values in ([each.loss for each in series], [each.reference_loss for each in series])
    )
    name = f"{len(series)} series between them"
    return GroupSkill(name, rows, loss, reference, 1 - loss / reference if reference > 0 else None)


def _row(series: GroupSkill) -> tuple[object, ...]:
    losses = loss_text(series.loss), loss_text(series.reference_loss)
    return (series.name, series.rows, *losses, skill_text(series.skill))
