"""The sections on a walk-forward: of its own report, and of the pages of its studies. Pure."""

import math
from collections.abc import Sequence
from typing import Any

from search.selection.statistics.grouped_skill import GroupedSkill
from search.selection.walk_forward_record import WalkForwardRecord
from search.watching.blocks import Block, CodeBlock, Heading, Paragraph, Plot, TableBlock
from search.watching.view import StudyView
from storage.commands import ballast_command


def of_study(view: StudyView, store: str | None = None, level: int = 2) -> list[Block]:
    """The walk-forward that a study belongs to; nothing if there is none."""
    name, record = view.walk_forward, view.walk_forward_record
    if name is None:
        return []
    heading: Block = Heading(f"Walk-forward {name}", level)
    look = CodeBlock(ballast_command("status", name, store=store))
    if record is not None:
        return [heading, *sections(record, level + 1)]
    if view.study.name == name:
        return [heading, Paragraph("A walk-forward of this name has no finished block yet."), look]
    return [heading, Paragraph("This study is a block of it: it reads no row of the block."), look]


def walk_forward_blocks(record: WalkForwardRecord, plots: Sequence[Plot], store: str | None) -> list[Block]:
    """The whole page of a walk-forward; `store` is the URL that its commands name, None if they need none."""
    newest = record.finished[-1:] or record.blocks[:1]
    studies = "\n".join(ballast_command("status", block.study, store=store) for block in newest)
    return [
        Heading(f"Walk-forward {record.name}", 1),
        *sections(record),
        *_figures(plots),
        Heading("What was asked"),
        TableBlock(("asked for", ""), [(name, _text(value)) for name, value in record.options.items()]),
        Heading("Look closer"),
        Paragraph("Each block is a study of its own, named in the table above. The newest one:"),
        CodeBlock(studies),
    ]


def _figures(plots: Sequence[Plot]) -> list[Block]:
    return [Heading("Figures"), *plots] if plots else []


def sections(record: WalkForwardRecord, level: int = 2) -> list[Block]:
    """The answer, and the tables by block, by year and of calibration."""
    blocks: list[Block] = [Paragraph(record.sentence(), strong=True), *map(Paragraph, record.notes())]
    blocks += [Heading("By block", level), _by_block(record)]
    if record.rows is None:
        return blocks
    return [
        *blocks,
        Heading("By year", level),
        _groups("year", record.by_year()),
        Heading("Did skill follow where validation said so?", level),
        Paragraph(
            "Validation said skill if the best trial of a study was above its noise floor. Skill followed if "
            "the forecasts of the block had a lower loss than the naive forecast that is best on all rows."
        ),
        _calibration(record),
    ]


def _by_block(record: WalkForwardRecord) -> TableBlock:
    keys, rows = list(record.wandering()), []
    for position, block in enumerate(record.blocks):
        result, reached = block.result or {}, record.block_skill(position)
        claim = (result.get("validation") or {}).get("skill")
        trial = (
            "not yet" if not result else result["trial"] if result["fallback"] is None else result["fallback"]
        )
        rows.append(
            (
                block.study,
                f"{block.begin} to {block.until}",
                trial,
                _signed(claim),
                _signed(reached),
                *(block.settings.get(key, "–") for key in keys),
            )
        )
    return TableBlock(("study", "rows", "trial", "validation skill", "skill", *keys), rows)


def _groups(what: str, groups: Sequence[GroupedSkill]) -> TableBlock:
    rows = [
        (
            each.name,
            each.rows,
            _signed(each.skill),
            "–" if each.interval is None else f"{each.interval.low:+.4f} to {each.interval.high:+.4f}",
        )
        for each in groups
    ]
    return TableBlock((what, "times", "skill", "95 % interval"), rows)


def _calibration(record: WalkForwardRecord) -> TableBlock:
    rows = [
        (
            "yes" if each.said_skill else "no",
            each.blocks,
            each.followed,
            _signed(each.validation_skill),
            _signed(each.lower_bound),
            _signed(each.skill),
        )
        for each in record.calibration()
    ]
    columns = (
        "validation said skill",
        "blocks",
        "skill followed",
        "mean said",
        "mean lower bound",
        "mean reached",
    )
    return TableBlock(columns, rows)


def _signed(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:+.4f}"


def _text(value: Any) -> str:
    return "–" if value in (None, []) else str(value)
