"""The record of a walk-forward in a terminal."""

import math
from typing import Any

from search.config.leaves import format_value
from search.selection.statistics.grouped_skill import GroupedSkill
from search.selection.walk_forward_record import BlockResult, Calibration, WalkForwardRecord
from search.terminal.result_tables import console, values_table
from search.terminal.text_table import TextTable


def print_walk_forward(record: WalkForwardRecord) -> None:
    """Print the blocks, the years, how often validation was right, and the answer."""
    screen = console()
    screen.print(_blocks(record))
    if record.rows is not None:
        screen.print(_years(record.by_year()))
        screen.print(_calibration(record.calibration()))
    for line in [record.sentence(), *record.notes()]:
        screen.print(line, markup=False, soft_wrap=True)


def _blocks(record: WalkForwardRecord) -> TextTable:
    keys = list(record.wandering())
    names = ["block", "from", "until", "trial", "validation", "skill"]
    rows = [
        (
            block.study.rpartition("@")[2],
            block.begin,
            block.until,
            *_outcome(block),
            _signed(record.block_skill(position)),
            *(_value(block.settings.get(key)) for key in keys),
        )
        for position, block in enumerate(record.blocks)
    ]
    names += [key.rpartition(".")[2] for key in keys]
    return values_table(names, rows, f"walk-forward {record.name}")


def _outcome(block: BlockResult) -> tuple[str, str]:
    """The trial that was chosen, and its skill on the validation rows."""
    if block.result is None:
        return "–", "–"
    if block.result["fallback"] is not None:
        return "none", "–"
    return str(block.result["trial"]), _signed(block.result["validation"]["skill"])


def _years(found: list[GroupedSkill]) -> TextTable:
    rows = [
        (
            each.name,
            str(each.rows),
            _signed(each.skill),
            None if each.interval is None else f"{each.interval.low:+.4f} … {each.interval.high:+.4f}",
        )
        for each in found
    ]
    return values_table(("year", "rows", "skill", "95 % interval"), rows)


def _calibration(found: list[Calibration]) -> TextTable:
    rows = [
        (
            "yes" if each.said_skill else "no",
            str(each.blocks),
            str(each.followed),
            _signed(each.validation_skill),
            _signed(each.skill),
        )
        for each in found
    ]
    names = ("validation said skill", "blocks", "skill followed", "mean on validation", "mean on the block")
    return values_table(names, rows)


def _signed(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:+.4f}"


def _value(value: Any) -> str:
    return "–" if value is None else format_value(round(value, 6) if isinstance(value, float) else value)
