"""How results look on a terminal and in a pipe: the same tables, coloured by meaning where wanted."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from search.config.layers import Layer, Setting
from search.words import cell, duration, place
from storage import tables
from storage.verdicts import Verdict

VERDICT_STYLE = {
    Verdict.ACCEPTED: "green",
    Verdict.UNPROMISING: "dim",
    Verdict.UNSTABLE: "yellow",
    Verdict.SUSPICIOUS: "magenta",
    Verdict.INTERRUPTED: "cyan",
    Verdict.FAILED: "red",
}
LAYER_STYLE = {Layer.CLAMP: "yellow", Layer.GUARD: "magenta", Layer.SAMPLED: "cyan", Layer.CLI: "bold"}
SEVERITY_STYLE = {"error": "red", "warning": "yellow", "info": "dim"}
_MANY = 500
"""Rows above which a table is written line by line: rich takes up to a millisecond for each."""
_PIPE_WIDTH = 240
"""Wide enough that no key is folded: what goes through a pipe is searched line by line."""


def console() -> Console:
    """The console of this process; rich itself obeys NO_COLOR and a pipe."""
    screen = Console(highlight=False)
    if not screen.is_terminal and "COLUMNS" not in os.environ:
        screen.width = _PIPE_WIDTH
    return screen


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None, whole: Sequence[str] = ()
) -> Table:
    """A plain table. Columns named in `whole` keep their text on one line, the others fold it to fit."""
    drawn = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for name in columns:
        drawn.add_column(name, overflow="fold", no_wrap=name in whole)
    for row in rows:
        drawn.add_row(*(item if isinstance(item, Text) else escape(cell(item)) for item in row))
    return drawn


def _lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A plain table whose rows are lines, never folded, and without colour."""
    cells = [list(columns)]
    cells += ([item.plain if isinstance(item, Text) else cell(item) for item in row] for row in rows)
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True))
        for row in cells
    )


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def verdict_cell(verdict: Verdict | None) -> Text:
    """A verdict in its colour."""
    return Text("running") if verdict is None else Text(str(verdict), style=VERDICT_STYLE[verdict])


def clamp_table(clamps: Iterable[Any]) -> Table:
    """Ranges and values that were cut: of a configuration, or of the record."""
    rows = (
        (clamp.key, f"{cell(clamp.declared)} was asked for, {cell(clamp.effective)} is used: {clamp.reason}")
        for clamp in clamps
    )
    return table(("clamped", ""), rows, whole=("clamped",))


def finding_table(findings: Iterable[Any]) -> Table:
    """Findings of the data audit."""
    rows = ((Text(f.severity, style=SEVERITY_STYLE[f.severity]), f.code, f.message) for f in findings)
    return table(("severity", "code", "finding"), rows, whole=("severity", "code"))


def print_trials(screen: Console, trials: Sequence[tables.Trial]) -> None:
    """Print a row per trial, with its parameters under their last names."""
    keys = sorted({key for trial in trials for key in trial.params})
    told = any(_needs_telling(trial) for trial in trials)
    rows = [
        (
            trial.number,
            verdict_cell(trial.verdict),
            *((", ".join(trial.reasons),) if told else ()),
            None if trial.value is None else f"{trial.value:.4f}",
            None if trial.skill is None else f"{trial.skill:+.4f}",
            trial.epochs,
            duration(trial.duration_s),
            *(_short(trial.params.get(key)) for key in keys),
        )
        for trial in trials
    ]
    names = (key.rpartition(".")[2] for key in keys)
    columns = ("#", "verdict", *(("reasons",) if told else ()), "loss", "skill", "ep", "time", *names)
    if len(rows) > _MANY:
        screen.file.write(_lines(columns, rows) + "\n")
    else:
        screen.print(table(columns, rows, whole=("#", "verdict", "loss", "skill", "time")))


def _needs_telling(trial: tables.Trial) -> bool:
    """That an unpromising trial was pruned goes without saying."""
    return bool(trial.reasons) and trial.verdict is not Verdict.UNPROMISING


def _short(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else cell(value)


def params_table(title: str, trial: tables.Trial) -> Table:
    """The parameters of one trial."""
    return table(("setting", "value"), sorted(trial.params.items()), title=title)


def setting_table(settings: Iterable[Setting]) -> Table:
    """A row per setting: what is used, who said so, and what was asked for instead."""
    rows = (
        (
            setting.key,
            Text(setting.layer, style=LAYER_STYLE.get(setting.layer, "")),
            _value_and_why(setting),
            place(setting.origin),
        )
        for setting in settings
    )
    return table(("key", "layer", "value", "origin"), rows, whole=("key", "layer"))


def _value_and_why(setting: Setting) -> str:
    asked = "" if setting.requested == setting.value else f"asked for {cell(setting.requested)}"
    return "; ".join(part for part in (cell(setting.value), asked, setting.reason) if part)


def stack_table(setting: Setting) -> Table:
    """All layers of one setting, the lowest first; the last one is in force."""
    last = len(setting.overrides) - 1
    rows = (
        (
            "→" if i == last else "",
            Text(act.layer, style=LAYER_STYLE.get(act.layer, "")),
            act.requested,
            act.effective,
            place(act.origin),
            act.reason,
        )
        for i, act in enumerate(setting.overrides)
    )
    return table(("", "layer", "asked for", "used", "origin", "why"), rows, title=setting.key)
