"""The record of a walk-forward in a terminal."""

import math
from typing import Any

from rich.table import Table

from search.config.leaves import format_value
from search.selection.statistics.grouped_skill import GroupedSkill
from search.selection.walk_forward_record import BlockResult, Calibration, WalkForwardRecord
from search.terminal.result_tables import console
from search.text import duration


def print_walk_forward(record: WalkForwardRecord) -> None:
    """Print the blocks, the years, how often validation was right, and the answer."""
    screen = console()
    screen.print(_blocks(record))
    if record.rows is not None:
        screen.print(_groups("by year", record.by_year()))
        screen.print(_calibration(record.calibration()))
    for line in [record.sentence(), *walk_forward_lines(record)]:
        screen.print(line, markup=False)


def walk_forward_lines(record: WalkForwardRecord) -> list[str]:
    """What is said besides the answer: rivals, rows, cost."""
    lines = []
    rival = record.strongest_rival
    if rival is not None:
        lines.append(f"Strongest rival: {rival.verdict}: {rival.reason}.")
    results = [block.result for block in record.finished if block.result is not None]
    if results:
        seconds = [result["seconds"] for result in results]
        trials, refits = (sum(each[part] for each in seconds) for part in ("trials", "refits"))
        each_block = duration((trials + refits) / len(results))
        lines.append(
            f"{len(results)} of {len(record.blocks)} blocks took {duration(trials)} of trials and "
            f"{duration(refits)} of refits and forecasts, {each_block} a block."
        )
    if record.number > 1 or record.searches:
        earlier = len(record.searches)
        lines.append(
            f"These rows judge their {record.number}. configuration"
            + (
                f", and {earlier} {'study' if earlier == 1 else 'studies'} searched on some of them before"
                if earlier
                else ""
            )
            + f": the confidence asked for is {100 * record.level:.4g} %."
        )
    return lines


def _blocks(record: WalkForwardRecord) -> Table:
    table = Table(title=f"walk-forward {record.name}")
    keys = list(record.wandering())
    for name in (
        "block",
        "from",
        "until",
        "trial",
        "validation",
        "skill",
        *(key.rpartition(".")[2] for key in keys),
    ):
        table.add_column(name)
    for position, block in enumerate(record.blocks):
        chosen = [_value(block.settings.get(key)) for key in keys]
        table.add_row(
            block.study.rpartition("@")[2],
            block.begin,
            block.until,
            *_outcome(block),
            _signed(record.block_skill(position)),
            *chosen,
        )
    return table


def _outcome(block: BlockResult) -> tuple[str, str]:
    """The trial that was chosen, and its skill on the validation rows."""
    if block.result is None:
        return "–", "–"
    if block.result["fallback"] is not None:
        return "none", "–"
    return str(block.result["trial"]), _signed(block.result["validation"]["skill"])


def _groups(title: str, groups: list[GroupedSkill]) -> Table:
    table = Table(title=title)
    for name in ("year", "rows", "skill", "95 % interval"):
        table.add_column(name)
    for group in groups:
        interval = (
            "–" if group.interval is None else f"{group.interval.low:+.4f} … {group.interval.high:+.4f}"
        )
        table.add_row(group.name, str(group.rows), _signed(group.skill), interval)
    return table


def _calibration(found: list[Calibration]) -> Table:
    table = Table(title="did skill follow where validation said so?")
    for name in (
        "validation said skill",
        "blocks",
        "skill followed",
        "mean on validation",
        "mean on the block",
    ):
        table.add_column(name)
    for each in found:
        said = "yes" if each.said_skill else "no"
        table.add_row(
            said, str(each.blocks), str(each.followed), _signed(each.validation_skill), _signed(each.skill)
        )
    return table


def _signed(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:+.4f}"


def _value(value: Any) -> str:
    return "–" if value is None else format_value(round(value, 6) if isinstance(value, float) else value)
