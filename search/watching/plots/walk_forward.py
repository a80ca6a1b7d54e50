"""The figures of a walk-forward: cumulative loss difference, skill by block, and the chosen settings."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from search.selection.walk_forward_record import WalkForwardRecord
from search.watching.blocks import Plot
from search.watching.plots.dot_rows import dots, row_layout, row_names, spans
from search.watching.plots.loss_difference import draw_loss_difference
from search.watching.plots.plotly_parts import (
    axis,
    is_number,
    layout,
    line_trace,
    log_or_linear_axis,
    plot_number,
)
from search.watching.plots.row_parts import MODEL_COLOUR, Clock, height_of_part

_GAP, _PART = 0.12, 150


def walk_forward_figures(record: WalkForwardRecord) -> list[Plot]:
    """All figures that the finished blocks give; empty before the first."""
    if record.rows is None:
        return []
    saved = draw_loss_difference([record.rows.scored()], Clock(record.zone))
    if saved is not None:
        saved = replace(saved, id="walk-forward-loss-difference", title=f"{saved.title} of the walk-forward")
    found = (saved, _skill_by_block(record), _settings(record))
    return [plot for plot in found if plot is not None]


def _skill_by_block(record: WalkForwardRecord) -> Plot | None:
    groups = record.by_block()
    if not groups:
        return None
    rows = row_names([group.name for group in groups])
    title = "Skill by block"
    with_interval = [(row, group.interval) for row, group in zip(rows, groups, strict=True) if group.interval]
    said = {
        block.study.rpartition("@")[2]: (block.result["validation"] or {}).get("skill")
        for block in record.finished
        if block.result is not None
    }
    told = [
        (row, float(claim))
        for row, group in zip(rows, groups, strict=True)
        if (claim := said.get(group.name)) is not None
    ]
    return Plot(
        id="walk-forward-skill",
        title=title,
        about=(
            f"Skill over {record.baseline}, the naive forecast that is best on all rows, on the rows of each "
            "block, with its 95 % interval. Hollow: what the block's study had said on its validation rows. "
            "Blocks of fewer than 20 times are not drawn."
        ),
        figure={
            "data": [
                spans(
                    "95 % interval",
                    [row for row, _ in with_interval],
                    [interval.low for _, interval in with_interval],
                    [interval.high for _, interval in with_interval],
                ),
                dots("on the block", rows, [group.skill for group in groups], filled=True),
                dots("validation said", [row for row, _ in told], [value for _, value in told], filled=False),
            ],
            "layout": row_layout(title, "", rows, "skill"),
        },
    )


def _settings(record: WalkForwardRecord) -> Plot | None:
    wandering = record.wandering()
    if not wandering:
        return None
    title = "Chosen settings by block"
    names = [block.study.rpartition("@")[2] for block in record.blocks]
    traces: list[Any] = []
    axes: dict[str, Any] = {}
    for number, (key, values) in enumerate(wandering.items()):
        place = f"{number + 1 if number else ''}"
        drawn = _drawn(values)
        trace = line_trace(key, names, drawn, MODEL_COLOUR, shape="linear")
        traces.append(trace | {"mode": "lines+markers", "yaxis": f"y{place}", "showlegend": False})
        domain = {"domain": height_of_part(number, len(wandering), _GAP)}
        short = key.rpartition(".")[2]
        axes[f"yaxis{place}"] = (
            log_or_linear_axis(short, drawn, **domain)
            if all(value is None or is_number(value) for value in values)
            else axis(short, "category", **domain)
        )
    last = f"y{len(wandering) if len(wandering) > 1 else ''}"
    return Plot(
        id="walk-forward-settings",
        title=title,
        about=(
            "What the search chose for each block. A setting that jumps between the ends of its range from "
            "block to block does not matter much, or is not found reliably."
        ),
        figure={
            "data": traces,
            "layout": layout(
                title,
                height=150 + _PART * len(wandering),
                xaxis=axis("block", "category", anchor=last),
                **axes,
            ),
        },
    )


def _drawn(values: Sequence[Any]) -> list[Any]:
    """Numbers as plotly takes them, other choices as text."""
    if all(value is None or is_number(value) for value in values):
        return [None if value is None else plot_number(value) for value in values]
    return [None if value is None else str(value) for value in values]
